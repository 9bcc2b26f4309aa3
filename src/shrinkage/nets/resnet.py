"""Residual network for tables: blocks add to their input instead of replacing it.

    h <- x W + b
    h <- h + dropout(dropout(activation(norm(h) W1 + b1)) W2 + b2)      each block
    z  = activation(norm(h)) W + b

Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data", section 3.3; the
idea is He et al. 2016.

Helps: depth; gradients pass by the blocks.
Conflicts: costs two products a block.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Structural, ingredient
from shrinkage.nets.linear import linear, linear_entries
from shrinkage.nets.parts import Forward, Parts


@ingredient
class Resnet:
    """width: units of the stream. blocks: residual blocks. expansion: inner width / width."""

    width: Annotated[int, Structural("[1, 65536]", 32, 512, "log", unit="units")] = 128
    blocks: Annotated[int, Structural("[0, 64]", 1, 4, unit="blocks")] = 2
    expansion: Annotated[float, Structural("(0, 16]", 1.0, 4.0)] = 2.0


def resnet(
    inputs: int, outputs: int, parts: Parts, width: int, blocks: int, expansion: float
) -> Forward:
    """Declare the weights in `parts` and return the pass [M, B, inputs] -> [M, B, outputs]."""
    inner = max(1, round(width * expansion))
    parts.declare(linear_entries("stem", inputs, width))
    for block in range(blocks):
        parts.declare_norm(f"block{block}.norm", width)
        parts.declare(linear_entries(f"block{block}.up", width, inner))
        parts.declare(linear_entries(f"block{block}.down", inner, width))
    parts.declare_norm("head.norm", width)
    parts.declare(linear_entries("head", width, outputs))

    def forward(x: Tensor, run) -> Tensor:
        h = linear(x, run.weight("stem.weight"), run.weight("stem.bias"))
        for block in range(blocks):
            name = f"block{block}"
            u = run.norm(h, f"{name}.norm")
            u = linear(u, run.weight(f"{name}.up.weight"), run.weight(f"{name}.up.bias"))
            u = run.dropout(run.activation(u), f"dropout.{block}.inner")
            u = linear(u, run.weight(f"{name}.down.weight"), run.weight(f"{name}.down.bias"))
            h = h + run.dropout(u, f"dropout.{block}")
        h = run.activation(run.norm(h, "head.norm"))
        return linear(h, run.weight("head.weight"), run.weight("head.bias"))

    return forward
