"""The exchangeable parts of a network (norm, activation, dropout), as an architecture uses them.

Building: an architecture declares its arrays in `Parts`. Running: it asks a `Run`, made fresh
for each pass, for its weights and for the norm, activation and dropout that the recipe chose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from shrinkage.nets.batch_norm import batch_norm_entries, batch_norm_infer, batch_norm_train
from shrinkage.nets.dropout import dropout
from shrinkage.nets.layer_norm import layer_norm, layer_norm_entries
from shrinkage.nets.layout import Entry
from shrinkage.nets.network import Arrays, Hyper
from shrinkage.randomness import Draws

Forward = Callable[[Tensor, "Run"], Tensor]


@dataclass
class Parts:
    """What the recipe chose, and the arrays declared so far.

    norm: "batch_norm", "layer_norm" or None.
    """

    norm: str | None
    activation: Callable[[Tensor], Tensor]
    weights: list[Entry] = field(default_factory=list)
    statistics: list[Entry] = field(default_factory=list)

    def declare(self, weights: list[Entry], statistics: list[Entry] | None = None) -> None:
        self.weights += weights
        self.statistics += statistics or []

    def declare_norm(self, name: str, width: int) -> None:
        if self.norm == "batch_norm":
            self.declare(*batch_norm_entries(name, width))
        elif self.norm == "layer_norm":
            self.declare(layer_norm_entries(name, width))


@dataclass
class Run:
    """One forward pass: weights and statistics by name, and the draws of the step if training."""

    parts: Parts
    weights: Arrays
    statistics: Arrays
    hyper: Hyper
    draws: Draws | None
    changed: Arrays = field(default_factory=dict)

    def weight(self, name: str) -> Tensor:
        return self.weights[name]

    def activation(self, x: Tensor) -> Tensor:
        return self.parts.activation(x)

    def norm(self, x: Tensor, name: str) -> Tensor:
        if self.parts.norm is None:
            return x
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        if self.parts.norm == "layer_norm":
            return layer_norm(x, scale, shift)
        mean, variance = self.statistics[f"{name}.mean"], self.statistics[f"{name}.variance"]
        if self.draws is None:
            return batch_norm_infer(x, scale, shift, mean, variance)
        momentum = self.hyper["batch_norm"]["momentum"]
        y, mean, variance = batch_norm_train(x, scale, shift, mean, variance, momentum)
        self.changed[f"{name}.mean"], self.changed[f"{name}.variance"] = mean, variance
        return y

    def dropout(self, x: Tensor, stream: str) -> Tensor:
        if self.draws is None or "dropout" not in self.hyper:
            return x
        return dropout(x, self.hyper["dropout"]["rate"], self.draws, stream)
