"""Cosine schedule: fall smoothly from the full rate to a floor.

    factor(t) = floor + (1 - floor) * (1 + cos(pi t / T)) / 2

Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts.

Helps: fixed-length training; most of the gain of a tuned schedule.
Conflicts: early stopping that fires before the rate has fallen.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class Cosine:
    """floor: share of the rate left at the end; 1 is a constant rate."""

    floor: Annotated[float, Member("[0, 1]", 0.0, 0.3)] = 0.0


def cosine(step: Tensor, total: int, floor: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    return floor + (1 - floor) * (1 + torch.cos(math.pi * step / total)) / 2
