"""When a member ends: the rules themselves; their effect on training is tested in population."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch

from shrinkage.stopping.divergence import EXPLODED, divergence
from shrinkage.stopping.early_stopping import exhausted, improved, smoothed

LOSSES = [
    (1.0, 1.0, None),
    (EXPLODED, 1.0, None),
    (0.0, 0.0, None),
    (nan, 1.0, "not a number"),
    (inf, 1.0, "infinite"),
    (-inf, 1.0, "infinite"),
    (2.1 * EXPLODED, 1.0, "exploded from 1 to 2.1e+04"),
    (1.1 * EXPLODED, 0.0, "exploded"),
    (-4.0, -4.0, None),
    (6 * EXPLODED, -4.0, "exploded from -4"),
    (nan, nan, "not a number"),
    (inf, inf, "infinite"),
]


@pytest.mark.parametrize(("loss", "first", "words"), LOSSES)
def test_a_divergence_has_a_reason(loss: float, first: float, words: str | None) -> None:
    reason = divergence(loss, first, step=7)
    assert (reason is None) == (words is None)
    assert (words or "") in (reason or "")
    assert reason is None or "step 7" in reason


def test_the_last_of_equals_counts_and_what_is_no_number_never_does() -> None:
    score = torch.tensor([1.0, 2.0, nan, 3.0, -inf])
    best = torch.tensor([1.0, 1.0, -inf, inf, -inf])
    assert improved(score, best).tolist() == [True, True, False, False, False]


SMOOTHING = torch.tensor([0.0, 0.5, 0.95], dtype=torch.float64)
HISTORY = [0.3, 0.7, -inf, 0.1, 0.2, -inf, -inf, 0.9]


def _smoothed(history: list[float]) -> list[torch.Tensor]:
    total = weight = torch.zeros(3, dtype=torch.float64)
    found = []
    for score in history:
        now = torch.full((3,), score, dtype=torch.float64)
        compared, total, weight = smoothed(now, total, weight, SMOOTHING)
        found.append(compared)
    return found


def test_a_smoothed_score_is_the_weighted_mean_of_all_epochs_that_have_one() -> None:
    for epoch, compared in enumerate(_smoothed(HISTORY)):
        past = [score for score in HISTORY[: epoch + 1] if score > -inf][::-1]
        for member, share in enumerate(SMOOTHING.tolist()):
            weights = [share**age for age in range(len(past))]
            mean = sum(w * s for w, s in zip(weights, past, strict=True)) / sum(weights)
            expected = mean if HISTORY[epoch] > -inf else -inf
            assert float(compared[member]) == pytest.approx(expected, abs=1e-14)


def test_smoothing_zero_is_the_score_and_a_constant_score_stays() -> None:
    assert [float(s[0]) for s in _smoothed(HISTORY)] == HISTORY
    for compared in _smoothed([0.3] * 50):
        torch.testing.assert_close(compared, torch.full_like(compared, 0.3), rtol=0, atol=1e-14)


def test_patience_is_counted_from_the_best_epoch() -> None:
    best = torch.tensor([3, 5, 0, 7])
    patience = torch.tensor([4.0, 3.0, 8.0, inf])
    assert exhausted(7, best, patience).tolist() == [True, False, False, False]
    assert exhausted(8, best, patience).tolist() == [True, True, True, False]
