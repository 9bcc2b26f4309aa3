"""Step decay: hold the rate, then divide it, again and again.

    factor(t) = drop ^ floor(t / n),       n = max(1, round(every * T)) steps

Source: the usual recipe of He et al. 2016, "Deep Residual Learning", section 3.4: divide by 10
whenever progress ends. Equals torch's StepLR.

Differs from the paper: drops come at equal shares of the training, not by eye; `plateau` is
the rule that watches.

Helps: a rate that is high for long, with an end of low noise.
Does nothing: drop 1, or every 1, is a constant rate.
Conflicts: early stopping whose patience ends just before a drop.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class StepDecay:
    """every: share of the steps between drops. drop: what the rate is multiplied by at each."""

    every: Annotated[float, Member("(0, 1]", 0.1, 0.5, unit="share of steps")] = 0.3
    drop: Annotated[float, Member("(0, 1]", 0.05, 0.5, "log")] = 0.1


def step_decay(step: Tensor, total: int, every: float, drop: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    # Whole steps: a share times a number of steps may miss a whole number by a rounding error.
    length = max(1, round(every * total))
    return drop ** torch.floor(step / length)
