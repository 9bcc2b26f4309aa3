"""The norms in one table: what a layer's norm declares, and how it acts.

A norm owns a scale and a shift; batch norm also a running mean and variance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from shrinkage.nets.batch_norm import batch_norm_infer, batch_norm_train
from shrinkage.nets.group_norm import group_norm, groups_within
from shrinkage.nets.instance_norm import channels_within, instance_norm
from shrinkage.nets.layer_norm import layer_norm
from shrinkage.nets.layout import Entry
from shrinkage.nets.network import Arrays

Numbers = Mapping[str, Any]
Act = Callable[..., tuple[Tensor, Arrays]]


@dataclass(frozen=True)
class Norm:
    """One kind of norm.

    act: (x, its arrays by name, its numbers while training or None) to the output and the
    statistics that changed. running: whether it keeps a mean and a variance.
    size: (width of the layer, structural numbers) to the size of each of its arrays.
    groups: the same to how many groups of a row's units it standardizes, 0 for units over rows.
    """

    act: Act
    running: bool = False
    size: Callable[..., int] = lambda width, **structure: width
    groups: Callable[..., int] = lambda width, **structure: 1

    def entries(self, name: str, width: int, structure: Numbers) -> tuple[list[Entry], list[Entry]]:
        """(weights, statistics) of one layer."""
        shape = (self.size(width, **structure),)
        weights = [
            Entry(f"{name}.scale", shape, "norm", start=1.0),
            Entry(f"{name}.shift", shape, "norm"),
        ]
        statistics = [
            Entry(f"{name}.mean", shape, "statistic"),
            Entry(f"{name}.variance", shape, "statistic", start=1.0),
        ]
        return weights, statistics if self.running else []


def _batch(x: Tensor, own: Arrays, numbers: Numbers | None) -> tuple[Tensor, Arrays]:
    if numbers is None:
        return batch_norm_infer(x, **own), {}
    y, mean, variance = batch_norm_train(x, **own, **numbers)
    return y, {"mean": mean, "variance": variance}


def _row(function: Callable[..., Tensor]) -> Act:
    """A norm of each row alone: it changes no statistics, and inference equals training."""

    def act(x: Tensor, own: Arrays, numbers: Numbers | None, **structure: Any):
        return function(x, **own, **structure), {}

    return act


NORMS: dict[str, Norm] = {
    "batch_norm": Norm(_batch, running=True, groups=lambda width: 0),
    "layer_norm": Norm(_row(layer_norm)),
    "group_norm": Norm(_row(group_norm), groups=lambda width, groups: groups_within(groups, width)),
    "instance_norm": Norm(
        _row(instance_norm),
        size=lambda width, positions: channels_within(positions, width),
        groups=lambda width, positions: channels_within(positions, width),
    ),
}
