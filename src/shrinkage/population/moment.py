"""What one training step offers to the ingredients that act in it.

An ingredient is called with its own numbers and with what its catalog entry says it `needs`,
by these names:

| name | meaning | shape |
|---|---|---|
| draws | the step's randomness | |
| cells | of which cell of a row each input column tells | |
| step, total | this step, from 0, and all steps of the training; `slots.Step` | |
| weights | before the step | [M, P] |
| mask | 1 where penalties and decay act | [P] |
| layout | where each weight lies in the flat buffer | |
| rate | learning rate now, schedule and plateaus included | [M] |
| factor | share of the full rate that schedule and plateaus leave now | [M] |
| input_gradient | a function: batch to the gradient of its loss by each numeric input | |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from shrinkage.augment.cells import Cells
from shrinkage.batch import Batch, Inputs
from shrinkage.catalog import Entry
from shrinkage.nets.layout import Layout
from shrinkage.population.cohort import Cohort
from shrinkage.randomness import Draws
from shrinkage.slots import Slots, Step


@dataclass(frozen=True)
class Moment:
    cohort: Cohort
    weights: Tensor
    step: Step
    slots: dict[str, Slots]
    input_gradient: Callable[[Batch], Inputs]

    @cached_property
    def draws(self) -> Draws:
        return Draws(self.cohort.seeds, self.step, self.cohort.device)

    @property
    def cells(self) -> Cells:
        return self.cohort.cells

    @property
    def total(self) -> int:
        return self.cohort.total_steps

    @property
    def mask(self) -> Tensor:
        return self.cohort.decayed

    @property
    def layout(self) -> Layout:
        return self.cohort.network.weights

    @property
    def rate(self) -> Tensor:
        return self._lowered(self._now(self.cohort.rates))

    @property
    def factor(self) -> Tensor:
        return self._lowered(self._now(self.cohort.factors))

    def _now(self, table: Tensor) -> Tensor:
        """What a table [T, M] says of this step, [M]."""
        if isinstance(self.step, Tensor):  # an index without axes would be read by the CPU
            return table[self.step.long()[None]][0]
        return table[self.step]

    def _lowered(self, numbers: Tensor) -> Tensor:
        """Times the share of the rate that plateaus have left, [M]."""
        for entry, _ in self.cohort.active("update", "plateau"):
            numbers = numbers * self.slots[entry.name]["share"]
        return numbers

    def call(self, entry: Entry, *arguments: Any, **numbers: Any) -> Any:
        """The ingredient's function with its numbers and all that it needs."""
        wanted = {name: getattr(self, name) for name in entry.needs}
        return entry.apply(*arguments, **wanted, **numbers)
