"""Stochastic weight averaging: the mean of all weights from some step on.

    from step round(start * T) on:   n <- n + 1;   a <- a + (w - a) / n

Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization",
algorithm 1. Validation and prediction use a once it has begun; training goes on from w. The
statistics of batch norm are measured anew for a, by a pass over training rows.

Differs from the paper: weights are taken at every step, not once an epoch or cycle, so that
small tables with few epochs have enough of them; and the schedule is any.

Helps: constant or cyclic rates, which keep moving about a minimum; small batches.
Measured: start 0.5 on 200 rows, 10 columns, two classes, a quarter of the training labels flipped,
both beside Adam at rate 0.01: log loss 1.77 without, 1.64 with it (difference -0.124, 95 % -0.135
to -0.113, 20 draws).
Does nothing: start 1 never begins.
Conflicts: a schedule that lets the rate fall to zero leaves nothing to average, and holds the
mean back at earlier, worse weights; with ema too, swa is what is shown once it has begun; with
batch norm each validation costs a pass over the training rows.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Swa:
    """start: share of the steps before the mean begins; 1 is never."""

    start: Annotated[float, Member("[0, 1]", 0.5, 0.95, neutral=1.0, unit="share of steps")] = 1.0


def unbegun(weights: Tensor, **numbers: Any) -> Slots:
    """Slots before step 0: mean [M, P] and count [M]."""
    return {"mean": weights.clone(), "count": weights.new_zeros(len(weights))}


def swa(
    weights: Tensor, slots: Slots, step: Step, total: int, start: Tensor
) -> tuple[Tensor, Slots]:
    """weights: [M, P]; slots: mean [M, P], consumed, and count [M]; step counts from 0; start: [M].

    Returns the weights, as they were, and new slots.
    """
    # Whole steps: a share times a number of steps may miss a whole number by a rounding error.
    begun = step >= (start * total).round()
    count = slots["count"] + begun
    share = torch.where(begun, 1 / count, 0.0)
    return weights, {"mean": slots["mean"].lerp_(weights, share[:, None]), "count": count}


def mean_weights(weights: Tensor, slots: Slots, start: Tensor) -> Tensor:
    """The mean [M, P] where it has begun, else what is given."""
    return torch.where(begun(slots)[:, None], slots["mean"], weights)


def begun(slots: Slots, **numbers: Any) -> Tensor:
    """Whether each member's mean has begun, bool [M]."""
    return slots["count"] > 0
