"""When a member ends: the rules themselves; their effect on training is tested in population."""

from __future__ import annotations

from math import inf, nan

import pytest
import torch

from shrinkage.stopping.divergence import EXPLODED, divergence
from shrinkage.stopping.early_stopping import exhausted, improved

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


def test_patience_is_counted_from_the_best_epoch() -> None:
    best = torch.tensor([3, 5, 0, 7])
    patience = torch.tensor([4.0, 3.0, 8.0, inf])
    assert exhausted(7, best, patience).tolist() == [True, False, False, False]
    assert exhausted(8, best, patience).tolist() == [True, True, True, False]
