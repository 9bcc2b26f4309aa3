"""What is said of a result, in words that are true of its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from shrinkage.report.words import against_line, ensemble_line, not_run


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (0.02, "it lowers the error rate by 0.0200 (95 % interval 0.0004 to 0.0396)"),
        (
            -0.02,
            "it raises the error rate by 0.0200 (95 % interval 0.0004 to 0.0396), and is taken for "
            "its log loss",
        ),
        (0.005, "it lowers the error rate by 0.0050 (95 % interval -0.0146 to 0.0246)"),
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


AGAINST = [
    # gain, standard error, interval, what is said
    (0.02, 0.01, [-0.001, 0.04], "error rate lower by 0.0200 (95 % interval -0.0010 to 0.0400)."),
    (-0.02, 0.01, [-0.04, 0.001], "error rate higher by 0.0200 (95 % interval -0.0010 to 0.0400)."),
    (0.0, 0.0, [-0.05, 0.05], "error rate the same (95 % interval -0.0500 to 0.0500)."),
    (0.02, 0.01, None, "error rate lower by 0.0200 (95 % interval 0.0004 to 0.0396)."),
]


@pytest.mark.parametrize(("gain", "error", "interval", "said"), AGAINST)
def test_against_the_plain_network(
    gain: float, error: float, interval: list[float] | None, said: str
) -> None:
    against = {"mean_loss_reduction": gain, "standard_error": error, "rows": 1036}
    against |= {"interval": interval} if interval else {}
    result: Any = {"metric": "accuracy", "task": "classification", "against_plain": against}
    result["rows"] = {"test": 1036}
    assert against_line(result) == f"Against the plain network on 1,036 test rows: {said}"
    result["together"] = {"column": "site", "training": 80, "test": 20}
    assert "on 1,036 test rows of 20 different 'site': error rate" in (against_line(result) or "")
    assert against_line({"metric": "accuracy"}) is None


def test_what_diverged_was_run() -> None:
    assert not_run({"diverged": ["plain"]}, "plain") == "diverged"
    assert not_run({"diverged": ["plain"]}, "linear") == "not run"
    assert not_run({}, "plain") == "not run"
