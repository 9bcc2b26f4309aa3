"""What every ingredient must pass: one row a case, and it is put through all checks.

    from shrinkage.testing import Case, conformance

    CASES = [Case(Lion, twin=lion_by_hand), Case(StochasticDepth, beside=(Resnet(width=8),))]

    @pytest.mark.parametrize(("check", "case"), conformance(CASES))
    def test_conformance(check, case):
        check(case)

A check is a plain function that raises AssertionError; any test runner will do.
"""

from shrinkage.testing.case import Case, cohort_of, small_table
from shrinkage.testing.suite import conformance

__all__ = ["Case", "cohort_of", "conformance", "small_table"]
