"""Where each weight of a network lies in one flat buffer [M, P].

A layout is a list of named shapes. `views` gives layers their weights as views of the flat
buffer; what acts on all weights (optimizer, decay, norms, averages) works on [M, P] itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

Role = Literal["weight", "embedding", "bias", "norm", "statistic"]
DECAYED: tuple[Role, ...] = ("weight", "embedding")
"""The roles that penalties and decay act on; biases and norm parameters are left out."""


@dataclass(frozen=True)
class Entry:
    """One named array of a network.

    start: a number to fill with; or a standard deviation with `spread=True`: normal numbers of that
    deviation; or a size with `signs=True`: that size with random signs.
    fan: (fan_in, fan_out), by which the initialization scheme draws it in place of all this.
    outputs_first: a matrix laid out as torch.nn.Linear's, [out, in], where ours are [in, out].
    layer: what it is a part of; where it is "", the first part of its name: "block1" of
    "block1.norm.scale".
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    start: float = 0.0
    fan: tuple[int, int] | None = None
    spread: bool = False
    outputs_first: bool = False
    signs: bool = False
    layer: str = ""

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def unit_axes(self) -> tuple[int, ...]:
        """The axes along which the numbers of one unit lie; all of them for a bias or a norm."""
        axes = tuple(range(len(self.shape)))
        if self.role == "embedding":
            return axes[-1:]
        if self.role == "weight":
            return axes[1:] if self.outputs_first else axes[-2:-1]
        return axes


@dataclass(frozen=True)
class Layout:
    entries: tuple[Entry, ...]

    @cached_property
    def size(self) -> int:
        """P, the number of parameters of one network."""
        return sum(entry.size for entry in self.entries)

    @cached_property
    def offsets(self) -> dict[str, int]:
        offsets, position = {}, 0
        for entry in self.entries:
            offsets[entry.name] = position
            position += entry.size
        return offsets

    @cached_property
    def distances(self) -> tuple[int, ...]:
        """How many layers above each entry lead to the head, the last layer declared: its is 0."""
        layers = [entry.layer or entry.name.partition(".")[0] for entry in self.entries]
        order = list(dict.fromkeys(layers))
        return tuple(len(order) - 1 - order.index(layer) for layer in layers)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """flat: [M, P]. Each entry as a view [M, *shape]; writing to one writes to `flat`."""
        return {
            entry.name: flat[:, (at := self.offsets[entry.name]) : at + entry.size].view(
                len(flat), *entry.shape
            )
            for entry in self.entries
        }

    def flatten(self, arrays: dict[str, Tensor]) -> Tensor:
        """The inverse of `views`: arrays [M, *shape] by name to a new flat buffer [M, P]."""
        if not self.entries:
            return torch.empty(0)
        return torch.cat([arrays[entry.name].flatten(1) for entry in self.entries], dim=1)

    def mask(self, roles: tuple[Role, ...]) -> Tensor:
        """[P], 1 where the entry has one of these roles."""
        parts = [torch.full((entry.size,), float(entry.role in roles)) for entry in self.entries]
        return torch.cat(parts) if parts else torch.empty(0)
