"""Intervals hold what they promise, verdicts follow one rule, rates are chosen by other rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as student

from shrinkage.evidence import stats
from shrinkage.evidence.stats import Estimate, estimate, holm, pseudo_values, seeds_needed, verdict


def crossed(
    random: np.random.Generator, seeds: int, groups: int, *sd: float, mean: float = 0.0
) -> np.ndarray:
    """[S, J] with a seed effect, a row effect and their interaction of these deviations."""
    of_seeds, of_rows, of_both = sd
    return (
        mean
        + of_seeds * random.normal(size=(seeds, 1))
        + of_rows * random.normal(size=(1, groups))
        + of_both * random.normal(size=(seeds, groups))
    )


COVERED = [
    # seeds, groups, deviations of seeds, rows, both
    (10, 50, 1.0, 0.0, 1.0),
    (10, 50, 0.0, 1.0, 1.0),
    (10, 50, 0.3, 1.0, 3.0),
    (10, 20, 1.0, 3.0, 1.0),
    (4, 50, 1.0, 2.0, 1.0),
    (3, 50, 0.2, 1.0, 1.0),
]


@pytest.mark.parametrize("case", COVERED, ids=str)
def test_intervals_hold_the_truth(case: tuple) -> None:
    seeds, groups, *sd = case
    random, held, times = np.random.default_rng(groups * seeds), 0, 2000
    for _ in range(times):
        low, high = estimate(crossed(random, seeds, groups, *sd, mean=0.5)).interval()
        held += low <= 0.5 <= high
    assert 0.935 <= held / times <= 0.98


def test_the_standard_error_by_hand() -> None:
    """y = seed effects + group effects, no interaction: variances of the two margins add."""
    seeds, groups = np.array([1.0, 3.0, 2.0]), np.array([0.0, 4.0, 8.0, 4.0])
    found = estimate(seeds[:, None] + groups)
    expected = seeds.var(ddof=1) / 3 + groups.var(ddof=1) / 4
    assert found.mean == pytest.approx(6)
    assert found.error == pytest.approx(np.sqrt(expected))
    parts = found.of_seeds, found.of_rows, found.of_both
    assert parts == pytest.approx((seeds.var(ddof=1), groups.var(ddof=1), 0), abs=1e-12)
    assert found.with_seeds(3) == pytest.approx(found.error)
    half = student.t.ppf(0.975, found.degrees) * found.error
    assert found.interval() == pytest.approx((6 - half, 6 + half))


def test_nothing_differs_is_known_for_sure() -> None:
    found = estimate(np.zeros((3, 5)))
    assert found.interval() == (0, 0)
    assert found.p_value == 1
    assert verdict(found, found.p_value) == "equivalent"


def test_seeds_that_agree_by_chance_are_not_sure() -> None:
    """Each gains one row of four, another one: MS_both = 1 / 3, and so is that of seeds."""
    found = stats.estimate(np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]))
    assert found.mean == 0.25
    assert found.error == pytest.approx(np.sqrt(1 / 3 / 8))
    assert found.degrees == 1
    low, high = found.interval()
    assert low < 0 < high


def test_a_mean_of_nothing_but_rounding_is_nothing() -> None:
    y = np.array([[0.1, 0.2, -0.3], [0.1, 0.2, -0.3]])
    assert y.mean() != 0
    assert stats.estimate(y).mean == 0


def test_two_of_each_at_least() -> None:
    for shape in ((1, 5), (5, 1)):
        with pytest.raises(ValueError, match="two seeds"):
            estimate(np.zeros(shape))


def test_pseudo_values_of_a_mean_are_the_groups_own() -> None:
    groups = np.random.default_rng(0).normal(size=(3, 7))
    left = [np.delete(groups, j, axis=1).mean(1) for j in range(7)]
    scores = np.stack([groups.mean(1), *left], 1)
    np.testing.assert_allclose(pseudo_values(scores), groups)


def test_pseudo_values_know_the_error_of_a_ratio() -> None:
    """The jackknife's variance of a ratio of means is that of the delta method."""
    random = np.random.default_rng(1)
    x = random.normal(3, 1, 400)
    y = 2 * x + random.normal(0, 1, 400)
    left = [np.delete(y, j).mean() / np.delete(x, j).mean() for j in range(400)]
    found = pseudo_values(np.array([y.mean() / x.mean(), *left]))
    delta = np.sqrt(np.var(y - y.mean() / x.mean() * x, ddof=1) / 400) / x.mean()
    assert found.std(ddof=1) / 20 == pytest.approx(delta, rel=0.01)


def test_rates_are_chosen_by_other_parts() -> None:
    scores = np.zeros((2, 1, 3))
    scores[1, 0] = [1.0, -0.4, -0.4]  # rate 1 is better on part 0 only, and on average
    assert stats.tuned(scores).tolist() == [[0, 1, 1]]
    picked = stats.at_rates(scores, stats.tuned(scores))
    assert picked.tolist() == [[0.0, -0.4, -0.4]]


def test_seeds_choose_for_themselves_and_divergence_is_worst() -> None:
    scores = np.zeros((3, 2, 4))
    scores[1, 0], scores[2, 1], scores[0, 1, 0] = 1.0, 1.0, np.nan
    assert stats.tuned(scores).tolist() == [[1] * 4, [2] * 4]
    scores[1, 0, 2] = np.nan  # on one part only: the others would have chosen it there
    assert stats.tuned(scores)[0].tolist() == [0] * 4
    scores[1:] = np.nan
    assert stats.tuned(scores)[0].tolist() == [0] * 4


def test_choosing_rates_does_not_flatter() -> None:
    """Three equal rates against one: chosen on the rows that judge, the first arm seems better."""
    random, naive, found = np.random.default_rng(2), [], []
    for _ in range(400):
        rows = random.normal(size=(3, 1, 5)) + 0.1 * random.normal(size=(3, 8, 5))
        naive.append(rows.mean((1, 2)).max())
        found.append(stats.at_rates(rows, stats.tuned(rows)).mean())
    assert np.mean(naive) > 0.3
    assert abs(np.mean(found)) < 3 * np.std(found) / 20


def test_holm_by_hand() -> None:
    """Times 5, 4, 3, 2, 1 in the order of size, and never smaller than one before."""
    assert holm([0.01, 0.04, 0.03, 0.005, 0.6]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.6])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def known(mean: float, error: float, degrees: float = 1e6) -> Estimate:
    return Estimate(mean, error, degrees, 10, 50, 10 * error**2, 0.0, 0.0)


VERDICTS = [
    # mean, standard error, adjusted p, margin
    (0.10, 0.01, 0.001, 0.0, "helps"),
    (-0.10, 0.01, 0.001, 0.0, "hurts"),
    (0.10, 0.01, 0.051, 0.0, "no evidence"),
    (0.10, 0.01, 0.001, 0.2, "equivalent"),
    (0.01, 0.02, 0.9, 0.049, "no evidence"),
    (0.01, 0.02, 0.9, 0.050, "equivalent"),
    (-0.01, 0.02, 0.9, 0.050, "equivalent"),
    (0.01, 0.02, 0.9, 0.0, "no evidence"),
]


@pytest.mark.parametrize(("mean", "error", "p", "margin", "said"), VERDICTS)
def test_verdicts(mean: float, error: float, p: float, margin: float, said: str) -> None:
    assert verdict(known(mean, error), p, margin) == said


def test_null_families_are_judged_wrongly_in_one_of_twenty() -> None:
    """Ten nulls and no margin: at least one false verdict in about 5 % of the ablations."""
    random, wrong, times = np.random.default_rng(3), 0, 600
    for _ in range(times):
        found = [estimate(crossed(random, 10, 50, 1.0, 2.0, 1.0)) for _ in range(10)]
        adjusted = holm([each.p_value for each in found])
        wrong += any(verdict(e, p) != "no evidence" for e, p in zip(found, adjusted, strict=True))
    assert 0.01 <= wrong / times <= 0.07


def test_as_many_seeds_as_are_needed() -> None:
    found = known(0.02, 0.01)  # all of the noise is between seeds: error ~ 1 / sqrt(seeds)
    assert verdict(found, min(1, 10 * found.p_value)) == "no evidence"
    seeds = seeds_needed(found, 10)
    critical = student.norm.ppf(1 - 0.05 / 20)
    assert seeds == int(np.ceil(10 * (critical * 0.01 / 0.02) ** 2))
    assert seeds_needed(found, 1) < seeds


def test_seeds_cannot_replace_rows() -> None:
    found = replace(known(0.02, 0.01), of_seeds=0.0, of_rows=50 * 0.01**2)
    assert seeds_needed(found, 10) is None
    assert seeds_needed(found, 10, margin=0.05) == 10


def test_more_seeds_show_that_nothing_is_there() -> None:
    found = known(0.0, 0.01)
    assert seeds_needed(found, 10) is None
    assert seeds_needed(found, 10, margin=0.01) == int(np.ceil(10 * 1.959964**2))
