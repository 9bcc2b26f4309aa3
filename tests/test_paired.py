"""Intervals of scores and of paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from shrinkage import scores
from shrinkage.evidence.interval import area_ends, score
from shrinkage.paired import Answers, Interval, difference, values
from shrinkage.uncertainty import wilson

N = 400


def regressions(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(target, a good prediction, a bad one)."""
    random = np.random.default_rng(seed)
    target, good, bad = random.normal(size=(3, N))
    return target, target + 0.5 * good, target + bad


def classes(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(target [N], probabilities [N, 3])."""
    random = np.random.default_rng(seed)
    target = random.integers(0, 3, N)
    logits = random.normal(size=(N, 3)) + 1.5 * np.eye(3)[target]
    odds = np.exp(logits)
    return target, odds / odds.sum(1, keepdims=True)


def measured(metric: str, output: np.ndarray, target: np.ndarray) -> float:
    import torch

    found = scores.find(metric).function(torch.from_numpy(output)[None], torch.from_numpy(target))
    return float(found[0])


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc"])
def test_values_of_classes_have_the_metric_as_their_mean(metric: str) -> None:
    target, output = classes()
    found = values(scores.find(metric), output, target)
    assert found.mean() == pytest.approx(measured(metric, output, target), abs=2e-3)


def test_the_error_of_a_balanced_accuracy_is_its_spread_over_samples() -> None:
    """A twentieth of the rows is of class 1, recalls are 0.3 and 0.95."""
    random, metric, n = np.random.default_rng(2), scores.find("balanced_accuracy"), 2000
    found, errors = [], []
    for _ in range(300):
        target = (random.random(n) < 0.05).astype(int)
        right = random.random(n) < np.where(target, 0.3, 0.95)
        called = np.where(right, target, 1 - target)
        v = values(metric, np.eye(2)[called], target)
        found.append(v.mean())
        errors.append(v.std(ddof=1) / np.sqrt(n))
    assert np.mean(found) == pytest.approx(0.625, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(found, ddof=1), rel=0.12)


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2", "pinball_0.9"])
def test_values_of_numbers_have_the_metric_as_their_mean(metric: str) -> None:
    target, good, _ = regressions()
    found = values(scores.find(metric), good, target)
    assert found.mean() == pytest.approx(measured(metric, good, target), abs=5e-3)


def test_the_jackknife_of_an_rmse_is_the_delta_method() -> None:
    """se(sqrt(mse)) = se(mse) / (2 rmse), to first order."""
    target, good, _ = regressions()
    squares = np.square(good - target)
    rmse = np.sqrt(squares.mean())
    error = squares.std(ddof=1) / np.sqrt(N) / (2 * rmse)
    found = score(rmse, Answers(scores.find("rmse"), good, target))
    assert found is not None
    reach = (found.high - found.low) / 2
    assert reach / (1.966 * error) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", ["rmse", "r2"])
def test_a_row_left_out_is_left_out(name: str) -> None:
    """The closed form is the metric on the other rows."""
    random = np.random.default_rng(1)
    target, noise = random.normal(size=(2, 25))
    found = values(scores.find(name), target + noise, target)
    whole = measured(name, target + noise, target)
    for i in range(25):
        rest = np.arange(25) != i
        without = measured(name, (target + noise)[rest], target[rest])
        assert found[i] == pytest.approx(25 * whole - 24 * without)


@pytest.mark.parametrize("name", ["rmse", "r2"])
def test_an_interval_is_that_of_the_rows_in_any_order(name: str) -> None:
    metric, (target, good, _) = scores.find(name), regressions()
    value = measured(name, good, target)
    sorted_ = np.argsort(target)
    one, other = (
        score(value, Answers(metric, good[rows], target[rows])) for rows in (np.arange(N), sorted_)
    )
    assert one is not None
    assert other is not None
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_a_share_is_not_below_zero_and_an_r2_may_be() -> None:
    target = np.repeat([0, 1], [30, 10])
    output = np.eye(2)[np.r_[np.ones(20, int), np.zeros(19, int), 1]]  # one hit
    metric = scores.find("f1")
    value = measured("f1", output, target)
    own = values(metric, output, target)
    assert value - 1.96 * own.std(ddof=1) / 40**0.5 < 0 < value
    found = score(value, Answers(metric, output, target))
    assert found is not None
    assert 0 < found.low < value < found.high
    target, _, bad = regressions()
    r2 = scores.find("r2")
    found = score(measured("r2", bad + 2, target), Answers(r2, bad + 2, target))
    assert found is not None
    assert found.high < 0


def test_an_accuracy_has_wilsons_interval_and_stays_below_one() -> None:
    target = np.zeros(50, int)
    output = np.tile([0.9, 0.1], (50, 1))
    found = score(1.0, Answers(scores.find("accuracy"), output, target))
    assert found == Interval(1.0, *wilson(50, 50))


@pytest.mark.parametrize("metric", ["f1", "roc_auc"])
@pytest.mark.parametrize("right", [True, False])
def test_a_share_without_an_error_is_as_sure_as_its_rarest_class(metric: str, right: bool) -> None:
    target = np.repeat([0, 1], [30, 6])
    output = np.eye(2)[target if right else 1 - target]
    known = scores.find(metric)
    clusters = np.arange(36) if metric == "roc_auc" else None
    found = score(float(right), Answers(known, output, target, clusters))
    assert found == Interval(float(right), *(wilson(6, 6) if right else wilson(0, 6)))


@pytest.mark.parametrize("counts", [(64, 47), (7, 49), (3, 30, 300)])
def test_a_mean_of_recalls_is_as_sure_as_each_of_them(counts) -> None:
    """Without an error, too, and where their mean misses 1 by its rounding."""
    target = np.repeat(np.arange(len(counts)), counts)
    known, output = scores.find("balanced_accuracy"), np.eye(len(counts))[target]
    low = 1 - np.sqrt(sum((1 - wilson(n, n)[0]) ** 2 for n in counts)) / len(counts)
    for value in (np.nextafter(1, 0), 1.0, np.nextafter(1, 2)):
        found = score(float(value), Answers(known, output, target))
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, 1.0))


@pytest.mark.parametrize("area", [0.0, 0.3, 0.9, 0.999, 1.0])
def test_at_the_ends_of_an_auc_it_is_1_96_standard_errors_away(area: float) -> None:
    """Hanley and McNeil's variance at the end, and not at the area itself (Newcombe 2006)."""
    low, high = area_ends(area, 12, 88)
    assert 0 <= low <= area <= high <= 1
    for end in {low, high} - {area}:
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
        more = (50 - 1) * (q1 - end**2 + q2 - end**2)
        error = np.sqrt((end * (1 - end) + more) / (12 * 88))
        assert abs(end - area) / error == pytest.approx(1.959964, rel=1e-5)
    assert area_ends(1 - area, 12, 88) == pytest.approx((1 - high, 1 - low), abs=1e-6)


RARE = [("balanced_accuracy", 200, 0.05), ("balanced_accuracy", 100, 0.1), ("roc_auc", 200, 0.05)]


@pytest.mark.parametrize(("metric", "rows", "share"), RARE)
def test_intervals_hold_the_truth_where_a_class_is_rare(
    metric: str, rows: int, share: float
) -> None:
    """Two networks of one quality; of a rare class either may be wholly right, by chance."""
    known, held, alike, n = scores.find(metric), 0, 0, 400
    truth = stats.norm.cdf(2.0 / np.sqrt(2)) if metric == "roc_auc" else stats.norm.cdf(1.0)
    for seed in range(n):
        random = np.random.default_rng(seed)
        target = (random.random(rows) < share).astype(int)
        if len(np.unique(target)) < 2:
            continue
        noise = 0.8 * random.normal(size=rows) + 0.6 * random.normal(size=(2, rows))
        event = 1 / (1 + np.exp(-2.0 * (target - 0.5) - noise))
        pair = [Answers(known, np.stack([1 - p, p], 1), target) for p in event]
        one, other = (measured(metric, each.output, target) for each in pair)
        own, less = score(one, pair[0]), difference(one - other, *pair)
        held += own.low <= truth <= own.high
        alike += less.low <= 0 <= less.high
    assert 0.93 * n < held, "as long on both sides, 62 to 79 % of them"
    assert 0.9 * n < alike


@pytest.mark.parametrize("name", ["log_loss", "mae"])
def test_few_rows_have_students_interval(name: str) -> None:
    """With 1.96 standard errors, 8 rows would hold the truth in 91 % and not in 95."""
    if name == "mae":
        target, good, bad = (each[:8] for each in regressions())
    else:
        target, good = (each[:8] for each in classes())
        bad = np.full_like(good, 1 / 3)
    metric = scores.find(name)
    pair = [Answers(metric, output, target) for output in (good, bad)]
    found = difference(measured(name, good, target) - measured(name, bad, target), *pair)
    assert found is not None
    low, high = stats.ttest_rel(*(each.v for each in pair)).confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("rows", [20, N])
def test_intervals_of_differences_hold_the_truth(rows: int) -> None:
    """One prediction errs by 0.5 standard deviations, the other by 1: the RMSE differs by 0.5."""
    held = 0
    for seed in range(400):
        target, good, bad = (each[:rows] for each in regressions(seed))
        metric = scores.find("rmse")
        value = measured("rmse", good, target) - measured("rmse", bad, target)
        found = difference(value, *(Answers(metric, output, target) for output in (good, bad)))
        assert found is not None
        held += found.low <= -0.5 <= found.high
    assert 365 <= held <= 393  # 95 % of 400, and about three standard errors


def test_two_that_decide_alike_may_differ_on_other_rows() -> None:
    target, output = np.arange(36) % 3, np.eye(3)[np.arange(36) % 3]
    own = Answers(scores.find("accuracy"), output, target)
    found = difference(0.0, own, own)
    assert found is not None
    assert found.high == -found.low == pytest.approx(1.96 / 38, rel=1e-3)


def test_who_says_the_same_does_not_differ() -> None:
    target, good, _ = regressions()
    own = Answers(scores.find("mae"), good, target)
    assert difference(0.0, own, own) == Interval(0.0, 0.0, 0.0)


def test_what_is_not_defined_has_no_interval() -> None:
    one_class = np.zeros(40, int)
    own = Answers(scores.find("roc_auc"), np.tile([0.7, 0.3], (40, 1)), one_class)
    assert score(float("nan"), own) is None
    for metric in ("rmse", "r2"):
        own = Answers(scores.find(metric), np.ones(1), np.zeros(1))
        assert difference(0.0, own, own) is None
    constant = Answers(scores.find("r2"), np.arange(9.0), np.ones(9))
    assert score(float("nan"), constant) is None


def test_the_error_of_an_auc_is_its_spread_over_samples() -> None:
    random, metric, errors, found = np.random.default_rng(0), scores.find("roc_auc"), [], []
    for _ in range(300):
        target = (random.random(150) < 0.3).astype(int)
        event = 1 / (1 + np.exp(-random.normal(size=150) - target))
        own = values(metric, np.stack([1 - event, event], 1), target)
        errors.append(own.std(ddof=1) / np.sqrt(150))
        found.append(own.mean())
    assert np.mean(errors) / np.std(found) == pytest.approx(1, abs=0.12)
