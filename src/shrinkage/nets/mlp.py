"""Multilayer perceptron.

    h_0 = x,    h_l = dropout(activation(norm(h_{l-1} W_l + b_l))),    z = h_L W + b

Source: Goodfellow et al. 2016, "Deep Learning", chapter 6.

Helps: the default for tables.
Conflicts: beyond a few layers it trains worse than a residual network.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Structural, ingredient
from shrinkage.nets.parts import Forward, Parts, Run
from shrinkage.nets.taper import taper


@ingredient
class Mlp:
    """width: units of each hidden layer, of the first where they taper. depth: hidden layers."""

    width: Annotated[int, Structural("[1, 65536]", 32, 512, "log", unit="units")] = 128
    depth: Annotated[int, Structural("[0, 64]", 1, 4, unit="layers")] = 2


def mlp(inputs: int, outputs: int, parts: Parts, width: int, depth: int) -> Forward:
    """Declare the weights in `parts` and return the pass [M, B, inputs] -> [M, B, outputs]."""
    widths = [inputs, *taper(width, depth, parts.taper)]
    for layer, (fan_in, units) in enumerate(pairwise(widths)):
        parts.declare_linear(f"layer{layer}", fan_in, units, first=layer == 0)
        parts.declare_norm(f"layer{layer}.norm", units)
    parts.declare_head(widths[-1], outputs)

    def forward(x: Tensor, run: Run) -> Tensor:
        for layer in range(depth):
            x = run.hidden(x, f"layer{layer}", str(layer), layer, norm=f"layer{layer}.norm")
        return run.head(x)

    return forward
