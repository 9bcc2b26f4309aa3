"""Which checks a case must pass: all that can say something about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from shrinkage.testing import checks, parity
from shrinkage.testing.case import Case

Check = Callable[[Case], None]

ALWAYS: tuple[Check, ...] = (
    checks.toml_round_trip,
    checks.searchable,
    checks.alone_as_among_others,
    checks.permuting_members_permutes_results,
    checks.the_same_twice,
    checks.it_acts,
    checks.can_be_captured,
    checks.goes_on_from_a_checkpoint,
    checks.keeps_the_dtype,
    checks.says_where_it_has_no_effect,
    checks.starts_with_its_slots,
)
SWITCHABLE: tuple[Check, ...] = (checks.neutral_is_the_identity, checks.is_off_without_a_trace)
IN_THE_LOSS: tuple[Check, ...] = (checks.gradient_is_the_slope,)
IN_THE_NETWORK: tuple[Check, ...] = (checks.a_prediction_depends_on_its_row_alone,)


def checks_of(case: Case) -> list[Check]:
    """The checks that apply to a case, parity last."""
    place = case.entry.place
    found = list(ALWAYS)
    if checks.is_switchable(case):
        found += SWITCHABLE
    if place in ("augment", "network", "loss") and case.exact_gradient:
        found += IN_THE_LOSS
    if place == "network":
        found += IN_THE_NETWORK
    if case.twin is not None:
        found.append(parity.BY_ROLE[case.entry.role])
    return found


class _Named:
    """A check with a readable name in a test's report."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def __call__(self, case: Case) -> None:
        self.check(case)

    def __str__(self) -> str:
        return self.check.__name__


def conformance(cases: Iterable[Case]) -> list[tuple[Check, Case]]:
    """Every pair of a check and a case, for a parametrized test; `ids=str` names them."""
    return [(_Named(check), case) for case in cases for check in checks_of(case)]
