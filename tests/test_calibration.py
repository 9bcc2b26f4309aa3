"""Temperatures that are known are found, and the reliability table is scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from shrinkage.calibration import (
    HOTTEST,
    best_temperature,
    calibration_error,
    error_by_chance,
    fit_temperature,
    pool_temperature,
    reliability,
    slope,
    tempered,
    tempered_losses,
    top_class,
    with_one_wrong,
)
from shrinkage.measures import tempered_log_loss
from shrinkage.uncertainty import matched, wilson


def honest(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes that are drawn by them: calibrated by construction."""
    random = np.random.default_rng(seed)
    logits = 1.5 * random.normal(size=(rows, classes))
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    drawn = (probability.cumsum(1) < random.random((rows, 1))).sum(1)
    return probability, np.minimum(drawn, classes - 1)


@pytest.mark.parametrize("heat", [0.1, 0.4, 1.0, 2.5, 8.0])
@pytest.mark.parametrize(("rows", "classes"), [(20, 2), (300, 3), (2000, 10), (4000, 2)])
def test_networks_are_compared_by_the_loss_that_calibration_leaves(
    rows: int, classes: int, heat: float
) -> None:
    """Each member at its own best temperature, which a bracketed root of the slope finds too."""
    drawn = [honest(rows, classes, seed) for seed in range(3)]
    bent = [tempered(p, heat) for p, _ in drawn]
    expected = []
    for p, (_, y) in zip(bent, drawn, strict=True):
        best = best_temperature(*with_one_wrong(p, y))
        expected.append(tempered_losses(p, y, float(np.log(best))).mean())
    output, target = torch.tensor(np.stack(bent)), torch.tensor(np.stack([y for _, y in drawn]))
    found = tempered_log_loss(output, target)
    np.testing.assert_allclose(found, expected, atol=1e-5 if rows > 20 else 1e-3)
    np.testing.assert_allclose(tempered_log_loss(output.float(), target), found, atol=1e-5)


def test_a_tempered_loss_knows_members_that_are_sure_broken_or_all_right() -> None:
    probability, target = honest(200, 3)
    sure = np.eye(3)[target] * 0.7 + 0.1
    broken = np.full_like(probability, np.nan)
    output = torch.tensor(np.stack([probability, sure, broken, np.full_like(sure, 1 / 3)]))
    found = tempered_log_loss(output, torch.tensor(target))
    assert found[1] < 0.03 < found[0], "rows that are all right are sharpened, but not without end"
    assert found[1] > 0
    assert torch.isnan(found[2])
    assert float(found[3]) == pytest.approx(np.log(3), abs=1e-6)
    own = tempered_log_loss(output[:1], torch.tensor(target))
    torch.testing.assert_close(found[:1], own)


def groups(rows: int, count: int = 5) -> np.ndarray:
    return np.arange(rows) % count


KNOWN = [(2, 0.4), (2, 2.5), (5, 0.5), (5, 1.7), (30, 3.0)]


@pytest.mark.parametrize(("classes", "sharpness"), KNOWN)
def test_a_known_temperature_is_found(classes: int, sharpness: float) -> None:
    """Twenty tables made too sharp (or timid): T is off by Monte Carlo error only."""
    found = []
    for seed in range(20):
        probability, target = honest(1000, classes, seed)
        wrong = tempered(probability, 1 / sharpness)
        found.append(np.log(best_temperature(wrong, target)))
    error = np.std(found, ddof=1) / np.sqrt(20)
    assert abs(np.mean(found) - np.log(sharpness)) < 3 * error
    assert error < 0.03


def test_it_is_kept_where_it_helps_and_gives_the_truth_back() -> None:
    probability, target = honest(4000, 4)
    wrong = tempered(probability, 1 / 2.5)
    found = fit_temperature(wrong, target, groups(4000))
    assert found.value == found.found == pytest.approx(2.5, rel=0.05)
    assert found.before == pytest.approx(log_loss(target, wrong), rel=1e-9)
    mended = tempered(wrong, found.value)
    # Rows that other rows' T was tried on: a little above what its own rows say.
    assert log_loss(target, mended) <= found.after < log_loss(target, mended) + 1e-3
    np.testing.assert_allclose(mended, probability, atol=0.02)
    assert found.before - found.after > 10 * found.error


def test_calibrated_probabilities_are_left_alone() -> None:
    """The gain of a needless T is a loss on average: at most a few of 60 tables are changed."""
    changed = [fit_temperature(*honest(300, 3, seed), groups(300)).value != 1 for seed in range(60)]
    assert sum(changed) <= 6


def test_the_temperature_of_a_row_never_saw_the_row() -> None:
    probability, target = honest(60, 3)
    group = groups(60, 3)
    expected = np.empty(60)
    for g in range(3):
        here = group == g
        log_t = np.log(best_temperature(*with_one_wrong(probability[~here], target[~here])))
        expected[here] = tempered_losses(probability[here], target[here], log_t)
    found = fit_temperature(probability, target, group)
    assert found.after == pytest.approx(expected.mean(), rel=1e-12)
    gains = tempered_losses(probability, target, 0.0) - expected
    assert found.error == pytest.approx(gains.std(ddof=1) / np.sqrt(60), rel=1e-12)


@given(seed=st.integers(0, 10**6), log_t=st.floats(-2.5, 2.5))
def test_the_order_of_classes_stays(seed: int, log_t: float) -> None:
    probability, _ = honest(20, 4, seed)
    found = tempered(probability, np.exp(log_t))
    np.testing.assert_array_equal(found.argsort(1), probability.argsort(1))
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)


def test_one_changes_nothing_and_temperatures_multiply() -> None:
    probability, _ = honest(50, 3)
    assert tempered(probability, 1.0) is probability
    np.testing.assert_allclose(tempered(tempered(probability, 2.0), 1.5), tempered(probability, 3))
    sure = tempered(np.array([[1.0, 0.0]]), 2.0)
    assert 0 < sure[0, 1] < 1e-3  # what is impossible becomes possible


@pytest.mark.parametrize("log_t", [-2.0, -0.3, 0.0, 0.7, 2.5])
def test_the_slope_is_that_of_the_loss(log_t: float) -> None:
    probability, target = honest(80, 4)
    step = 1e-5
    up, down = (tempered_losses(probability, target, log_t + s).mean() for s in (step, -step))
    assert slope(probability, target, log_t) == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_the_best_temperature_is_the_minimum() -> None:
    probability, target = honest(80, 4, seed=3)
    found = minimize_scalar(
        lambda u: tempered_losses(probability, target, u).mean(), bounds=(-3, 3), method="bounded"
    )
    assert np.log(best_temperature(probability, target)) == pytest.approx(found.x, abs=1e-4)


def test_rows_that_are_all_right_make_nobody_certain() -> None:
    random = np.random.default_rng(3)
    for rows in (30, 300):
        top = random.uniform(0.8, 0.9, rows)
        probability = np.stack([top, 1 - top], 1)
        target = np.zeros(rows, np.int64)
        assert best_temperature(probability, target) == 1 / HOTTEST
        found = best_temperature(*with_one_wrong(probability, target))
        error = 1 - tempered(probability, found)[:, 0].mean()
        assert 0.5 / rows < error < 2 / rows, "as sure as one mistake in n rows allows"


def test_rows_without_a_minimum_get_an_end() -> None:
    probability = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    assert best_temperature(probability, np.array([0, 1, 0])) == 1 / HOTTEST
    assert best_temperature(probability, np.array([1, 0, 1])) == HOTTEST
    assert best_temperature(np.full((3, 2), 0.5), np.array([1, 0, 1])) in (1 / HOTTEST, HOTTEST)


def test_one_group_cannot_judge_itself() -> None:
    with pytest.raises(ValueError, match="two or more groups"):
        fit_temperature(*honest(10, 2), np.zeros(10))
    with pytest.raises(ValueError, match="above 0"):
        tempered(honest(10, 2)[0], 0.0)


def test_the_temperature_of_a_mean_of_networks() -> None:
    assert pool_temperature(1.9, 0.6, 1, 13) == 0.6
    assert pool_temperature(1.9, 1.9, 1, 1) == 1.9
    assert pool_temperature(1.9, 1.9, 1, 13) == 1
    assert pool_temperature(1.9, 1.6, 2, 2) == 1.6
    assert pool_temperature(3.0, 1.1, 2, 13) == 1
    assert pool_temperature(1.9, 1.6, 2, 10**9) == pytest.approx(1.6**2 / 1.9)
    assert pool_temperature(1.9, 1.6, 2, 1) == 1.6


def test_what_two_networks_say_of_ten_comes_near() -> None:
    """Networks with noise of their own: said by two, more than half of the way to ten."""
    random = np.random.default_rng(0)
    truth = random.normal(size=(20_000, 3))
    target = (truth + random.gumbel(size=truth.shape)).argmax(1)
    logits = 1.5 * truth[:, None] + 1.2 * random.normal(size=(20_000, 10, 3))
    each = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    one, two, ten = (best_temperature(each[:, :m].mean(1), target) for m in (1, 2, 10))
    assert 1.2 < two < one
    said = pool_temperature(one, two, 2, 10)
    assert abs(np.log(said / ten)) < 0.5 * np.log(two / ten)


@pytest.mark.parametrize("rounded", [3, 1])  # one decimal: many equal scores
def test_the_reliability_table_is_scikit_learns(rounded: int) -> None:
    probability, target = honest(503, 2)
    score, event = probability[:, 1].round(rounded), target == 1
    table = reliability(score, event)
    rate, confidence = calibration_curve(event, score, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([b.rate for b in table], rate)
    np.testing.assert_allclose([b.confidence for b in table], confidence)
    assert sum(b.count for b in table) == 503


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (3, 40), (700, 1000)])
def test_the_interval_is_wilsons(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(hits, count), (expected.low, expected.high), atol=1e-12)


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    inside = [
        b.low <= b.confidence <= b.high
        for seed in range(100)
        for b in reliability(*top_class(*honest(400, 3, seed)))
    ]
    assert 0.92 < np.mean(inside) < 0.98


def test_the_calibration_error_falls_to_its_floor() -> None:
    """Its mean over perfect tables is what is said of chance; what is too sure shows more."""
    found, floor, sure = [], [], []
    for seed in range(100):
        probability, target = honest(500, 3, seed)
        table = reliability(*top_class(probability, target))
        found.append(calibration_error(table))
        floor.append(error_by_chance(table))
        wrong = reliability(*top_class(tempered(probability, 0.5), target))
        sure.append(calibration_error(wrong))
    assert np.mean(found) == pytest.approx(np.mean(floor), rel=0.1)
    assert min(sure) > 2 * np.mean(floor)


def test_the_calibration_error_by_hand() -> None:
    table = reliability(np.array([0.2, 0.2, 0.9, 0.9]), np.array([0, 1, 1, 1], bool), bins=2)
    assert [(b.count, b.rate) for b in table] == [(2, 0.5), (2, 1.0)]
    assert calibration_error(table) == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)


def test_half_a_row_more_in_each_cell_of_matched_shares() -> None:
    """Of 10 rows one is right by the first alone, two by the second alone."""
    delta = np.array([1.0, -1.0, -1.0] + [0.0] * 7)
    right, wrong, n = 1.5, 2.5, 12
    centre, error = matched(delta)
    assert centre == pytest.approx((right - wrong) / n)
    assert error**2 == pytest.approx((right + wrong - (right - wrong) ** 2 / n) / n**2)


@pytest.mark.parametrize(("one", "other"), [(0.02, 0.02), (0.02, 0.04), (0.1, 0.05)])
def test_differences_of_few_errors_are_held(one: float, other: float) -> None:
    """On 36 rows, on which Student's interval held 87 % of the second pair."""
    random, held = np.random.default_rng(0), 0
    for _ in range(1000):
        centre, error = matched((random.random(36) < other) * 1.0 - (random.random(36) < one))
        held += abs(centre - (other - one)) <= 1.96 * error
    assert held >= 930
