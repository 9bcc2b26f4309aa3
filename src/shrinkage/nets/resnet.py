"""Residual network for tables: blocks add to their input instead of replacing it.

    h <- x W + b
    h <- h + f(h),    f(h) = dropout(dropout(activation(norm(h) W1 + b1)) W2 + b2)    each block
    z  = activation(norm(h)) W + b

Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data", section 3.2; the
idea is He et al. 2016. With two branches, h <- h + (f_1(h) + f_2(h)) / 2 (Gastaldi 2017).

Helps: depth; gradients pass by the blocks.
Conflicts: costs two products a block and branch.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Structural, ingredient
from shrinkage.nets.parts import Forward, Parts, Run


@ingredient
class Resnet:
    """width: units of the stream. blocks: residual blocks. expansion: inner width / width.

    branches: maps a block adds side by side, each with weights of its own.
    """

    width: Annotated[int, Structural("[1, 65536]", 32, 512, "log", unit="units")] = 128
    blocks: Annotated[int, Structural("[0, 64]", 1, 4, unit="blocks")] = 2
    expansion: Annotated[float, Structural("(0, 16]", 1.0, 4.0)] = 2.0
    branches: Annotated[int, Structural("[1, 2]", 1, 2, unit="branches")] = 1


def resnet(
    inputs: int,
    outputs: int,
    parts: Parts,
    width: int,
    blocks: int,
    expansion: float,
    branches: int,
) -> Forward:
    """Declare the weights in `parts` and return the pass [M, B, inputs] -> [M, B, outputs]."""
    inner = max(1, round(width * expansion))
    # The first branch has the names it has alone, so it starts from the same weights.
    names = [
        [f"block{block}{second}" for second in ("", ".second")[:branches]]
        for block in range(blocks)
    ]
    parts.declare_linear("stem", inputs, width, first=True)
    for name in (name for block in names for name in block):
        parts.declare_norm(f"{name}.norm", width)
        parts.declare_linear(f"{name}.up", width, inner)
        parts.declare_linear(f"{name}.down", inner, width)
    parts.declare_norm("head.norm", width)
    parts.declare_head(width, outputs)

    def branch(h: Tensor, run: Run, name: str, block: int) -> Tensor:
        stream = name.removeprefix("block")
        normed = run.norm(h, f"{name}.norm")
        u = run.hidden(normed, f"{name}.up", stream, block, dropped=f"{stream}.inner")
        return run.dropout(run.linear(u, f"{name}.down"), stream, block)

    def forward(x: Tensor, run: Run) -> Tensor:
        h = run.linear(x, "stem")
        for block, own in enumerate(names):
            added = [branch(h, run, name, block) for name in own]
            h = h + run.branch(added, block, blocks)
        return run.head(run.activation(run.norm(h, "head.norm"), "head"))

    return forward
