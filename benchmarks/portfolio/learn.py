"""Learn a portfolio: which recipes, tried one cohort after the other, cover many data sets.

    python benchmarks/portfolio/learn.py score FOLDER cells.jsonl [--seeds 0 1] [--epochs 100]
    python benchmarks/portfolio/learn.py judge FOLDER cells.jsonl
    python benchmarks/portfolio/learn.py write FOLDER cells.jsonl src/shrinkage/presets/portfolio
                                               [--without TABLE]

score trains every candidate on every data set (`tables`, `candidates`, `score`) and appends what
it finds: it can be stopped, goes on where it was, and may be split by `--only`. judge leaves out
one data set at a time and prints what its portfolio is worth there. write leaves TOML files.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from candidates import candidates
from choose import Cells, by_chance, cells_of, gains, portfolio
from scipy import stats
from score import append, key_of, read_lines, scored
from tables import is_made, tables

from shrinkage.files import write_text
from shrinkage.recipe import Recipe, load

EPOCHS = 100
COUNT = 16
COUNTS = (2, 4, 8, 12, 16)


def score(asked: argparse.Namespace) -> None:
    recipes = candidates(asked.epochs)
    found = tables(asked.folder)
    for seed in asked.seeds:
        for name in [name for name in found if not asked.only or name in asked.only]:
            known = {key_of(line) for line in read_lines(asked.cells)}
            missing = [r for r in recipes if (name, seed, r.hash) not in known]
            began = time.perf_counter()
            for lines in scored(found[name](), seed, missing) if missing else ():
                append(asked.cells, lines)
            took = time.perf_counter() - began
            print(f"{name}, seed {seed}: {len(missing)} recipes in {took:.0f} s", flush=True)


def known(asked: argparse.Namespace) -> tuple[list[Recipe], list[list[int]], Cells]:
    """Candidates, their positions by structure without the default, and all that was scored."""
    recipes = candidates(asked.epochs)
    groups: dict[str, list[int]] = {}
    for place, recipe in enumerate(recipes[1:], 1):
        groups.setdefault(recipe.signature, []).append(place)
    return recipes, list(groups.values()), cells_of(read_lines(asked.cells), recipes)


def without(cells: Cells, table: str) -> Cells:
    return cells.only([i for i, name in enumerate(cells.tables) if name != table])


def judge(asked: argparse.Namespace) -> None:
    """Each table once left out: its portfolio there, beside random cohorts of the same candidates.

    Logarithms of the loss over the default's, in percent; differences are paired over tables.
    """
    _, groups, cells = known(asked)
    ours, chance = [], []
    names = list(dict.fromkeys(cells.tables))
    for name in names:
        order = portfolio(without(cells, name), groups, COUNT)
        seeds = [
            (V, H) for V, H, n in zip(cells.V, cells.H, cells.tables, strict=True) if n == name
        ]
        ours.append(np.mean([gains(*each, order, COUNTS) for each in seeds], 0))
        chance.append(np.mean([by_chance(*each, groups, COUNTS) for each in seeds], 0))
    made = np.array([is_made(name) for name in names])
    for kind, rows in (("real", ~made), ("made-up", made), ("all", made | ~made)):
        print(f"{kind}, {rows.sum()} tables: recipes tried; portfolio; random; difference")
        parts = 100 * np.array(ours)[rows], 100 * np.array(chance)[rows]
        for at, count in enumerate(COUNTS):
            each = [part[:, at] for part in parts]
            columns = [*each, each[0] - each[1]]
            print(f"{count:4d}   " + "   ".join(interval(column) for column in columns))


def interval(values: np.ndarray) -> str:
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{values.mean():+6.2f} ± {half:.2f}"


def write(asked: argparse.Namespace) -> None:
    """TOML files 01.toml, 02.toml, ..., with the default's own epochs."""
    recipes, groups, cells = known(asked)
    order = portfolio(without(cells, asked.without), groups, COUNT)
    epochs = {"data.minibatch.epochs": load("default").epochs}
    asked.presets.mkdir(parents=True, exist_ok=True)
    for place, at in enumerate(order, 1):
        write_text(asked.presets / f"{place:02d}.toml", recipes[at].set(epochs).to_toml())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    commands = parser.add_subparsers(required=True)
    for name, function in (("score", score), ("judge", judge), ("write", write)):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        command.add_argument("cells", type=Path)
        command.add_argument("--epochs", type=int, default=EPOCHS)
        command.set_defaults(function=function)
        if name == "score":
            command.add_argument("--seeds", nargs="*", type=int, default=[0])
            command.add_argument("--only", nargs="*")
        if name == "write":
            command.add_argument("presets", type=Path)
            command.add_argument("--without", default="")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.function(asked)


if __name__ == "__main__":
    main()
