"""The exchangeable parts of a network, as an architecture uses them.

Building: an architecture declares its arrays in `Parts`. Running: it asks a `Run`, made fresh
for each pass, for linear layers, norms, activations and dropout, and gets those that the recipe
chose. So an architecture names no ingredient, and an ingredient no architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from shrinkage.nets import fused
from shrinkage.nets.activation_noise import activation_noise
from shrinkage.nets.batch_ensemble import (
    batch_ensemble,
    own_entries,
    own_layer,
    shared_entries,
    spread,
)
from shrinkage.nets.drop_connect import drop_connect
from shrinkage.nets.dropout import dropout
from shrinkage.nets.layer_dropout import INPUT, rate_after
from shrinkage.nets.layout import Entry
from shrinkage.nets.linear import linear, linear_entries
from shrinkage.nets.network import Arrays, Hyper
from shrinkage.nets.norms import NORMS
from shrinkage.nets.shake_drop import shake_drop
from shrinkage.nets.shake_shake import mean_of_two, shake_shake
from shrinkage.nets.stochastic_depth import stochastic_depth
from shrinkage.randomness import Draws

Forward = Callable[[Tensor, "Run"], Tensor]


@dataclass
class Parts:
    """What the recipe chose, and the arrays declared so far.

    activation: a function of `nets.activation` with its numbers.
    norm: a name in NORMS, or None. structure: its structural numbers.
    k: networks that share weights, as a batch ensemble; None: one plain network.
    taper: units of a hidden layer over those of the one before it, in a perceptron.
    """

    activation: partial[Tensor]
    norm: str | None = None
    structure: Mapping[str, Any] = field(default_factory=dict)
    k: int | None = None
    taper: float = 1.0
    weights: list[Entry] = field(default_factory=list)
    statistics: list[Entry] = field(default_factory=list)

    def declare(self, weights: list[Entry], statistics: list[Entry] | None = None) -> None:
        self.weights += weights
        self.statistics += statistics or []

    def declare_linear(self, name: str, fan_in: int, fan_out: int, *, first: bool = False) -> None:
        """A layer before the last, for `Run.linear`. first: it is given the network's input."""
        if self.k is None:
            self.declare(linear_entries(name, fan_in, fan_out))
        else:
            self.declare(shared_entries(name, fan_in, fan_out, self.k, first))

    def declare_head(self, fan_in: int, outputs: int) -> None:
        """The last layer, for `Run.head`."""
        if self.k is None:
            self.declare(linear_entries("head", fan_in, outputs))
        else:
            self.declare(own_entries("head", fan_in, outputs, self.k))

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

    def enter(self, x: Tensor) -> Tensor:
        """What the first layer is given of the columns and their embeddings."""
        return self.dropout(x if self.parts.k is None else spread(x, self.parts.k), "input", INPUT)

    def linear(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        weight = self._noisy(drop_connect, name, weight)
        if self.parts.k is None:
            return linear(x, weight, bias)
        scalings = self.weights[f"{name}.scale_in"], self.weights[f"{name}.scale_out"]
        return batch_ensemble(x, weight, bias, *scalings)

    def head(self, x: Tensor) -> Tensor:
        """[M, B, C], or [M, B, k, C] of k networks."""
        last = linear if self.parts.k is None else own_layer
        return last(x, self.weights["head.weight"], self.weights["head.bias"])

    def activation(self, x: Tensor, stream: str) -> Tensor:
        return self._noisy(activation_noise, stream, self.parts.activation(x))

    def norm(self, x: Tensor, name: str) -> Tensor:
        if self.parts.norm is None:
            return x
        norm = NORMS[self.parts.norm]
        own = {key: self.weights[f"{name}.{key}"] for key in ("scale", "shift")}
        if norm.running:
            own |= {key: self.statistics[f"{name}.{key}"] for key in ("mean", "variance")}
        y, changed = norm.act(x, own, self.training(self.parts.norm), **self.parts.structure)
        self.changed |= {f"{name}.{key}": value for key, value in changed.items()}
        return y

    def dropout(self, x: Tensor, stream: str, layer: int) -> Tensor:
        """Drop units after a hidden layer, counted from 0, by whichever dropout a member has."""
        rate = self.dropout_rate(layer)
        if rate is None or self.draws is None:
            return x
        return dropout(x, rate, self.draws, f"dropout.{stream}")

    def dropout_rate(self, layer: int) -> Tensor | None:
        """Each member's rate of dropout after a layer [M]; None where there is none."""
        rates = []
        if layer != INPUT and (numbers := self.training("dropout")):
            rates.append(numbers["rate"])
        if numbers := self.training("layer_dropout"):
            rates.append(rate_after(layer, **numbers))
        # A member has one of the two, so one of its rates is 0: the sum is its rate.
        return torch.stack(rates).sum(0) if rates else None

    def hidden(
        self, x: Tensor, name: str, stream: str, layer: int, norm: str = "", dropped: str = ""
    ) -> Tensor:
        """A hidden layer, counted from 0: dropout(activation(norm(x W + b))).

        norm: the name of its norm; "": it has none. dropped: the stream of its dropout; "": stream.
        """
        dropped = dropped or stream
        if fused.possible(self, x):
            return fused.hidden(self, x, name, dropped, layer, norm)
        x = self.linear(x, name)
        x = self.norm(x, norm) if norm else x
        return self.dropout(self.activation(x, stream), dropped, layer)

    def branch(self, branches: list[Tensor], block: int, blocks: int) -> Tensor:
        """What a residual block, counted from 0, adds: its one branch, or the mix of its two."""
        stream, share = str(block), (block + 1) / blocks
        if len(branches) == 1:
            (x,) = branches
        elif self.training("shake_shake"):
            x = self._noisy(shake_shake, stream, *branches)
        else:
            x = mean_of_two(*branches)
        x = self._noisy(stochastic_depth, stream, x, share)
        return self._noisy(shake_drop, stream, x, share)

    def training(self, name: str) -> Mapping[str, Any] | None:
        """The numbers of an ingredient that acts in training only; None where it does not."""
        return None if self.draws is None else self.hyper.get(name)

    def _noisy(self, function: Callable[..., Tensor], stream: str, x: Tensor, *rest: Any) -> Tensor:
        """x as a noise ingredient, named as its function, changes it in training."""
        name = function.__name__
        numbers = self.training(name)
        if numbers is None:
            return x
        return function(x, *rest, **numbers, draws=self.draws, stream=f"{name}.{stream}")
