"""The winner's networks looked at from inside: sizes of weights, and units that never speak.

size of an array = sqrt(mean w^2), over all its numbers and all networks
a unit of a ReLU layer is dead where max(0, z) = 0 on every row: no gradient reaches it
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from shrinkage.nets.network import Network
from shrinkage.population.dataset import Sample
from shrinkage.recipe import Recipe

ROWS = 2000
"""So many training rows are shown to each network."""


@dataclass(frozen=True)
class Layer:
    """One array of weights. count: numbers in it. size: root of their mean square."""

    name: str
    count: int
    size: float
    largest: float


@dataclass(frozen=True)
class Dead:
    """A hidden layer's units, over all networks looked at."""

    layer: int
    units: int
    dead: int


def layers(network: Network, weights: Tensor) -> list[Layer]:
    """Matrices and embeddings, in the order of the network. weights: [M, P]."""
    views = network.weights.views(weights)
    return [
        Layer(
            entry.name.removesuffix(".weight"),
            entry.size,
            float(views[entry.name].square().mean().sqrt()),
            float(views[entry.name].abs().max()),
        )
        for entry in network.weights.entries
        if entry.role in ("weight", "embedding") and entry.size
    ]


def dead_units(
    network: Network, recipe: Recipe, weights: Tensor, statistics: Tensor, samples: list[Sample]
) -> list[Dead] | None:
    """Dead units by layer; None for activations that have no zero to be stuck at.

    weights: [M, P]; statistics: [M, Q]; samples: the training rows of each of the M networks.
    """
    if type(recipe.get("activation")).__name__ != "Relu":
        return None
    totals: dict[int, list[int]] = {}
    for member, sample in enumerate(samples):
        views = network.weights.views(weights[member : member + 1])
        own = network.statistics.views(statistics[member : member + 1])
        inputs = {name: values[None, :ROWS] for name, values in sample.inputs.items()}
        with torch.no_grad(), _Heard() as heard:
            network.apply(views, own, _as(inputs, weights), {}, None)
        for layer, output in enumerate(heard.outputs):
            silent = (output == 0).flatten(0, -2).all(0)
            units, dead = totals.get(layer, (0, 0))
            totals[layer] = [units + len(silent), dead + int(silent.sum())]
    return [Dead(layer, units, dead) for layer, (units, dead) in totals.items()]


def _as(inputs: dict[str, Tensor], like: Tensor) -> dict[str, Tensor]:
    return {n: x.to(like.dtype) if x.is_floating_point() else x.long() for n, x in inputs.items()}


class _Heard(TorchFunctionMode):
    """Listens to a forward pass: keeps what every ReLU gives."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func is torch.relu:
            self.outputs.append(found)
        return found
