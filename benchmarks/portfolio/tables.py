"""The data sets that a portfolio is learned on: tables of a folder, and made-up ones.

A made-up table is a pure function of its `Made`: columns are normal, some of them skewed or
copies of others with noise, some say nothing of the target; categories have an effect a level;
cells may be missing. The target is a function of the columns that matter (`FORMS`) with noise:
that number, or which of several such functions is largest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from shrinkage.data.schema import infer
from shrinkage.data.source import Table, read
from shrinkage.data.split import test_split

MOST_ROWS = 1500
"""Of each table, outside its test part."""

Form = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Made:
    """What one made-up table is like.

    rows: to look at. numbers: columns that matter; idle: that do not. categories: columns of text.
    classes: 0 asks for a number. noise: deviation beside that of the function, 1. missing: share
    of cells. skewed: every second column is the exponential of a normal one.
    """

    name: str
    form: str
    rows: int
    numbers: int
    idle: int = 0
    categories: int = 0
    classes: int = 2
    noise: float = 0.3
    missing: float = 0.0
    skewed: bool = False


def linear(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return x @ rng.normal(size=x.shape[1])


def additive(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A wave of its own for each column."""
    pace, phase = rng.uniform(0.5, 2.5, x.shape[1]), rng.uniform(0, 2 * np.pi, x.shape[1])
    return np.sin(x * pace + phase) @ rng.normal(size=x.shape[1])


def interactions(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Products of pairs of columns."""
    pairs = rng.integers(0, x.shape[1], (x.shape[1], 2))
    return (x[:, pairs[:, 0]] * x[:, pairs[:, 1]]) @ rng.normal(size=len(pairs))


def boxes(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Steps: each box asks three columns on which side of a threshold they are."""
    total = np.zeros(len(x))
    for _ in range(12):
        columns = rng.integers(0, x.shape[1], 3)
        side = rng.choice([-1, 1], 3) * (x[:, columns] - rng.normal(size=3)) > 0
        total += rng.normal() * side.all(1)
    return total


def network(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random perceptron with one hidden layer of 16."""
    hidden = np.tanh(x @ rng.normal(size=(x.shape[1], 16)) + rng.normal(size=16))
    return hidden @ rng.normal(size=16)


FORMS: dict[str, Form] = {f.__name__: f for f in (linear, additive, interactions, boxes, network)}

MADE = (
    Made("made_linear_few", "linear", 300, 6, 14, noise=0.6),
    Made("made_boxes", "boxes", 1500, 10, classes=3, noise=0.15),
    Made("made_waves", "additive", 1200, 8, classes=0, noise=0.3),
    Made("made_pairs", "interactions", 1500, 6, 4, noise=0.2),
    Made("made_network", "network", 1500, 12, classes=5, noise=0.1),
    Made("made_text", "boxes", 1000, 3, categories=5, noise=0.4),
    Made("made_noise", "linear", 1000, 10, 10, classes=0, noise=2.0),
    Made("made_gaps", "network", 1200, 10, categories=2, noise=0.3, missing=0.15),
    Made("made_wide", "additive", 600, 10, 50, noise=0.5),
    Made("made_skewed", "interactions", 1500, 8, classes=0, noise=0.2, skewed=True),
    Made("made_clean", "boxes", 1500, 6, noise=0.0),
    Made("made_small", "network", 250, 5, categories=1, classes=3, noise=0.3),
)


def made(asked: Made) -> Table:
    """The table; a pure function of what is asked."""
    rng = np.random.default_rng([len(asked.name), asked.rows, asked.numbers, *asked.name.encode()])
    x = rng.normal(size=(asked.rows, asked.numbers))
    x[:, 1::3] = 0.8 * x[:, : x[:, 1::3].shape[1]] + 0.6 * x[:, 1::3]  # columns that go together
    levels = rng.integers(0, rng.integers(3, 12, asked.categories), (asked.rows, asked.categories))
    effect = rng.normal(size=(12, asked.categories))
    seen = np.hstack([x, effect[levels, np.arange(asked.categories)]])

    def latent() -> np.ndarray:
        value = FORMS[asked.form](seen, rng)
        return (value - value.mean()) / value.std() + asked.noise * rng.normal(size=asked.rows)

    shown = np.hstack([x, rng.normal(size=(asked.rows, asked.idle))])
    if asked.skewed:
        shown[:, ::2] = np.exp(1.5 * shown[:, ::2])
    shown[rng.random(shown.shape) < asked.missing] = np.nan
    frame = pd.DataFrame(shown, columns=[f"x{i}" for i in range(shown.shape[1])])
    for i in range(asked.categories):
        frame[f"c{i}"] = [f"level {level}" for level in levels[:, i]]
    if asked.classes == 0:
        frame["target"] = latent()
    elif asked.classes == 2:
        frame["target"] = np.where(latent() > 0, "yes", "no")
    else:
        values = np.stack([latent() for _ in range(asked.classes)], 1)
        frame["target"] = [f"class {best}" for best in values.argmax(1)]
    return Table(frame, asked.name)


def outside_test(table: Table, most: int) -> Table:
    """At most `most` of the rows outside the test part, the same ones always."""
    schema, frame = infer(table, "target")
    train, _ = test_split(frame["target"].to_numpy(), schema.task, 0.2, 0)
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:most])
    return Table(frame.iloc[chosen].reset_index(drop=True), table.name)


def tables(folder: Path) -> dict[str, Callable[[], Table]]:
    """Every data set by name, the folder's first, read when it is asked for."""

    def real(name: str, path: Path) -> Callable[[], Table]:
        return lambda: outside_test(Table(read(str(path)).frame, name), MOST_ROWS)

    paths = {path.name.split(".")[0]: path for path in sorted(folder.glob("*.csv*"))}
    found = {name: real(name, path) for name, path in paths.items()}
    return found | {asked.name: partial(made, asked) for asked in MADE}


def is_made(name: str) -> bool:
    return name.startswith("made_")
