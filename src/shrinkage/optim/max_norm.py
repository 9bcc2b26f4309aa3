"""Max-norm: after each step, a unit's incoming weights are scaled back into a ball.

    w_j <- w_j * min(1, limit / ||w_j||)        for each unit j, w_j all weights that lead to it

Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
section 5.1, which finds limits of 3 to 4 best beside dropout; the idea is Srebro & Shraibman 2005.

Acts on weight matrices alone; biases, norm parameters and embeddings are left out.

Helps: large rates with dropout: weights cannot run away, and no weight inside is pulled.
Measured: limit 0.5 on 120 rows, 60 columns of which 3 matter, a number to predict, some noise:
rmse 1.4 without, 0.836 with it (difference -0.563, 95 % -0.627 to -0.499, 20 draws).
Does nothing: while every unit stays below the limit; infinity is the identity.
Conflicts: ahead of a norm layer it changes no function, only the effective rate. Adam's momentum
goes on pushing against the limit. Narrow layers start near a norm of 1 to 1.5: limits below that
bind from the first step. Refused beside `schedule_free`.
"""

from __future__ import annotations

from math import inf
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.nets.layout import Layout


@ingredient
class MaxNorm:
    """limit: largest norm of the weights that lead to one unit; infinity is the identity."""

    limit: Annotated[float, Member("(0, inf]", 0.5, 5.0, "log", neutral=inf)] = inf


def max_norm(weights: Tensor, layout: Layout, limit: Tensor) -> Tensor:
    """weights: [M, P], consumed; limit: [M]."""
    views = layout.views(weights)
    for entry in layout.entries:
        if entry.role == "weight":
            matrix = views[entry.name]
            axes = [axis + 1 for axis in entry.unit_axes]
            norm = torch.linalg.vector_norm(matrix, dim=axes, keepdim=True)
            most = limit.view(-1, *[1] * (norm.dim() - 1))
            matrix.mul_(torch.where(norm > most, most / norm, 1.0))
    return weights
