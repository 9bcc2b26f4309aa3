"""Flat, then cosine: hold the full rate, then let it fall to zero.

    factor(t) = 1                                          t/T < flat
              = (1 + cos(pi (t/T - flat) / (1 - flat))) / 2    after

Source: the "flat and anneal" schedule of Wright 2019 (Ranger). Holzmüller et al. 2024 let
dropout and weight decay of RealMLP follow it; their learning rate follows another, coslog4.

Helps: long exploration at a high rate, a clean end.
Does nothing: flat 0 is the cosine schedule.
Conflicts: early stopping that fires in the flat part.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class FlatCosine:
    """flat: share of the steps at the full rate."""

    flat: Annotated[float, Member("[0, 1)", 0.0, 0.8, unit="share of steps")] = 0.5


def flat_cosine(step: Tensor, total: int, flat: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    falling = ((step / total - flat) / (1 - flat)).clamp(min=0)
    return (1 + torch.cos(math.pi * falling)) / 2
