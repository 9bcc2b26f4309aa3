"""Huber error: squared near zero, absolute beyond delta.

    loss = r^2 / 2              where |r| <= delta
         = delta (|r| - delta/2)  elsewhere,        r = z - y

Source: Huber 1964, "Robust estimation of a location parameter"; equals torch's HuberLoss.

Helps: mostly clean targets with a few wild ones.
Measured: delta 0.1 on 200 rows of a linear function; one target in twenty is off by 20 deviations:
rmse 12 without, 7.57 with it (difference -4.41, 95 % -5.29 to -3.54, 20 draws).
Does nothing: with delta above the largest residual it is half the squared error.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.batch import per_member
from shrinkage.ingredient import Member, ingredient


@ingredient
class Huber:
    """delta: where the loss turns from squared to absolute, in standard deviations of y."""

    delta: Annotated[float, Member("(0, inf)", 0.3, 3.0, "log", unit="standard deviations")] = 1.0


def huber(output: Tensor, target: Tensor, delta: Tensor) -> Tensor:
    """output, target: [M, B, C]; delta: [M]. Returns one loss a row [M, B]."""
    residual = (output - target).abs()
    delta = per_member(delta, residual)
    near = torch.minimum(residual, delta)
    return (near * (residual - near / 2)).mean(-1)
