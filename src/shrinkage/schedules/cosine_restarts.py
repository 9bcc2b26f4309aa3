"""Cosine with warm restarts: fall to the floor, jump back to the full rate, and again.

    factor(t) = floor + (1 - floor) * (1 + cos(pi u)) / 2,     u = share of the cycle gone by
    lengths of the cycles: L, growth * L, growth^2 * L, ...    rounded to whole steps, T in all

Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", section 3.

Differs from the paper: the number of cycles is given, and the first length follows from the
steps there are, so that training always ends at the end of a cycle.

Helps: several good minima in one training; each end of a cycle is a usable network.
Does nothing: one cycle is the cosine schedule.
Conflicts: early stopping with a patience shorter than a cycle: scores worsen after a restart.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class CosineRestarts:
    """cycles: falls of the rate. growth: length of a cycle over the one before it.

    floor: share of the rate left at the end of each cycle.
    """

    cycles: Annotated[int, Member("[1, inf)", 1, 8, unit="cycles")] = 3
    growth: Annotated[float, Member("[1, inf)", 1.0, 3.0)] = 1.0
    floor: Annotated[float, Member("[0, 1]", 0.0, 0.3)] = 0.0


def cosine_restarts(step: Tensor, total: int, cycles: int, growth: float, floor: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    edges = cycle_edges(total, cycles, growth).to(step)
    cycle = (torch.searchsorted(edges, step, right=True) - 1).clamp(max=len(edges) - 2)
    gone = (step - edges[cycle]) / (edges[cycle + 1] - edges[cycle])
    return floor + (1 - floor) * (1 + torch.cos(math.pi * gone)) / 2


def cycle_edges(total: int, cycles: int, growth: float) -> Tensor:
    """The steps at which cycles begin, and `total`; distinct, so short cycles may merge."""
    # From the last cycle back, so that no power overflows; no more cycles than steps.
    count = min(cycles, total)
    lengths = (1 / growth) ** torch.arange(count - 1, -1, -1, dtype=torch.float64)
    ends = (lengths.cumsum(0) / lengths.sum() * total).round()
    return torch.cat([ends.new_zeros(1), ends]).unique()
