"""Dropout, inverted: zero activations at random in training, scale the others up.

    y = x * [u >= rate] / (1 - rate),    u ~ U[0, 1);      inference: y = x

Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
Members with equal seeds share u and compare it with their own rate, so masks are nested.

Helps: wide networks on few rows.
Does nothing: at inference; rate 0 is the identity.
Conflicts: ahead of batch norm it shifts variance between training and inference (Li et al.
2019), so it stands after the activation here; L2 and dropout overlap.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.batch import per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class Dropout:
    """rate: probability that an activation is zeroed in training; 0 is the identity."""

    rate: Annotated[float, Member("[0, 1)", 0.0, 0.5, neutral=0.0)] = 0.0


def dropout(x: Tensor, rate: Tensor, draws: Draws, stream: str) -> Tensor:
    """x: [M, B, H]; rate: [M]. Returns [M, B, H] with the expectation of x."""
    rate = per_member(rate, x)
    uniform = draws.uniform(stream, tuple(x.shape[1:]))
    kept = torch.ge(uniform, rate, out=torch.empty_like(x, requires_grad=False))
    return x * kept.mul_(1 / (1 - rate))
