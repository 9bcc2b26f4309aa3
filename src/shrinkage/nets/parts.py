"""The exchangeable parts of a network, as an architecture uses them.

Building: an architecture declares its arrays in `Parts`. Running: it asks a `Run`, made fresh
for each pass, for linear layers, norms, activations and dropout, and gets those that the recipe
chose. So an architecture names no ingredient, and an ingredient no architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from shrinkage.nets.dropout import dropout
from shrinkage.nets.layout import Entry
from shrinkage.nets.linear import linear, linear_entries
from shrinkage.nets.network import Arrays, Hyper
from shrinkage.nets.norms import NORMS
from shrinkage.randomness import Draws

Forward = Callable[[Tensor, "Run"], Tensor]


@dataclass
class Parts:
    """What the recipe chose, and the arrays declared so far.

    norm: a name in NORMS, or None. structure: its structural numbers.
    """

    activation: Callable[[Tensor], Tensor]
    norm: str | None = None
    structure: Mapping[str, Any] = field(default_factory=dict)
    weights: list[Entry] = field(default_factory=list)
    statistics: list[Entry] = field(default_factory=list)

    def declare(self, weights: list[Entry], statistics: list[Entry] | None = None) -> None:
        self.weights += weights
        self.statistics += statistics or []

    def declare_linear(self, name: str, fan_in: int, fan_out: int) -> None:
        self.declare(linear_entries(name, fan_in, fan_out))

    def declare_head(self, fan_in: int, outputs: int) -> None:
        """The last layer, `Run.head`."""
        self.declare(linear_entries("head", fan_in, outputs))

    def declare_norm(self, name: str, width: int) -> None:
        if self.norm is not None:
            self.declare(*NORMS[self.norm].entries(name, width, self.structure))


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

    def linear(self, x: Tensor, name: str) -> Tensor:
        return linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def head(self, x: Tensor) -> Tensor:
        return linear(x, self.weights["head.weight"], self.weights["head.bias"])

    def activation(self, x: Tensor) -> Tensor:
        return self.parts.activation(x)

    def norm(self, x: Tensor, name: str) -> Tensor:
        if self.parts.norm is None:
            return x
        norm = NORMS[self.parts.norm]
        own = {key: self.weights[f"{name}.{key}"] for key in ("scale", "shift")}
        if norm.running:
            own |= {key: self.statistics[f"{name}.{key}"] for key in ("mean", "variance")}
        numbers = None if self.draws is None else self.hyper[self.parts.norm]
        y, changed = norm.act(x, own, numbers, **self.parts.structure)
        self.changed |= {f"{name}.{key}": value for key, value in changed.items()}
        return y

    def dropout(self, x: Tensor, stream: str) -> Tensor:
        if self.draws is None or "dropout" not in self.hyper:
            return x
        return dropout(x, self.hyper["dropout"]["rate"], self.draws, f"dropout.{stream}")
