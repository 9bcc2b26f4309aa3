"""Cutoffs come near the best that theory knows, and stay at 1/2 where they buy nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shrinkage import scores
from shrinkage.cutoff import LOSSES, Chosen, best_cutoff, fit_cutoff, try_priors, weighted


def rare(rows: int, seed: int = 0, shift: float = -2.0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities [n, 2] of a class that few rows have, and classes drawn by them."""
    random = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-2 * random.normal(size=rows) - shift))
    return np.stack([1 - p, p], 1), (random.random(rows) < p).astype(np.int64)


def groups(rows: int) -> np.ndarray:
    return np.arange(rows) % 5


def certain(named: np.ndarray) -> torch.Tensor:
    return torch.eye(2)[torch.from_numpy(named.astype(np.int64))]


def value(named: np.ndarray, target: np.ndarray, metric: str) -> float:
    function = scores.find(metric).function
    return float(function(certain(named)[None], torch.from_numpy(target))[0])


@pytest.mark.parametrize("metric", LOSSES)
@pytest.mark.parametrize("classes", [(0, 1), (0,), (1,)])
def test_counts_say_what_the_rows_say(metric: str, classes: tuple[int, ...]) -> None:
    """Values, paired differences and their errors, against the losses of single rows."""
    probability, target = rare(200)
    kept = np.isin(target, classes)
    score, target = probability[kept, 1].round(2), target[kept]
    cutoffs = np.array([0.0, 0.05, 0.31, 0.5, 0.9, 1.0])
    chosen = Chosen.at(cutoffs, score, target)
    losses = LOSSES[metric](chosen)
    expected = [value(score > c, target, metric) for c in cutoffs]
    np.testing.assert_allclose(1 - chosen.mean(losses), expected, atol=1e-12)
    y = torch.from_numpy(target)
    rows = [scores.row_losses(metric, certain(score > c), y).numpy() for c in cutoffs]
    gaps = [each - rows[2] for each in rows]
    mean, error = chosen.against(2, losses)
    np.testing.assert_allclose(mean, [gap.mean() for gap in gaps], atol=1e-12)
    spread = [gap.std(ddof=1) / np.sqrt(len(gap)) for gap in gaps]
    np.testing.assert_allclose(error, spread, atol=1e-9)


def test_the_cutoff_is_where_theory_says() -> None:
    """Calibrated probabilities: the share of class 1, half the best F1, and 1/2."""
    probability, target = rare(40_000)
    score = probability[:, 1]
    best = best_cutoff(score, target, "f1")
    f1 = value(score > best, target, "f1")
    assert best == pytest.approx(f1 / 2, abs=0.03)
    even = best_cutoff(score, target, "balanced_accuracy")
    assert even == pytest.approx(target.mean(), abs=0.03)
    assert best_cutoff(score, target, "accuracy") == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1"])
def test_a_tuned_cutoff_helps_rows_that_did_not_choose_it(metric: str) -> None:
    probability, target = rare(3000)
    found = fit_cutoff(probability, target, groups(3000), metric)
    assert found.cutoff is not None
    assert found.gain > 2 * found.error
    other, truth = rare(20_000, seed=1)
    before, after = (value(other[:, 1] > c, truth, metric) for c in (0.5, found.cutoff))
    assert after > before + found.gain / 2


def test_a_half_stays_where_nothing_is_gained() -> None:
    """Accuracy of calibrated probabilities, and balanced accuracy of balanced classes."""
    kept = [
        fit_cutoff(*rare(200, seed, shift), groups(200), metric).cutoff is None
        for seed in range(30)
        for shift, metric in ((-2.0, "accuracy"), (0.0, "balanced_accuracy"))
    ]
    assert np.mean(kept) > 0.85


def test_the_middle_loses_less_than_the_highest_point() -> None:
    """F1 on many other rows, by cutoffs from 40 tables of 150."""
    other, truth = rare(20_000, seed=99)
    middle, highest = [], []
    for seed in range(40):
        probability, target = rare(150, seed)
        cutoffs = np.linspace(0.01, 0.99, 99)
        chosen = Chosen.at(cutoffs, probability[:, 1], target)
        top = cutoffs[chosen.mean(LOSSES["f1"](chosen)).argmin()]
        highest.append(value(other[:, 1] > top, truth, "f1"))
        middle.append(
            value(other[:, 1] > best_cutoff(probability[:, 1], target, "f1"), truth, "f1")
        )
    assert np.mean(middle) > np.mean(highest) + 0.01


def test_the_gain_is_of_rows_that_did_not_choose() -> None:
    probability, target = rare(100)
    group, score = groups(100), probability[:, 1]
    named = np.empty(100, dtype=bool)
    for g in range(5):
        rest = group != g
        named[~rest] = score[~rest] > best_cutoff(score[rest], target[rest], "balanced_accuracy")
    gain = value(named, target, "balanced_accuracy") - value(
        score > 0.5, target, "balanced_accuracy"
    )
    found = fit_cutoff(probability, target, group, "balanced_accuracy")
    assert found.gain == pytest.approx(gain, abs=1e-12)


def test_equal_scores_have_no_cutoff_but_a_half() -> None:
    assert best_cutoff(np.full(10, 0.3), np.arange(10) % 2, "f1") == 0.5


def test_what_decides() -> None:
    probability = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    assert weighted(probability, None, None) is probability
    assert weighted(probability, 0.5, None).argmax(1).tolist() == [0, 0, 1]
    assert weighted(probability, 0.3, None).argmax(1).tolist() == [0, 1, 1]
    assert weighted(probability, None, (0.9, 0.1)).argmax(1).tolist() == [1, 1, 1]


def many(rows: int, shares: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities of classes with these shares: Bayes' rule on one noisy number."""
    random = np.random.default_rng(seed)
    target = random.choice(len(shares), size=rows, p=shares)
    x = target + random.normal(size=rows)
    likelihood = np.exp(-((x[:, None] - np.arange(len(shares))) ** 2) / 2) * np.array(shares)
    return likelihood / likelihood.sum(1, keepdims=True), target


def test_priors_help_unbalanced_classes_and_not_balanced_ones() -> None:
    shares = [0.8, 0.15, 0.05]
    found = try_priors(*many(2000, shares, 0), shares, "balanced_accuracy")
    assert found.priors == tuple(shares)
    assert found.gain > 5 * found.error
    even = [1 / 3] * 3
    assert try_priors(*many(2000, even, 0), even, "balanced_accuracy").priors is None
