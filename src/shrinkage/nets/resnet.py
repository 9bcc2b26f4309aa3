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
from shrinkage.nets.parts import Forward, Parts, Run


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
    parts.declare_linear("stem", inputs, width)
    for block in range(blocks):
        parts.declare_norm(f"block{block}.norm", width)
        parts.declare_linear(f"block{block}.up", width, inner)
        parts.declare_linear(f"block{block}.down", inner, width)
    parts.declare_norm("head.norm", width)
    parts.declare_head(width, outputs)

    def forward(x: Tensor, run: Run) -> Tensor:
        h = run.linear(x, "stem")
        for block in range(blocks):
            name = f"block{block}"
            u = run.linear(run.norm(h, f"{name}.norm"), f"{name}.up")
            u = run.linear(run.dropout(run.activation(u), f"{block}.inner"), f"{name}.down")
            h = h + run.dropout(u, str(block))
        return run.head(run.activation(run.norm(h, "head.norm")))

    return forward
