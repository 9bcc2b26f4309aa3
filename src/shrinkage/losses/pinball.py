"""Pinball loss: its minimizer is the conditional quantile of a level.

    loss = max(level r, (level - 1) r),        r = y - z

Source: Koenker & Bassett 1978, "Regression Quantiles"; half of absolute_error at level 1/2.

Helps: when what is asked for is a quantile: a study judged by `pinball_Q` trains with it.
Conflicts: its gradient does not shrink near the optimum; let the learning rate fall to 0. At a
level near 0 or 1 few rows lie beyond the quantile, and a small batch may hold none of them.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.batch import per_member
from shrinkage.ingredient import Member, ingredient


@ingredient
class Pinball:
    """level: of the quantile."""

    level: Annotated[float, Member("(0, 1)", 0.05, 0.95, "linear")] = 0.5


def pinball(output: Tensor, target: Tensor, level: Tensor) -> Tensor:
    """output, target: [M, B, C]; level: [M]. Returns one loss a row [M, B]."""
    residual = target - output
    level = per_member(level, residual)
    return torch.maximum(level * residual, (level - 1) * residual).mean(-1)
