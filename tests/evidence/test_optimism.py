"""Optimism: right in the mean where the truth is known, nothing where nothing was chosen."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from shrinkage import scores
from shrinkage.clusters import per_cluster
from shrinkage.evidence import optimism as module
from shrinkage.evidence.optimism import Contest, correction, optimism, partitions
from shrinkage.evidence.optimism import _at as at_score
from shrinkage.search.choose import choose, choose_each
from shrinkage.uncertainty import wilson

TRIALS, ROWS = 21, 150
EXPECTED_MAXIMUM = 1.8675
"""Of 20 independent standard normals: Harter 1961, "Expected values of normal order statistics"."""
BAD = 3.0
"""The default is worse by this many standard deviations of an error: it never wins."""


def regression(
    random: np.random.Generator,
    trials: int = TRIALS,
    rows: int = ROWS,
    noise: float = 1.0,
    correlation: float = 0.0,
    metric: str = "mae",
    repeats: int = 1,
) -> Contest:
    """Trials of equal truth, but for the default, which is worse."""
    target = random.normal(size=rows)
    views = []
    for trial in range(trials):
        own = random.normal(size=rows)
        views.append([noise * own] * repeats if trial else [noise * own * BAD] * repeats)
    common = random.normal(size=rows)
    share = np.sqrt(correlation), np.sqrt(1 - correlation)
    outputs = [
        [target + share[0] * noise * common + share[1] * each for each in view] for view in views
    ]
    return contest(metric, target, outputs)


def classification(metric: str, random: np.random.Generator, classes: int = 2) -> Contest:
    target = random.integers(0, classes, ROWS)
    margin = np.eye(classes)[target] + random.normal(size=(6, ROWS, classes))
    probability = np.exp(margin) / np.exp(margin).sum(-1, keepdims=True)
    return contest(metric, target, [[each] for each in probability])


def contest(metric: str, target: np.ndarray, outputs: list[list[np.ndarray]]) -> Contest:
    """Every repeat predicts all rows, in their order."""
    y = torch.from_numpy(target)
    losses = [
        np.mean([scores.row_losses(metric, torch.from_numpy(o), y).numpy() for o in each], axis=0)
        for each in outputs
    ]
    places = [np.arange(len(target))] * len(outputs[0])
    return Contest(scores.find(metric), target, np.stack(losses), outputs, places)


def in_order(given: Contest, trials: np.ndarray, rows: np.ndarray) -> Contest:
    """The same contest with trials and rows in another order."""
    return replace(
        given,
        target=given.target[rows],
        losses=given.losses[trials][:, rows],
        outputs=[[view[rows] for view in given.outputs[t]] for t in trials],
        default=int(np.flatnonzero(trials == given.default)[0]),
    )


CASES = [
    # trials, rows, kind of loss, is there a plain network
    (1, 30, "numbers", False),
    (2, 30, "numbers", True),
    (12, 40, "numbers", True),
    (12, 41, "hits", True),
    (12, 41, "hits", False),
    (5, 2, "numbers", True),
    (5, 1, "numbers", True),
]


@pytest.mark.parametrize(("trials", "rows", "kind", "with_plain"), CASES)
def test_resamples_are_chosen_from_as_the_study_chooses(
    trials: int, rows: int, kind: str, with_plain: bool
) -> None:
    random = np.random.default_rng(trials + rows)
    plain, winners = (1 if with_plain else None), set()
    for shift in (-0.3, 0.0, 0.3):  # the default leads, is one of many, trails
        losses = random.random((trials, rows))
        losses[0] += shift
        if kind == "hits":
            losses = (losses > 0.5).astype(float)
        counts = random.multinomial(rows, np.full(rows, 1 / rows), 60)
        counts[0] = 1  # the rows as they are
        found = choose_each(losses, counts.astype(float), 0, plain)
        for count, winner in zip(counts, found, strict=True):
            resampled = {t: np.repeat(losses[t], count) for t in range(trials)}
            expected = choose(resampled, 0, plain)
            # trials with the same resampled losses are as good as each other
            same = np.array_equal(np.sort(resampled[expected]), np.sort(resampled[int(winner)]))
            assert winner == expected or (kind == "hits" and same)
            winners.add(expected)
    assert len(winners) > min(2, trials - 1) or rows < 3  # one row or two have no noise to judge by


@pytest.mark.parametrize("metric", scores.METRICS)
def test_one_trial_was_not_chosen(metric: str) -> None:
    random = np.random.default_rng(1)
    numbers = scores.find(metric).task == "regression"
    one = regression(random, metric=metric) if numbers else classification(metric, random)
    alone = replace(one, losses=one.losses[:1], outputs=one.outputs[:1])
    found = optimism(alone, 0)
    assert (found.optimism, found.trials, found.rows) == (0, 1, ROWS)
    assert found.corrected == found.validation == alone.score(0, np.arange(ROWS))
    assert found.interval[0] < found.validation < found.interval[1]


def test_what_a_function_may_give_has_no_limits() -> None:
    """Profits of fifty and losses below zero keep their interval."""
    contest = classification("accuracy", np.random.default_rng(4))
    for sign in (1, -1):

        def profit(target: np.ndarray, output: np.ndarray, sign: int = sign) -> float:
            return sign * (50 + float((output.argmax(1) == target).mean()))

        profit.greater_is_better = sign > 0  # pyright: ignore[reportFunctionMemberAccess]
        found = optimism(replace(contest, metric=scores.own(profit, "classification")), 0)
        low, high = found.interval
        assert 49 < abs(low) < 52
        assert low < found.corrected < high


def test_orders_do_not_matter() -> None:
    random = np.random.default_rng(2)
    given = regression(random, correlation=0.5)
    parts = partitions(np.zeros(ROWS, int), 8, random)
    expected = correction(given, parts).mean
    assert expected > 0.02
    trials, rows = random.permutation(TRIALS), random.permutation(ROWS)
    again = in_order(given, trials, rows)
    assert trials[again.winner] == given.winner
    assert correction(again, parts[:, rows]).mean == pytest.approx(expected, abs=1e-12)
    # other partitions of the same rows: Monte Carlo only
    assert optimism(again, 0).optimism == pytest.approx(optimism(given, 0).optimism, rel=0.2)


def test_a_seed_is_all_the_chance_there_is() -> None:
    given = regression(np.random.default_rng(3))
    assert optimism(given, 5) == optimism(given, 5) != optimism(given, 6)


def test_the_correction_by_hand() -> None:
    """Two folds of two rows; trial 1 wins on all rows and on the second fold's only."""
    target = np.zeros(4)
    outputs = [[np.array([1.0, 1.0, 1.0, 1.0])], [np.array([0.4, 0.5, 1.05, 1.02])]]
    given = contest("mae", target, outputs)
    assert given.winner == 1
    # without fold 0 the default is chosen: it costs 1.0 there where trial 1 costs 0.45
    found = correction(given, np.array([[0, 0, 1, 1]]))
    assert found.mean == pytest.approx((1.0 - 0.45) / 2)
    assert found.error == pytest.approx((1.0 - 0.45) / 2)  # of two numbers, half their distance


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_trials_of_equal_truth(correlation: float) -> None:
    """200 studies. The bias is the expected maximum; what is left of it is within 10 %."""
    biases, left = [], []
    for number in range(200):
        random = np.random.default_rng((number, round(10 * correlation)))
        given = regression(random, correlation=correlation)
        scored = np.array([given.score(t, np.arange(ROWS)) for t in range(1, TRIALS)])
        mean = np.sqrt(2 / np.pi)  # of |N(0, 1)|
        luck = (scored - mean).mean()  # known to be 0 in the mean
        bias = given.score(given.winner, np.arange(ROWS)) - mean - luck
        biases.append(bias)
        parts = partitions(np.zeros(ROWS, int), 8, random)
        left.append(bias + correction(given, parts).mean)
    # errors that correlate by r have absolute errors that correlate by this
    r = correlation
    alike = (np.sqrt(1 - r * r) + r * np.arcsin(r) - 1) / (np.pi / 2 - 1)
    deviation = np.sqrt((1 - 2 / np.pi) * (1 - alike) / ROWS)
    assert np.mean(biases) == pytest.approx(-EXPECTED_MAXIMUM * deviation, rel=0.07)
    assert abs(np.mean(left)) < 0.1 * abs(np.mean(biases))


def test_more_noise_is_more_optimism() -> None:
    found = []
    for noise in (0.1, 0.3, 1.0):
        each = [optimism(regression(np.random.default_rng(s), noise=noise), 0) for s in range(3)]
        found.append(np.mean([one.optimism for one in each]))
    assert 0 < 2 * found[0] < found[1] < found[2] / 2


@pytest.mark.parametrize("metric", [m.name for m in scores.for_task("classification")])
@pytest.mark.parametrize("classes", [2, 5])
def test_every_metric_of_a_classification(metric: str, classes: int) -> None:
    check(classification(metric, np.random.default_rng(4), classes))


@pytest.mark.parametrize("metric", [m.name for m in scores.for_task("regression")])
@pytest.mark.parametrize("repeats", [1, 2])
def test_every_metric_of_a_regression(metric: str, repeats: int) -> None:
    check(regression(np.random.default_rng(5), noise=0.5, metric=metric, repeats=repeats))


def check(given: Contest) -> None:
    """What is said adds up, and is on the metric's scale, in the metric's direction."""
    found = optimism(given, 0)
    sign = 1 if given.metric.greater_is_better else -1
    assert found.validation == given.score(given.winner, np.arange(ROWS))
    assert found.optimism == pytest.approx(sign * (found.validation - found.corrected))
    low, high = found.interval
    assert low < found.corrected < high
    assert abs(found.optimism) < 0.25 * abs(found.validation)
    assert high - low < 0.5 * abs(found.validation)


def test_repeats_that_validate_different_rows() -> None:
    """Holdouts drawn anew: a row is scored in the repeats that hold it."""
    random = np.random.default_rng(6)
    target = random.normal(size=10)
    views = [random.normal(size=6), random.normal(size=7)]
    places = [np.array([0, 1, 2, 3, 4, 5]), np.array([9, 8, 7, 6, 5, 4, 3])]
    given = Contest(scores.find("mae"), target, np.zeros((1, 10)), [views], places)
    errors = [np.abs(v - target[p]) for v, p in zip(views, places, strict=True)]
    assert given.score(0, np.arange(10)) == pytest.approx((errors[0].mean() + errors[1].mean()) / 2)
    assert given.score(0, np.array([9, 9, 8])) == pytest.approx(errors[1][[0, 0, 1]].mean())
    assert optimism(given, 0).optimism == 0


def test_classes_are_spread_evenly_over_folds() -> None:
    codes = np.repeat([0, 1, 2], [50, 30, 7])
    for folds in partitions(codes, 4, np.random.default_rng(7)):
        for code in range(3):
            counts = np.bincount(folds[codes == code], minlength=5)
            assert np.ptp(counts) <= 1


def test_a_metric_without_a_value_says_nothing() -> None:
    given = classification("roc_auc", np.random.default_rng(8))
    one_class = replace(given, target=np.zeros(ROWS, np.int64))
    found = optimism(one_class, 0)
    assert np.isnan([found.validation, found.corrected, *found.interval]).all()


@pytest.mark.parametrize(("metric", "rows"), [("accuracy", ROWS), ("f1", 50), ("roc_auc", 50)])
def test_samples_of_a_perfect_score_are_no_proof(metric: str, rows: int) -> None:
    target = np.repeat([0, 1], [100, 50])
    found = optimism(contest(metric, target, [[np.eye(2)[target]]] * 3), 0)
    assert (found.validation, found.optimism) == (1, 0)
    assert found.interval == pytest.approx(wilson(rows, rows))


def test_the_same_correction_of_the_score_that_is_delivered() -> None:
    """Trials are compared at their best temperatures, the winner may do without."""
    given = classification("log_loss", np.random.default_rng(11))
    found, metric = optimism(given, 0), given.metric
    moved = at_score(found.validation + 0.25, found, metric)
    assert moved.validation == found.validation + 0.25
    assert moved.corrected == pytest.approx(found.corrected + 0.25)
    assert moved.interval == pytest.approx([end + 0.25 for end in found.interval])
    assert (moved.optimism, moved.trials, moved.rows) == (found.optimism, 6, ROWS)
    assert at_score(0.0, found, metric).interval[0] == 0


def test_a_function_that_fails_on_some_rows_is_not_defined_there() -> None:
    """As the AUC, which has no value where all rows are of one class."""
    given = classification("roc_auc", np.random.default_rng(10))
    few = np.zeros(ROWS, np.int64)
    few[:3] = 1  # fewer than folds, so some hold none
    given = replace(
        given, target=few, losses=given.losses[:, np.random.default_rng(0).permutation(ROWS)]
    )
    auc = scores.find("roc_auc").function

    def strict(target: np.ndarray, output: np.ndarray) -> float:
        if len(np.unique(target)) < 2:
            raise ValueError("only one class")
        return float(auc(torch.from_numpy(output)[None], torch.from_numpy(target))[0])

    own = optimism(replace(given, metric=scores.own(strict, "classification")), 0)
    known = optimism(given, 0)
    assert (own.validation, own.optimism) == (known.validation, known.optimism)
    assert known.optimism != 0


@pytest.mark.parametrize("tick", [0.0, 0.02])
def test_a_score_that_takes_long_is_asked_for_less_often(tick: float, monkeypatch) -> None:
    """By a clock that goes on by a tick whenever it is read."""
    given = regression(np.random.default_rng(9), trials=100, rows=2000)
    clock, asked = itertools.count(), []
    monkeypatch.setattr(module.time, "perf_counter", lambda: tick * next(clock))
    score = module.Contest.score

    def counted(self, trial: int, rows: np.ndarray) -> float:
        asked.append(len(rows))
        return score(self, trial, rows)

    monkeypatch.setattr(module.Contest, "score", counted)
    found = optimism(given, 0)
    assert np.isfinite([found.corrected, *found.interval]).all()
    whole, folds = asked.count(2000), asked.count(2000 // module.FOLDS)
    assert (whole, folds <= 40) == ((102, True) if tick else (401, False))


def test_copies_of_rows_are_as_flattered_as_the_rows() -> None:
    """Each row three times, as rows that belong together: the same choice, correction, interval."""
    alone = regression(np.random.default_rng(3), 6, 50)
    copies = np.repeat(np.arange(50), 3)
    together = replace(
        alone,
        target=alone.target[copies],
        losses=alone.losses[:, copies],
        outputs=[[view[copies] for view in views] for views in alone.outputs],
        places=[np.arange(150)] * len(alone.places),
        clusters=copies,
    )
    one, other = optimism(alone, 5), optimism(together, 5)
    assert (one.rows, other.rows) == (50, 150)
    np.testing.assert_allclose(
        [other.validation, other.corrected, other.optimism, *other.interval],
        [one.validation, one.corrected, one.optimism, *one.interval],
        atol=0.03,  # Student's t for 49 degrees of freedom
    )
    assert other.corrected == pytest.approx(one.corrected)
    assert other.interval[1] - other.interval[0] > one.interval[1] - one.interval[0]
    strangers = optimism(replace(together, clusters=None), 5)
    width = other.interval[1] - other.interval[0]
    assert strangers.interval[1] - strangers.interval[0] < 0.75 * width


@pytest.mark.parametrize("with_plain", [False, True])
def test_resamples_of_clusters_are_chosen_from_as_the_study_chooses(with_plain: bool) -> None:
    random, plain = np.random.default_rng(7), (1 if with_plain else None)
    cluster = np.repeat(np.arange(12), random.integers(1, 9, 12))
    winners = set()
    for shift in (-0.3, 0.0, 0.3):
        losses = random.random((8, len(cluster)))
        losses[0] += shift
        counts = random.multinomial(12, np.full(12, 1 / 12), 60)
        counts[0] = 1
        found = choose_each(losses, counts.astype(float), 0, plain, cluster)
        for count, winner in zip(counts, found, strict=True):
            its = [np.flatnonzero(cluster == c) for c in np.repeat(np.arange(12), count)]
            of = np.repeat(np.arange(12), [len(at) for at in its])  # each draw is one of its own
            rows = np.concatenate(its)
            resampled = {t: per_cluster(losses[t, rows], of) for t in range(8)}
            assert winner == choose(resampled, 0, plain)
            winners.add(int(winner))
    assert len(winners) > 3


def test_one_cluster_has_no_interval() -> None:
    given = regression(np.random.default_rng(3), 1, 20)
    alone = replace(given, clusters=np.zeros(20, int))
    assert np.isnan(optimism(alone, 5).interval).all()


def test_folds_count_by_their_rows() -> None:
    """A trial that leads by the large cluster only: its luck is judged by all rows alike."""
    target = np.zeros(40)
    clusters = np.repeat([0, 1, 2, 3, 4], [20, 5, 5, 5, 5])
    outputs = [[np.ones(40)], [np.where(clusters == 0, 0.0, 1.02)]]
    given = contest("mae", target, outputs)
    found = correction(replace(given, clusters=clusters), np.arange(5)[None])
    # Without the large cluster the other trial is chosen: there it loses 1 on 20 of 40 rows.
    assert found.mean == pytest.approx(20 / 40)


def test_luck_is_found_where_patients_have_very_different_numbers_of_rows() -> None:
    """Twenty trials whose true error is 5: what the winner's falls short of it is luck."""
    luck, found = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        sizes = np.ceil(5 * random.lognormal(0, 1.5, 30)).astype(int)
        of = np.repeat(np.arange(30), sizes)
        own, rows = random.normal(size=(20, 30))[:, of], random.normal(size=(20, len(of)))
        outputs = [[each] for each in 5 + own + 0.5 * rows]
        given = replace(contest("mae", np.zeros(len(of)), outputs), clusters=of)
        told = optimism(given, 0)
        luck.append(5 - told.validation)
        found.append(told.optimism)
    assert np.mean(found) == pytest.approx(np.mean(luck), rel=0.15)
