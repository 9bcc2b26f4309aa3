"""What a population is trained and validated on: folds of rows, already numbers.

Each fold was prepared from its own training rows, so nothing leaks from its validation rows.
A target is class codes (int64 [n]) or a number to predict (float [n], in its own unit); a fold
knows the mean and deviation of its training numbers, and training sees (y - center) / spread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from shrinkage.batch import Batch, Inputs, one_hot


@dataclass(frozen=True)
class Sample:
    """inputs: arrays by name, each [n, ...]. target: [n], or None where it is unknown."""

    inputs: Inputs
    target: Tensor | None

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True)
class Units:
    """Mean, deviation (never 0) and range of a fold's training target, in its own unit."""

    center: float
    spread: float
    lowest: float
    highest: float


def units_of(target: Tensor) -> Units:
    """target: [n], of training rows."""
    y = target.double()
    spread = float(y.std(correction=0)) or 1.0
    return Units(float(y.mean()), spread, float(y.min()), float(y.max()))


@dataclass(frozen=True)
class Fold:
    """cells: by input, int64 [D]: of which cell of a row each of its columns tells; see
    `augment.cells`. Inputs that are not there have one cell an entry."""

    train: Sample
    validation: Sample
    cells: dict[str, Tensor] = field(default_factory=dict)

    @cached_property
    def units(self) -> Units:
        assert self.train.target is not None
        return units_of(self.train.target)


@dataclass(frozen=True)
class Dataset:
    """folds: one for a holdout, K for K-fold. outputs: C, the classes, or 1 for a number."""

    folds: tuple[Fold, ...]
    outputs: int
    task: str
    dtype: torch.dtype = torch.float32

    @cached_property
    def rows(self) -> int:
        """Training rows that every fold has; the length of an epoch."""
        return min(fold.train.rows for fold in self.folds)

    @cached_property
    def class_share(self) -> Tensor:
        """Share of each class among the training rows of each fold, [K, C]; ones in regression."""
        if self.task != "classification":
            return torch.ones(len(self.folds), 1, dtype=self.dtype)
        counts = [
            torch.bincount(fold.train.target, minlength=self.outputs)  # pyright: ignore
            for fold in self.folds
        ]
        shares = torch.stack(counts).to(self.dtype)
        return shares / shares.sum(1, keepdim=True)

    @cached_property
    def cells(self) -> tuple[int, dict[str, Tensor]]:
        """How many cells a row has, C, and by input those of each fold's columns, [K, D]."""
        named = self.folds[0].cells
        places = {name: torch.stack([fold.cells[name] for fold in self.folds]) for name in named}
        count = max((int(each.max()) + 1 for each in places.values() if each.numel()), default=0)
        return count, places

    @cached_property
    def stacked(self) -> tuple[Sample, Tensor]:
        """Training rows of all folds, one after the other, and where each fold starts."""
        folds = self.folds
        if len(folds) == 1:
            only = self._encoded(folds[0])
            return only, only.target.new_zeros(1, dtype=torch.int64)  # pyright: ignore
        parts = [self._encoded(fold) for fold in folds]
        inputs = {
            name: torch.cat([part.inputs[name] for part in parts]) for name in parts[0].inputs
        }
        target = torch.cat([part.target for part in parts])  # pyright: ignore
        starts = torch.tensor([0] + [part.rows for part in parts[:-1]]).cumsum(0)
        return Sample(inputs, target), starts.to(target.device)

    def _encoded(self, fold: Fold) -> Sample:
        target = fold.train.target
        assert target is not None
        if self.task != "classification":
            units = fold.units
            target = ((target.double() - units.center) / units.spread).to(self.dtype)
        return Sample(fold.train.inputs, target)

    def batch(self, folds: Tensor, positions: Tensor) -> Batch:
        """folds: [M], positions: [M, B] within each fold's training rows."""
        sample, starts = self.stacked
        device = positions.device
        index = positions + starts.to(device)[folds][:, None]
        target = gather(sample.target, index)  # pyright: ignore
        if self.task == "classification":
            target = one_hot(target, self.outputs, self.dtype)
        else:
            target = target[..., None]
        weight = torch.ones(index.shape, dtype=self.dtype, device=device)
        inputs = {name: self.cast(gather(x, index)) for name, x in sample.inputs.items()}
        return Batch(inputs, target, weight)

    def cast(self, x: Tensor) -> Tensor:
        return x.to(self.dtype) if x.is_floating_point() else x.long()


def gather(array: Tensor, index: Tensor) -> Tensor:
    """Rows of array [N, ...] at index [M, B]: [M, B, ...]."""
    return array.index_select(0, index.reshape(-1)).view(*index.shape, *array.shape[1:])
