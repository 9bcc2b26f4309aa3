"""What a recipe costs beside another: work of a step, and memory while it is trained.

    work = (S + 6 B products + A B activations + W weights) * (1, or R without a compiled trainer)

products: entries of all weight matrices, each used in a product forward and two backward; B rows.
S: what a step of nothing costs. A, W: passes over memory, counted as operations. R: what the
readable step takes in times of the compiled. All are of the machine of docs/log.md; seconds come
from timing one recipe, and what readable steps take beside compiled ones from the trainings that a
study has done (`Costs`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from shrinkage import kernels
from shrinkage.nets.layout import Entry
from shrinkage.nets.network import Network
from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import network_of
from shrinkage.population.compiled import knows
from shrinkage.recipe import Recipe

S, A, W, R = 2e6, 100.0, 40.0, 1.6

_COPIES, _PASSES = 6, 12
"""Buffers of a member as large as its weights (gradients, two of Adam, averages, the best), and as
large as what goes into its layers where no kernel trains it."""


@lru_cache(maxsize=4096)
def work(recipe: Recipe, shape: TableShape) -> float:
    """Of one step of one member, in operations."""
    network, rows = network_of(recipe, shape), recipe.batch_size
    matrices = _matrices(network)
    products = sum(entry.size for entry in matrices)
    activations = sum(entry.shape[1] for entry in matrices[:-1])
    found = operations(rows, products, activations, network.weights.size)
    return found * (1.0 if knows(recipe) or not kernels.available() else R)


def operations(rows: int, products: int, activations: int, weights: int) -> float:
    """Of one step of one perceptron; rows: of a batch. See above."""
    return S + 6.0 * rows * products + A * rows * activations + W * weights


def of_training(recipe: Recipe, shape: TableShape) -> float:
    """Of one member's whole training, in operations a row of the table."""
    return work(recipe, shape) * recipe.epochs / recipe.batch_size


@dataclass
class Costs:
    """`of_training`, corrected by what trainings took here.

        cost = of_training * exp(d) without a compiled trainer,   d = n / (n + 1) (mean_r - mean_c)

    mean_r, mean_c: of log(seconds / of_training) of the trainings done without it and with it; n:
    how many there are of the fewer. With none of either, d is 0: what R says.

    level: of log(seconds / cost), half of it the last cohort's, as the machine's pace changes:
    others work on it, or its kernels were just compiled. None before the first.
    """

    shape: TableShape
    logs: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    level: float | None = None

    def learn(self, recipes: Sequence[Recipe], part: float, seconds: float) -> None:
        """A part of the training of some recipes together took so many seconds in all.

        Each has its share by what it was believed to cost. They are all trained with the compiled
        trainer, or all without: where it does not know one of them, it takes none.
        """
        if part > 0 and seconds > 0:
            ratio = seconds / part / sum(of_training(recipe, self.shape) for recipe in recipes)
            self.logs[all(map(knows, recipes))] += [math.log(ratio)] * len(recipes)
            found = math.log(seconds / part / sum(map(self.of, recipes)))
            self.level = found if self.level is None else (self.level + found) / 2

    def seconds(self, recipe: Recipe) -> float | None:
        """Of a recipe's whole training, as the last ones went; None before the first."""
        return None if self.level is None else math.exp(self.level) * self.of(recipe)

    def of(self, recipe: Recipe) -> float:
        """Of a recipe's whole training, in any one unit."""
        found = of_training(recipe, self.shape)
        with_it, without = self.logs[True], self.logs[False]
        fewer = min(len(with_it), len(without))
        if knows(recipe) or not fewer:
            return found
        apart = sum(without) / len(without) - sum(with_it) / len(with_it)
        return found * math.exp(apart * fewer / (fewer + 1))


def bytes_held(recipe: Recipe, shape: TableShape) -> int:
    """Bytes that a member needs while it is trained, as if no kernel did it."""
    network = network_of(recipe, shape)
    waves = sum(e.size for e in network.weights.entries if e.name == "numbers.frequency")
    values = waves + sum(entry.shape[0] for entry in _matrices(network))
    return 4 * (_COPIES * network.weights.size + _PASSES * recipe.batch_size * values)


def _matrices(network: Network) -> list[Entry]:
    return [e for e in network.weights.entries if e.role == "weight" and len(e.shape) == 2]
