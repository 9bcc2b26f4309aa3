"""Linear warmup in front of any schedule.

    factor(t) = min(1, (t + 1) / (share * T))        times the schedule's own factor

Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2.

Helps: large rates, Adam's first steps, no normalization.
Does nothing: a share of 0 is the identity.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class Warmup:
    """share: part of the steps over which the rate rises; 0 is the identity."""

    share: Annotated[float, Member("[0, 1]", 0.0, 0.2, neutral=0.0, unit="share of steps")] = 0.0


def warmup(step: Tensor, total: int, share: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    if share == 0:
        return torch.ones_like(step)
    return ((step + 1) / (share * total)).clamp(max=1)
