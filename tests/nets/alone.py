"""One member's network written out with torch.nn.functional, to compare populations with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from population.samples import CARDINALITIES
from shrinkage.catalog import entry_of
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe

Weights = dict[str, Tensor]


def numbers_of(recipe: Recipe) -> dict[str, dict[str, Any]]:
    return {entry_of(i).name: asdict(i) for i in recipe.ingredients}


class TwoWays(torch.autograd.Function):
    """x times one factor forward, and times another backward."""

    @staticmethod
    def forward(ctx, x: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
        ctx.save_for_backward(backward)
        return x * forward

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad * ctx.saved_tensors[0], None, None


@dataclass
class Alone:
    """weights, statistics: by name. numbers: the member's recipe, by ingredient and field.

    draws: of the member's one seed in training, else None. activation, norm: by name of torch's
    function, and of a method below.
    """

    weights: Weights
    statistics: Weights
    numbers: dict[str, dict[str, Any]]
    draws: Draws | None
    activation: Callable[[Tensor], Tensor]
    norm: str

    def number(self, ingredient: str, field: str, otherwise: float = 0.0) -> float:
        """A number of noise: what it is without the ingredient at inference, too."""
        present = self.numbers.get(ingredient) if self.draws is not None else None
        return otherwise if present is None else present[field]

    def uniform(self, stream: str, *shape: int) -> Tensor:
        if self.draws is None:
            return torch.full(shape, 0.5, dtype=torch.float64)
        return self.draws.uniform(stream, shape)[0].double()

    def kept(self, x: Tensor, rate: float, stream: str) -> Tensor:
        return x * (self.uniform(stream, *x.shape) >= rate).double() / (1 - rate)

    def dropout(self, x: Tensor, stream: str, layer: int) -> Tensor:
        field = f"layer{min(layer + 1, 4)}" if layer >= 0 else "input"
        rate = self.number("layer_dropout", field)
        if layer >= 0:
            rate = self.number("dropout", "rate", rate)
        return self.kept(x, rate, f"dropout.{stream}")

    def linear(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if name != "head":
            weight = self.kept(weight, self.number("drop_connect", "rate"), f"drop_connect.{name}")
        return functional.linear(x, weight.T, bias)

    def activated(self, x: Tensor, stream: str) -> Tensor:
        y, std = self.activation(x), self.number("activation_noise", "std")
        if self.draws is None:
            return y
        return y + std * self.draws.normal(f"activation_noise.{stream}", tuple(x.shape))[0].double()

    def none(self, x: Tensor, name: str) -> Tensor:
        return x

    def layer_norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        return functional.layer_norm(x, (len(scale),), scale, shift)

    def group_norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        return functional.group_norm(x, 3, scale, shift)

    def instance_norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        channels = x.unflatten(1, (-1, 3))
        return functional.instance_norm(channels, weight=scale, bias=shift).flatten(1)

    def batch_norm(self, x: Tensor, name: str) -> Tensor:
        return functional.batch_norm(
            x,
            self.statistics[f"{name}.mean"].clone(),
            self.statistics[f"{name}.variance"].clone(),
            self.weights[f"{name}.scale"],
            self.weights[f"{name}.shift"],
            training=self.draws is not None,
        )

    def normed(self, x: Tensor, name: str) -> Tensor:
        return getattr(self, self.norm)(x, name)

    def mlp(self, x: Tensor) -> Tensor:
        x = self.dropout(x, "input", -1)
        for layer in (0, 1):
            x = self.normed(self.linear(x, f"layer{layer}"), f"layer{layer}.norm")
            x = self.dropout(self.activated(x, str(layer)), str(layer), layer)
        return self.linear(x, "head")

    def resnet(self, x: Tensor) -> Tensor:
        h = self.linear(self.dropout(x, "input", -1), "stem")
        for block in (0, 1):
            first = self.branch(h, f"{block}", block)
            if f"block{block}.second.up.bias" not in self.weights:
                h = h + self.dropped(first, block)
                continue
            second = self.branch(h, f"{block}.second", block)
            strength = self.number("shake_shake", "strength")
            u = self.uniform(f"shake_shake.{block}", 2, len(x), 1)
            alpha, beta = 0.5 + strength * (u - 0.5)
            mixed = TwoWays.apply(first, alpha, beta) + TwoWays.apply(second, 1 - alpha, 1 - beta)
            h = h + self.dropped(mixed, block)
        return self.linear(self.activated(self.normed(h, "head.norm"), "head"), "head")

    def branch(self, h: Tensor, name: str, block: int) -> Tensor:
        u = self.linear(self.normed(h, f"block{name}.norm"), f"block{name}.up")
        u = self.dropout(self.activated(u, name), f"{name}.inner", block)
        return self.dropout(self.linear(u, f"block{name}.down"), name, block)

    def dropped(self, x: Tensor, block: int) -> Tensor:
        """Row by row: a branch of the first of two blocks has half the last one's rate."""
        depth, shake = self.number("stochastic_depth", "rate"), self.number("shake_drop", "rate")
        depth, shake = depth * (block + 1) / 2, shake * (block + 1) / 2
        left_out = self.uniform(f"stochastic_depth.{block}", len(x), 1)
        b, alpha, beta = self.uniform(f"shake_drop.{block}", 3, len(x), 1)
        factors: list[tuple[float, float]] = []
        for row in range(len(x)):
            stays = float(left_out[row] >= depth) / (1 - depth)
            coin, a = float(b[row] >= shake), 2 * float(alpha[row]) - 1
            forward = (coin + a - coin * a) / (1 - shake)
            backward = (coin + float(beta[row]) - coin * float(beta[row])) / (1 - shake)
            factors.append((stays * forward, stays * backward))
        forward, backward = torch.tensor(factors, dtype=x.dtype).T[..., None]
        return TwoWays.apply(x, forward, backward)

    def plain(self, x: Tensor) -> Tensor:
        return x

    def periodic(self, x: Tensor) -> Tensor:
        w = self.weights
        columns = []
        for j in range(x.shape[1]):
            turns = x[:, j, None] * w["numbers.frequency"][j] + w["numbers.phase"][j]
            wave = torch.cos(2 * torch.pi * turns)
            columns += [x[:, j, None], wave @ w["numbers.weight"][j] + w["numbers.bias"][j]]
        return torch.cat(columns, 1)

    def piecewise_linear(self, x: Tensor) -> Tensor:
        columns = []
        for j in range(x.shape[1]):
            edges = self.statistics["numbers.edges"][j]
            ramp = (x[:, j, None] - edges[:-1]) / (edges[1:] - edges[:-1])
            ramp = torch.cat(
                [ramp[:, :1].clamp(-1, 1), ramp[:, 1:-1].clamp(0, 1), ramp[:, -1:].clamp(0, 2)], 1
            )
            columns.append(
                ramp @ self.weights["numbers.weight"][j] + self.weights["numbers.bias"][j]
            )
        return torch.cat(columns, 1)

    def categories(self, codes: Tensor) -> Tensor:
        tables = self.weights["categories.table"].split(CARDINALITIES)
        return torch.cat([functional.embedding(codes[:, j], t) for j, t in enumerate(tables)], 1)
