"""The winner's networks looked at from inside: sizes of weights, and units that never speak.

size of an array = sqrt(mean w^2), over all its numbers and all networks
a unit of a ReLU layer is dead where max(0, z) = 0 on every row: no gradient reaches it
gradient of an array = sqrt(mean (d loss / d w)^2), of the mean loss of training rows at the weights
that were kept: cross-entropy, or squared error of the scaled target, without noise and penalties
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from shrinkage.nets.network import Network
from shrinkage.population.dataset import Fold, Sample
from shrinkage.recipe import Recipe

ROWS = 2000
"""So many training rows are shown to each network."""


FAR = 100.0
"""Gradients of two matrices that differ by this factor or more are worth a word."""


@dataclass(frozen=True)
class Layer:
    """One array of weights. count: numbers in it. size: root of their mean square.

    gradient: root of the mean square of the loss's gradient by them. matrix: or an embedding.
    """

    name: str
    count: int
    size: float
    largest: float
    gradient: float = float("nan")
    matrix: bool = True


@dataclass(frozen=True)
class Dead:
    """A hidden layer's units, over all networks looked at."""

    layer: int
    units: int
    dead: int


def layers(network: Network, weights: Tensor, gradient: Tensor | None = None) -> list[Layer]:
    """Matrices and embeddings, in the order of the network. weights, gradient: [M, P]."""
    views = network.weights.views(weights)
    slopes = None if gradient is None else network.weights.views(gradient)
    return [
        Layer(
            entry.name.removesuffix(".weight"),
            entry.size,
            float(views[entry.name].square().mean().sqrt()),
            float(views[entry.name].abs().max()),
            float(slopes[entry.name].square().mean().sqrt()) if slopes else float("nan"),
            entry.role == "weight",
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


def apart(found: Sequence[Layer]) -> tuple[Layer, Layer] | None:
    """The matrices with the least and the largest gradient, where they are FAR apart or more."""
    known = [layer for layer in found if layer.matrix and layer.gradient == layer.gradient]
    if len(known) < 2:
        return None
    least, largest = (pick(known, key=lambda layer: layer.gradient) for pick in (min, max))
    return (least, largest) if largest.gradient >= FAR * least.gradient > 0 else None


def gradients(
    network: Network, weights: Tensor, statistics: Tensor, folds: Sequence[Fold]
) -> Tensor:
    """The gradient [M, P] of each network's mean loss on up to `ROWS` rows that it learned from.

    weights: [M, P]; statistics: [M, Q]; folds: whose training rows each of the M networks had.
    Statistics of norms stand still, as they do where the network predicts.
    """
    found = []
    for member, fold in enumerate(folds):
        at = weights[member : member + 1].detach().clone().requires_grad_()
        own = network.statistics.views(statistics[member : member + 1])
        inputs = {name: values[None, :ROWS] for name, values in fold.train.inputs.items()}
        with torch.enable_grad():
            output, _ = network.apply(network.weights.views(at), own, _as(inputs, at), {}, None)
            output = output[0].reshape(output.shape[1], -1, output.shape[-1])  # [B, k, C]
            (slope,) = torch.autograd.grad(_loss(output, fold), at)
        found.append(slope)
    return torch.cat(found)


def _loss(output: Tensor, fold: Fold) -> Tensor:
    """output: [B, k, C] of k networks in one; the mean of their losses."""
    target = fold.train.target
    assert target is not None
    target = target[: len(output)]
    if target.is_floating_point():
        units = fold.units
        scaled = ((target.double() - units.center) / units.spread).to(output.dtype)
        return (output[..., 0] - scaled[:, None]).square().mean()
    repeated = target.long()[:, None].expand(output.shape[:2])
    return F.cross_entropy(output.flatten(0, 1), repeated.flatten())


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
