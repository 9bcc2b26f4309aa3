"""A case: one ingredient, the recipe around it, and settings drawn from its search ranges.

Everything is small and in float64: 60 rows of four numbers and two categories, three uneven
classes or a number to predict, a network of two narrow layers with smooth activations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shrinkage.catalog import Entry, entry_of
from shrinkage.dimension import Range
from shrinkage.ingredient import Member as MemberNumber
from shrinkage.ingredient import fields_of
from shrinkage.nets.activation import Tanh
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

NUMBERS, CARDINALITIES = 4, (3, 5)
ROWS, STEPS = Minibatch(batch_size=16, epochs=6), 20
SURROUNDINGS = (ROWS, Mlp(width=8, depth=2), Embedding(dim=2), Tanh(), Adam(lr=0.01))


@dataclass(frozen=True)
class Case:
    """kind: the ingredient's class. fixed: fields that are not drawn, with their values.

    ranges: (low, high) where the search range is too wide for a comparison of 100 steps.
    beside: ingredients without which it cannot act. task: what it is tried on.
    twin: an independent implementation to compare with; see `shrinkage.testing.parity`.
    exact_gradient: False where the backward pass differs from the forward pass on purpose.
    """

    kind: type
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    beside: tuple[Any, ...] = ()
    task: str = "classification"
    twin: Callable[..., Any] | None = None
    exact_gradient: bool = True

    def __str__(self) -> str:
        extra = ",".join(f"{name}={value}" for name, value in self.fixed.items())
        return self.entry.name + (f"[{extra}]" if extra else "")

    @property
    def entry(self) -> Entry:
        return entry_of(self.kind(**self.fixed))

    @property
    def base(self) -> Recipe:
        """The recipe around the ingredient."""
        return Recipe(*SURROUNDINGS).using(*self.beside)

    def settings(self, count: int, seed: int = 0) -> list[Any]:
        """Different instances: per-member numbers spread over their search ranges."""
        rng = np.random.default_rng(seed)
        return [self.kind(**self._drawn(rng)) for _ in range(count)]

    def _drawn(self, rng: np.random.Generator) -> dict[str, Any]:
        values = {}
        for each in fields_of(self.kind):
            number = each.number
            if isinstance(number, MemberNumber):
                low, high = self.ranges.get(each.name, (number.low, number.high))
                whole = isinstance(each.default, int)
                values[each.name] = Range(low, high, number.scale, whole).decode(rng.random())
        return values | dict(self.fixed)

    def recipes(self, count: int, seed: int = 0) -> list[Recipe]:
        return [
            self.base.using(instance).for_task(self.task) for instance in self.settings(count, seed)
        ]


def small_table(
    task: str = "classification",
    rows: int = 60,
    folds: int = 2,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Dataset:
    """Rows of four numbers and two categories; three uneven classes, or a number to predict.

    The second category is said to tell of the first number's cell, as if it were read twice.
    """
    rng = np.random.default_rng(seed)

    def sample(count: int) -> Sample:
        numbers = rng.normal(size=(count, NUMBERS))
        categories = np.stack([rng.integers(0, c, count) for c in CARDINALITIES], 1)
        signal = numbers[:, 0] * numbers[:, 1] + categories[:, 0] + 0.5 * rng.normal(size=count)
        target = np.digitize(signal, [0.5, 2.0]) if task == "classification" else 7 + 3 * signal
        inputs = {"numbers": torch.from_numpy(numbers), "categories": torch.from_numpy(categories)}
        return Sample(inputs, torch.from_numpy(target))

    cells = {"numbers": torch.arange(NUMBERS), "categories": torch.tensor([NUMBERS, 0])}
    parts = tuple(Fold(sample(rows), sample(25), cells) for _ in range(folds))
    return Dataset(parts, 3 if task == "classification" else 1, task, dtype)


def cohort_of(members: list[Member], dataset: Dataset) -> Cohort:
    """Members on a table of `small_table`."""
    shape = TableShape(NUMBERS, CARDINALITIES, dataset.outputs)
    return Cohort(tuple(members), dataset, lambda recipe: network_of(recipe, shape))


def fit_quality(predictions: Tensor, target: Tensor) -> Tensor:
    """Mean log probability of the class, or minus the mean squared error; one a member."""
    if predictions.dim() == 3:
        index = target.expand(len(predictions), -1)[..., None]
        return predictions.gather(2, index).clamp(min=1e-12).log().mean((1, 2))
    return -(predictions - target).square().mean(1)


def trained(cohort: Cohort, steps: int = STEPS) -> Training:
    return advance(Training.begin(cohort), steps, fit_quality)


def ended(training: Training) -> Tensor:
    """Weights and statistics of all members as they would predict, [M, P + Q].

    Of a member that predicts with several networks, which may be of any number: their mean.
    """
    outcomes = [training.outcome(i) for i in range(len(training.cohort.members))]
    return torch.stack([torch.cat([o.weights, o.statistics], 1).mean(0) for o in outcomes])
