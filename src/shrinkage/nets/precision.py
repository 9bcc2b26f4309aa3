"""Matrix products of wide layers in bfloat16, all else in float32.

    z = float32(bf16(x) bf16(W)) + b        weights, gradients' sums and updates stay float32

A product sums in float32; what is rounded, to 8 bits, are its factors and its result. Only
matrices at least `WIDE` wide on both sides, and only while a network trains: it predicts in full.

Source: Kalamkar et al. 2019, "A Study of BFLOAT16 for Deep Learning Training".
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from shrinkage.batch import Inputs
from shrinkage.nets.layout import Entry
from shrinkage.nets.network import Arrays, Hyper, Network
from shrinkage.randomness import Draws

WIDE = 384
"""Below it the compiled float32 step is faster, where there is one: see docs/speed.md."""

_ROWS, _TURNS, _WORTH = 128, 5, 1.5


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x W in the precision of W, given back in that of x; [M, B, in] and [M, in, out]."""
    if weight.dtype == x.dtype:
        return torch.bmm(x, weight)
    return torch.bmm(x.to(weight.dtype), weight).to(x.dtype)


def wide(network: Network) -> list[Entry]:
    """The matrices that gain."""
    entries = network.weights.entries
    return [e for e in entries if e.role == "weight" and len(e.shape) == 2 and min(e.shape) >= WIDE]


def lowered(network: Network, precision: str) -> Network:
    """The network whose wide products are in bfloat16, where that is asked for."""
    names = [entry.name for entry in wide(network)]
    if precision != "bfloat16" or not names:
        return network

    def apply(
        weights: Arrays, statistics: Arrays, inputs: Inputs, hyper: Hyper, draws: Draws | None
    ) -> tuple[Tensor, Arrays]:
        if draws is not None:
            weights = weights | {name: weights[name].bfloat16() for name in names}
        return network.apply(weights, statistics, inputs, hyper, draws)

    return replace(network, apply=apply, lowered=True)


@cache
def gains() -> bool:
    """Whether this machine multiplies in bfloat16 faster than in float32, as measured now."""
    factors = torch.ones(1, _ROWS, WIDE), torch.ones(1, WIDE, WIDE)
    taken = {}
    for dtype in (torch.float32, torch.bfloat16):
        x, y = (factor.to(dtype) for factor in factors)
        times = []
        for _ in range(_TURNS):
            began = time.perf_counter()
            torch.bmm(x, y)
            times.append(time.perf_counter() - began)
        taken[dtype] = min(times)
    return taken[torch.float32] > _WORTH * taken[torch.bfloat16]
