"""Small tables and cohorts that the tests share; all in float64, all from fixed seeds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.population.train import Training, advance

NUMBERS, CARDINALITIES = 4, (3, 5)


def table(task: str = "classification", rows: int = 60, folds: int = 2, seed: int = 0) -> Dataset:
    """Rows of four numbers and two categories; three uneven classes, or a number to predict."""
    rng = np.random.default_rng(seed)

    def sample(count: int) -> Sample:
        numbers = rng.normal(size=(count, NUMBERS))
        categories = np.stack([rng.integers(0, c, count) for c in CARDINALITIES], 1)
        signal = numbers[:, 0] * numbers[:, 1] + categories[:, 0] + 0.5 * rng.normal(size=count)
        target = np.digitize(signal, [0.5, 2.0]) if task == "classification" else 7 + 3 * signal
        inputs = {"numbers": torch.from_numpy(numbers), "categories": torch.from_numpy(categories)}
        return Sample(inputs, torch.from_numpy(target))

    parts = tuple(Fold(sample(rows), sample(25)) for _ in range(folds))
    return Dataset(parts, 3 if task == "classification" else 1, task, torch.float64)


def cohort_of(members: list[Member], dataset: Dataset) -> Cohort:
    shape = TableShape(NUMBERS, CARDINALITIES, dataset.outputs)
    return Cohort(tuple(members), dataset, lambda recipe: network_of(recipe, shape))


def fit_quality(predictions: Tensor, target: Tensor) -> Tensor:
    """Mean log probability of the class, or minus the mean squared error; one a member."""
    if predictions.dim() == 3:
        index = target.expand(len(predictions), -1)[..., None]
        return predictions.gather(2, index).clamp(min=1e-12).log().mean((1, 2))
    return -(predictions - target).square().mean(1)


def trained(cohort: Cohort, steps: int) -> Training:
    return advance(Training.begin(cohort), steps, fit_quality)


def stepped(cohort: Cohort, batch, steps: int):
    """The state after training on one batch again and again."""
    state = start(cohort)
    for _ in range(steps):
        state, _ = step(cohort, state, batch)
    return state
