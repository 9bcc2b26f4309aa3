"""Constant rate.

    factor(t) = 1

Source: Robbins & Monro 1951 is the reason to prefer a falling one.

Helps: comparing other ingredients without a second cause.
Conflicts: noise of the last steps stays in the weights; an average (ema) takes it out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shrinkage.ingredient import ingredient


@ingredient
class Constant:
    """No hyperparameters."""


def constant(step: Tensor, total: int) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    return torch.ones_like(step)
