"""Linear layer: x W + b.

Source: Goodfellow et al. 2016, "Deep Learning", section 6.1; equals torch.nn.Linear with
weight transposed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shrinkage.nets.layout import Entry
from shrinkage.nets.precision import product


def linear_entries(name: str, fan_in: int, fan_out: int) -> list[Entry]:
    return [
        Entry(f"{name}.weight", (fan_in, fan_out), "weight", fan=(fan_in, fan_out)),
        Entry(f"{name}.bias", (fan_out,), "bias"),
    ]


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x: [M, B, in]; weight: [M, in, out]; bias: [M, out]. Returns [M, B, out]."""
    if weight.dtype != x.dtype:
        return product(x, weight) + bias[:, None]
    return torch.baddbmm(bias[:, None], x, weight)
