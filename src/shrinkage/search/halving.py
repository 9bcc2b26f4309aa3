"""Asynchronous successive halving: at each rung only the best share of trials goes on.

    rungs at shares 1/9, 1/3 and 1 of the epochs; a trial passes a rung when its score is among
    the best third of all scores that the rung has seen

Jamieson & Talwalkar 2016; Li et al. 2020, "A System for Massively Parallel Hyperparameter
Tuning" (ASHA): no cohort waits for another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from shrinkage.rows.minibatch import total_steps

RUNGS = (1 / 9, 1 / 3, 1.0)
ETA = 3


def rung_steps(rows: int, batch_size: int, epochs: int) -> tuple[int, ...]:
    """The step at which each rung ends; the last is the whole training."""
    total = total_steps(rows, batch_size, epochs)
    return tuple(max(1, math.ceil(share * total)) for share in RUNGS)


def passing(cohort: Mapping[int, float], seen: Sequence[float]) -> set[int]:
    """Trials of a cohort that pass a rung.

    cohort: score by trial. seen: all scores of this rung so far, the cohort's own included.
    """
    if not cohort:
        return set()  # all of it diverged
    place = max(1, len(seen) // ETA)
    bar = sorted(seen, reverse=True)[place - 1]
    return {number for number, score in cohort.items() if score >= bar}
