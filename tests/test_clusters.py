"""Rows that belong together: what they say of a mean, and how they are dealt out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shrinkage import scores
from shrinkage.calibration import (
    best_temperature,
    calibration_error,
    error_by_chance,
    fit_temperature,
    reliability,
    with_one_wrong,
)
from shrinkage.clusters import count, of_clusters, per_cluster, spread
from shrinkage.cutoff import fit_cutoff
from shrinkage.evidence.interval import flawless, score
from shrinkage.paired import Answers, difference
from shrinkage.search.finish import _against
from shrinkage.uncertainty import Z95, effective, mean_and_error, t95, wilson

some = st.lists(st.integers(0, 5), min_size=2, max_size=40).map(np.array)


def patients(seed: int, count: int = 40, alike: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """(v [n], clusters [n]): 1 to 9 rows of each, which share a part of their value."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(count), random.integers(1, 10, count))
    own = alike * random.normal(size=count)
    return own[clusters] + random.normal(size=len(clusters)), clusters


def test_one_row_a_cluster_changes_nothing() -> None:
    v, _ = patients(0)
    np.testing.assert_allclose(per_cluster(v, np.arange(len(v))), v, atol=1e-12)
    assert per_cluster(v, None) is v
    assert effective(v, None) == len(v) == count(None, len(v))


@settings(deadline=None)
@given(clusters=some)
def test_values_have_the_mean_of_the_rows(clusters: np.ndarray) -> None:
    v = np.random.default_rng(len(clusters)).normal(size=(3, len(clusters)))
    found = per_cluster(v, clusters)
    assert found.shape == (3, count(clusters, len(clusters)))
    np.testing.assert_allclose(found.mean(1), v.mean(1), atol=1e-12)
    np.testing.assert_allclose(found[1], per_cluster(v[1], clusters))


def test_the_error_is_that_of_a_regression_with_clustered_errors() -> None:
    """The sandwich of Liang & Zeger 1986, for the constant alone, times G / (G - 1)."""
    v, clusters = patients(1)
    n, X = len(v), np.ones((len(v), 1))
    left = v - v.mean()
    meat = sum(
        np.outer(s := X[clusters == c].T @ left[clusters == c], s) for c in np.unique(clusters)
    )
    bread = np.linalg.inv(X.T @ X)
    groups = len(np.unique(clusters))
    expected = np.sqrt((bread @ meat @ bread)[0, 0] * groups / (groups - 1))
    assert mean_and_error(per_cluster(v, clusters))[1] == pytest.approx(expected, rel=1e-12)
    assert expected > 1.5 * mean_and_error(v)[1]  # what rows taken for strangers would say
    assert n > groups


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = {"together": 0, "strangers": 0}
    runs = 600
    for seed in range(runs):
        v, clusters = patients(seed, 30)
        for name, own in (("together", per_cluster(v, clusters)), ("strangers", v)):
            mean, error = mean_and_error(own)
            held[name] += abs(mean) <= t95(len(own)) * error
    # 95 %; at so few clusters of so different sizes a little less is known for this estimate.
    assert held["together"] / runs == pytest.approx(0.94, abs=0.02)
    assert held["strangers"] / runs < 0.8


def test_shares_hold_the_truth_as_often_as_they_say() -> None:
    held, runs = 0, 600
    for seed in range(runs):
        random = np.random.default_rng(seed)
        chance = random.beta(4, 1, 40)  # of each patient; 0.8 in the mean
        clusters = np.repeat(np.arange(40), 5)
        hit = (random.random(200) < chance[clusters]).astype(float)
        rows = effective(hit, clusters)
        low, high = wilson(hit.mean() * rows, rows)
        held += low <= 0.8 <= high
    assert held / runs == pytest.approx(0.95, abs=0.02)


def test_copies_of_a_row_say_what_one_says() -> None:
    random = np.random.default_rng(3)
    v = random.normal(size=50)
    clusters = np.repeat(np.arange(50), 4)
    np.testing.assert_allclose(per_cluster(np.repeat(v, 4), clusters), v)
    # Student's t for 49 degrees of freedom, where Wilson's interval has a normal
    expected = 49 * (Z95 / t95(50)) ** 2
    assert effective(np.repeat(v, 4), clusters) == pytest.approx(expected)
    assert effective(np.ones(200), clusters) == 50  # without a single error


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "log_loss", "roc_auc"])
def test_copies_of_test_rows_leave_intervals_as_they_are(metric: str) -> None:
    random = np.random.default_rng(4)
    target = random.integers(0, 2, 120)
    one, other = (random.dirichlet([1, 1], 120) for _ in range(2))
    found, copies = scores.find(metric), np.repeat(np.arange(120), 3)
    own = [Answers(found, output, target) for output in (one, other)]
    more = [Answers(found, output[copies], target[copies], copies) for output in (one, other)]
    alone, together = difference(0.1, *own), difference(0.1, *more)
    # Recalls are counted class by class where rows are strangers.
    near = 0.02 if metric == "balanced_accuracy" else 1e-7
    np.testing.assert_allclose([*vars(together).values()], [*vars(alone).values()], rtol=near)
    alone, together = score(0.6, own[0]), score(0.6, more[0])
    # Of hits it is t for z, as above; recalls and an AUC have another way where rows are strangers.
    near = {"accuracy": 0.05, "f1": 0.06, "balanced_accuracy": 0.06, "roc_auc": 0.1}
    near = near.get(metric, 1e-9)
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=near)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "log_loss", "roc_auc"])
def test_copies_of_test_rows_gain_on_the_plain_network_as_the_rows_do(metric: str) -> None:
    random = np.random.default_rng(6)
    target, copies = random.integers(0, 2, 80), np.repeat(np.arange(80), 3)
    both = [random.dirichlet([1, 1], 80) for _ in range(2)]
    alone = _against(*both, target, metric, None)
    together = _against(*(each[copies] for each in both), target[copies], metric, copies)
    assert (alone.pop("rows"), together.pop("rows")) == (80, 240)
    ends, expected = together.pop("interval"), alone.pop("interval")
    assert together == pytest.approx(alone)
    assert ends == pytest.approx(expected)


def test_a_flawless_share_is_as_sure_as_clusters_are_many() -> None:
    target, clusters = np.repeat([0, 1], [60, 40]), np.repeat(np.arange(20), 5)
    assert flawless(scores.find("accuracy"), 1.0, target, clusters) == wilson(20, 20)
    assert flawless(scores.find("roc_auc"), 1.0, target, clusters) == wilson(8, 8)
    assert flawless(scores.find("accuracy"), 1.0, target) == wilson(100, 100)


def test_calibration_and_cutoffs_ask_clusters_whether_they_help() -> None:
    random = np.random.default_rng(5)
    p = np.clip(random.normal(0.6, 0.3, 300), 0.02, 0.98)
    probability, target = np.stack([1 - p, p], 1), (random.random(300) < p**2).astype(int)
    clusters = np.repeat(np.arange(60), 5)
    group = clusters % 5
    for fitted in (
        lambda of: fit_temperature(probability, target, group, of),
        lambda of: fit_cutoff(probability, target, group, "accuracy", of),
    ):
        alone, together = fitted(None), fitted(clusters)
        assert together.error != pytest.approx(alone.error, rel=1e-3)
        assert fitted(np.arange(300)).error == pytest.approx(alone.error)


@settings(deadline=None)
@given(clusters=some, parts=st.integers(1, 4), seed=st.integers(0, 99))
def test_no_cluster_is_cut(clusters: np.ndarray, parts: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 3, len(clusters))
    found = spread(codes, clusters, parts, np.random.default_rng(seed))
    for cluster in np.unique(clusters):
        assert len(np.unique(found[clusters == cluster])) == 1
    of, places = of_clusters(codes, clusters)
    each = [found[clusters == cluster][0] for cluster in np.unique(clusters)]
    for code in np.unique(of):
        counts = np.bincount(np.array(each)[of == code], minlength=parts)
        assert counts.max() - counts.min() <= 1
    for place, cluster in enumerate(np.unique(clusters)):
        own = np.bincount(codes[clusters == cluster])
        assert own[of[place]] == own.max()
        assert (places[clusters == cluster] == place).all()


def test_rows_are_spread_evenly() -> None:
    codes = np.repeat([0, 1, 2], [10, 20, 5])
    found = spread(codes, None, 5, np.random.default_rng(0))
    assert [np.bincount(found[codes == c]).tolist() for c in range(3)] == [
        [2] * 5,
        [4] * 5,
        [1] * 5,
    ]


def test_the_row_that_is_wrong_weighs_as_a_cluster() -> None:
    p = np.tile([[0.9, 0.1]], (20, 1))
    alone = best_temperature(*with_one_wrong(p, np.zeros(20, int)))
    copies = np.repeat(np.arange(20), 50)
    given = with_one_wrong(p[copies], np.zeros(1000, int), copies)
    assert best_temperature(*given) == pytest.approx(alone)
    assert best_temperature(*with_one_wrong(p[copies], np.zeros(1000, int))) < 0.5 * alone


def test_calibration_errors_by_chance_are_those_of_clusters() -> None:
    """Perfect probabilities of patients, each with twenty rows that are all ill or all well."""
    found, by_chance = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        p = random.random(80)
        event, of = random.random(80) < p, np.repeat(np.arange(80), 20)
        table = reliability(p[of], event[of], 10, of)
        found.append(calibration_error(table))
        by_chance.append(error_by_chance(table))
    assert np.mean(by_chance) == pytest.approx(np.mean(found), rel=0.3)
