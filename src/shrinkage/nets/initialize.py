"""Initialization: how large the weights of a layer are before the first step.

A scheme gives the standard deviation of a weight from the layer's fan-in and fan-out; biases
start at zero. Numbers come from (seed, name of the array), so members with equal seeds start
from equal weights wherever their shapes match.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.nets.layout import Layout
from shrinkage.randomness import Draws

Scheme = Callable[[int, int], float]


@ingredient
class Kaiming:
    """Kaiming initialization: keeps the variance of activations through ReLU layers.

        w ~ N(0, 2 / fan_in)

    Source: He et al. 2015, "Delving Deep into Rectifiers", equation 10.
    Helps: ReLU and its relatives.
    Conflicts: too large for tanh and sigmoid; see xavier.
    """


@ingredient
class Xavier:
    """Xavier initialization: keeps variance forward and backward through linear layers.

        w ~ N(0, 2 / (fan_in + fan_out))

    Source: Glorot & Bengio 2010, equation 12.
    Helps: tanh and sigmoid.
    Conflicts: deep ReLU networks, whose activations it lets fade.
    """


@ingredient
class Normal:
    """Small normal numbers, whatever the layer's size.

        w ~ N(0, std^2)

    std: standard deviation of the weights.

    Source: the course's N(0, 0.01) reads as std 0.01; Krizhevsky et al. 2012 use it.
    Helps: shallow networks.
    Conflicts: deep networks: activations fade by a factor of std sqrt(fan_in) a layer.
    """

    std: Annotated[float, Member("(0, inf)", 0.003, 0.3, "log")] = 0.01


@ingredient
class Zeros:
    """All weights zero: a pitfall, kept to be seen.

        w = 0

    Source: the course's warning; Goodfellow et al. 2016, section 8.4, on breaking symmetry.
    Conflicts: every network with a hidden layer: all units of a layer stay equal, and with
    ReLU no gradient passes at all.
    """


def kaiming(fan_in: int, fan_out: int) -> float:
    return math.sqrt(2 / fan_in)


def xavier(fan_in: int, fan_out: int) -> float:
    return math.sqrt(2 / (fan_in + fan_out))


def normal(fan_in: int, fan_out: int, std: float) -> float:
    return std


def zeros(fan_in: int, fan_out: int) -> float:
    return 0.0


def initial_weights(layout: Layout, seed: int, scheme: Scheme) -> Tensor:
    """Weights [P] of one network."""
    draws = Draws((seed,))
    parts = []
    for entry in layout.entries:
        deviation = scheme(*entry.fan) if entry.fan else entry.start if entry.spread else None
        if entry.signs:
            heads = draws.uniform(f"start.{entry.name}", (entry.size,))[0] < 0.5
            parts.append(torch.where(heads, entry.start, -entry.start))
        elif deviation is None:
            parts.append(torch.full((entry.size,), entry.start))
        else:
            parts.append(draws.normal(f"start.{entry.name}", (entry.size,))[0] * deviation)
    return torch.cat(parts)
