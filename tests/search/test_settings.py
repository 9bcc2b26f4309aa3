"""What a person asks, parsed or refused; and the arithmetic of the budget."""

from __future__ import annotations

import time

import numpy as np
import pytest

from shrinkage.errors import BadInput
from shrinkage.search import budget
from shrinkage.search.settings import (
    Settings,
    device_for,
    folds_for,
    metric_for,
    seconds,
    test_part,
    workers_for,
)

test_part.__test__ = False

TIMES = [
    ("90", 90), ("90s", 90), ("5m", 300), ("5min", 300), ("1.5h", 5400), ("1h30m", 5400),
    (" 2 m ", 120), ("1d", 86400), (45, 45), (12.5, 12.5), ("1H", 3600), ("1h 30m 5s", 5405),
]  # fmt: skip
NO_TIMES = ["", "soon", "5y", "-5m", "m", "5m!", "1,5h", "nan", "inf", "9", "1e3s", "0", "5 5 s x"]


@pytest.mark.parametrize(("text", "expected"), TIMES)
def test_a_time(text, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", NO_TIMES)
def test_no_time(text: str) -> None:
    with pytest.raises(BadInput, match="--budget"):
        seconds(text)


FOLDS = [
    ("auto", 100, ("auto", 2)), ("auto", 999, ("auto", 2)), ("auto", 1000, ("auto", 1)),
    ("holdout", 50, ("holdout", 1)), ("5", 50, ("5", 1)), ("5x3", 50, ("5", 3)),
    ("holdoutx4", 50, ("holdout", 4)),
]  # fmt: skip


@pytest.mark.parametrize(("cv", "rows", "expected"), FOLDS)
def test_folds(cv: str, rows: int, expected: tuple) -> None:
    assert folds_for(cv, rows) == expected


@pytest.mark.parametrize("cv", ["", "0", "-1", "5x", "x5", "5x0", "5.5", "kfold", "5 x 2", "5x100"])
def test_no_folds(cv: str) -> None:
    with pytest.raises(BadInput, match="--cv"):
        folds_for(cv, 100)


def test_few_clusters_are_cut_once() -> None:
    assert folds_for("auto", 300, np.arange(300) % 19) == ("auto", 1)
    assert folds_for("auto", 300, np.arange(300) % 20) == ("auto", 2)


TESTS = [("0.2", 0.2), ("1e-3", 1e-3), ("test.csv", "test.csv"), ("a b.parquet", "a b.parquet")]


@pytest.mark.parametrize(("text", "expected"), TESTS)
def test_a_test_part(text: str, expected: float | str) -> None:
    assert test_part(text) == expected


@pytest.mark.parametrize("text", ["0", "1", "-0.1", "20", "nan", "inf"])
def test_no_test_part(text: str) -> None:
    with pytest.raises(BadInput, match="--test"):
        test_part(text)


METRICS = [("auto", "classification", "accuracy"), ("auto", "regression", "rmse"),
           ("roc_auc", "classification", "roc_auc"), ("r2", "regression", "r2")]  # fmt: skip


@pytest.mark.parametrize(("name", "task", "expected"), METRICS)
def test_a_metric(name: str, task: str, expected: str) -> None:
    assert metric_for(name, task) == expected


def test_no_metric() -> None:
    for name in ("rmse", "f2"):
        with pytest.raises(BadInput, match=name):
            metric_for(name, "classification")


def test_workers() -> None:
    assert workers_for(3, "cpu") == 3
    assert workers_for(0, "cpu") == 0
    assert workers_for(None, "cpu") >= 1
    assert workers_for(8, "cuda") == 0
    with pytest.raises(BadInput, match="--workers"):
        workers_for(-1, "cpu")


def test_devices() -> None:
    assert device_for("cpu") == device_for("cpu:0") == "cpu"
    assert device_for("auto") in ("cpu", "cuda")
    for name in ("meta", "abacus", "", "cuda:99"):
        with pytest.raises(BadInput, match="--device"):
            device_for(name)


def test_settings_survive_json() -> None:
    import json

    settings = Settings("t.csv", "y", test="rows.csv", trials=3, keep_all=True)
    assert Settings(**json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize("budget_s", [10, 30, 60, 300, 3600])
def test_the_deadline_leaves_time_to_write(budget_s: float) -> None:
    clock = budget.Clock(1000.0, budget_s)
    reserve = 1000 + budget_s - clock.deadline
    assert 1.5 <= reserve <= max(budget_s / 3, 1.5)
    assert 1000 < clock.search_deadline(0.0) < clock.deadline
    early, late = clock.search_deadline(1e9), clock.search_deadline(0.0)
    assert 1000 < early < late  # a dear refit is given more time, but not all
    assert clock.search_deadline(1.0) <= late


def test_a_large_table_takes_longer_to_score_and_to_prepare() -> None:
    small, large = (budget.Clock(1000.0, 60.0, cells=cells) for cells in (0, 10_000_000))
    assert small.deadline - large.deadline == pytest.approx(6.0)
    assert large.preparing_s == pytest.approx(3.5)
    later = small.search_deadline(0.0) - large.search_deadline(0.0)
    assert later == pytest.approx(6.0 * (1 - 0.03) + 3.5)
    huge = budget.Clock(1000.0, 60.0, cells=10**9)
    assert huge.deadline == pytest.approx(1040.0), "a third of the budget at most"


def test_the_clock_counts_all_sessions() -> None:
    clock = budget.Clock(time.monotonic() - 5, 60, spent=20)
    assert clock.used == pytest.approx(25, abs=0.5)
    assert clock.left == pytest.approx(60 - 5 - 3.3, abs=0.5)
    assert budget.Clock(time.monotonic(), 0.0).left <= 0


def test_what_is_kept_is_not_used_but_told_of() -> None:
    """At second 30 of 60 with 15 kept, training halts as of 45; people hear of the 60."""
    began = time.monotonic() - 30
    whole, kept = (budget.Clock(began, 60, kept_s=seconds) for seconds in (0.0, 15.0))
    assert kept.deadline == budget.Clock(began, 45).deadline
    assert kept.search_deadline(1.0) == budget.Clock(began, 45).search_deadline(1.0)
    assert kept.told_s == pytest.approx(whole.left, abs=0.5)
    assert whole.told_s == pytest.approx(60 - 30 - 3.3, abs=0.5)
    assert budget.Clock(began, 20.0).told_s == 0.0


EPOCHS = [
    # epochs, seconds of the whole training, seconds left, affordable
    (100, 0.0, 60, 100), (100, 1.0, 60, 100), (100, 1000.0, 60, 1), (100, 10.0, 0, 1),
    (100, 10.0, -5, 1),
]  # fmt: skip


@pytest.mark.parametrize(("epochs", "cost", "left", "expected"), EPOCHS)
def test_affordable_epochs(epochs: int, cost: float, left: float, expected: int) -> None:
    assert budget.affordable_epochs(epochs, cost, left) == expected


def test_affordable_epochs_take_their_share() -> None:
    epochs = budget.affordable_epochs(1000, 100.0, 50.0)
    assert epochs / 1000 * 100 == pytest.approx(budget.DEFAULT_SHARE * 50, rel=0.01)
