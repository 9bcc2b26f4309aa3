"""Gradient clipping, by norm and by value.

    by norm:    g <- g * min(1, max_norm / (||g|| + 1e-6))
    by value:   g <- min(max(g, -max_value), max_value)

Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", section 3.2;
the forms are torch's clip_grad_norm_ and clip_grad_value_, per member.

Helps: large rates, rare huge gradients, the first steps of training.
Does nothing: while gradients stay below the limit; infinity is the identity.
Conflicts: Adam already divides by the gradient's size, so clipping changes it less than SGD.
"""

from __future__ import annotations

from math import inf
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class ClipNorm:
    """max_norm: largest norm of a member's whole gradient; infinity is the identity."""

    max_norm: Annotated[float, Member("(0, inf]", 0.1, 10.0, "log", neutral=inf)] = inf


@ingredient
class ClipValue:
    """max_value: largest absolute gradient entry; infinity is the identity."""

    max_value: Annotated[float, Member("(0, inf]", 1e-3, 1.0, "log", neutral=inf)] = inf


def clip_norm(grad: Tensor, max_norm: Tensor) -> Tensor:
    """grad: [M, P]; max_norm: [M]."""
    norm = torch.linalg.vector_norm(grad, dim=1)
    return grad * (max_norm / (norm + 1e-6)).clamp(max=1)[:, None]


def clip_value(grad: Tensor, max_value: Tensor) -> Tensor:
    """grad: [M, P]; max_value: [M]."""
    limit = max_value[:, None]
    return torch.minimum(torch.maximum(grad, -limit), limit)
