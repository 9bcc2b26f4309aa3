"""What is said of a result, in words that are true of its numbers."""

from __future__ import annotations

import pytest

from shrinkage.report.words import ensemble_line


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.02, "it lowers the error rate by 0.02 (95 % interval 0.0004 to 0.0396)"),
        (
            -0.02,
            "it raises the error rate by 0.02 (95 % interval 0.0004 to 0.0396), and is taken for "
            "its log loss",
        ),
        (0.005, "it lowers the error rate by 0.005 (95 % interval -0.0146 to 0.0246)"),
    ],
)
def test_an_ensemble_says_which_way_the_metric_went(gain: float, said: str) -> None:
    seconds = {"single": 0.1, "winner": 0.42}
    together = {
        "mean_loss_reduction": gain,
        "standard_error": 0.01,
        "seconds_per_1000_rows": seconds,
    }
    line = ensemble_line(together, "error rate")
    assert said in line
    assert line.endswith("1,000 rows take 0.42 s to predict, alone 0.10 s.")
