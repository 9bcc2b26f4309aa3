"""Is a recipe worth as many rows as `shrinkage ablate --data-worth` says? Rows are really added.

    python benchmarks/worth.py FOLDER [--tables NAME:TARGET:METRIC ...] [--rows 400] [--seeds 5]

From each table's development rows (80 %, split seed 0; the test part is never read) come a small
table, rows that judge, and rows that are left over. On the small table the program says what the
default recipe (smaller and shorter) is worth, k times the rows. Then, with new seeds and on the
rows that judge, which nobody has seen:

    given k      the winner on a fold's n rows, and the plain network on these and (k - 1) n more
    given low    the same with the lower end of the interval: the plain network should not be better
    given high   with the upper end (at most all rows there are): the winner should not be better
    taken        the winner on n / k of the fold's rows, and the plain network on all n

Each is tuned as in the program: three rates, the recipe's epochs or as many steps as with n rows.
A difference is positive where the winner is better, in the metric's unit, with its 95 % interval.
One JSON line a table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shrinkage import fit
from shrinkage.data.schema import conform
from shrinkage.data.source import Table, read
from shrinkage.data.split import Fold, test_split
from shrinkage.engine import local
from shrinkage.evidence import arms, data_worth, stats
from shrinkage.evidence.ablate import Ablation
from shrinkage.evidence.design import Design, designed
from shrinkage.evidence.rounds import Rounds, Wanted
from shrinkage.evidence.rounds import read as scores_of
from shrinkage.evidence.studied import Studied, studied
from shrinkage.evidence.subsets import as_many_steps, nested
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe, load
from shrinkage.search.budget import Clock

TABLES = ("phoneme:target:log_loss", "california:target:rmse", "wine_white:target:rmse")
JUDGES = 1500

SMALL = {
    "data.minibatch.batch_size": 128,
    "data.minibatch.epochs": 40,
    "network.mlp.width": 64,
    "network.mlp.depth": 2,
}
"""The default recipe, small enough for many networks."""


@dataclass
class Check:
    """rows: the small table's first, then those left over, then the judges'."""

    study: Studied
    rows: Any
    small: int
    judges: np.ndarray
    seeds: tuple[int, ...]
    rounds: Rounds | None = None

    def design(self, times: float) -> Design:
        """Folds of the small table with so many times their rows, judged by the judges."""
        folds, first = [], self.study.rows.folds
        spare = np.arange(self.small, len(self.rows.train) - len(self.judges))
        for k, fold in enumerate(first):
            random = np.random.default_rng((derive(0, "worth.more"), k))
            if times <= 1:
                codes = self.study.rows.target(self.study.rows.train)[fold.train]
                if self.study.problem.task != "classification":
                    codes = np.zeros(len(fold.train), int)
                order = nested(codes, derive(0, "worth.fewer", k))
                train = fold.train[order[: round(times * len(fold.train))]]
            else:
                more = round((times - 1) * len(fold.train))
                train = np.concatenate([fold.train, random.permutation(spare)[:more]])
            folds.append(Fold(train, self.judges[k :: len(first)]))
        rows = replace(self.rows, folds=tuple(folds))
        both, place = [self.study.winner, self.study.plain], self.study.folder / f"{times:.4f}"
        return designed(rows, self.study.problem, both, place, self.study.seed)

    def values(self, recipes: tuple[Recipe, ...], times: float) -> np.ndarray:
        """[S, J] of an arm at so many times the rows, tuned."""
        design = self.design(times)
        if self.rounds is None:
            clock = Clock(time.monotonic(), 1e6)
            self.rounds = Rounds(design, local.executor(2), 2, clock)
        n, own = min(map(len, self.design(1).trained)), min(map(len, design.trained))
        some = dict.fromkeys([*recipes, *(as_many_steps(r, n, own) for r in recipes)])
        at = [[Wanted(r, seed, design) for seed in self.seeds] for r in some]
        self.rounds.one([each for row in at for each in row], "check")
        return scores_of([[self.rounds.path_of(each) for each in row] for row in at])[0]

    def difference(self, winner: float, plain: float) -> list[float]:
        """The winner's score less the plain network's, each at so many times the rows."""
        own = self.study.winner, arms.as_long(self.study.plain, self.study.winner)
        mine = self.values(arms.around(*own).arm("winner", own[0]).recipes, winner)
        other = self.values(arms.between(*own).arm("plain", own[1]).recipes, plain)
        found = stats.estimate(mine - other)
        return [float(f"{value:.4g}") for value in (found.mean, *found.interval())]


def said(study: Studied, seeds: int) -> dict[str, Any]:
    """What the program says of the recipe's worth, without what it says of ingredients."""
    plain = arms.as_long(study.plain, study.winner)
    design = designed(study.rows, study.problem, [study.winner, plain], study.folder, study.seed)
    rounds = Rounds(design, local.executor(2), 2, Clock(time.monotonic(), 1e6))
    own = tuple(derive(study.seed, "ablation.seed", i) for i in range(seeds))
    found = Ablation(study, plain, design, [], [], rounds, own)
    try:
        return data_worth.worth(found, {"ingredients": {}})
    finally:
        local.stop(rounds.pool)


def check(source: Path, target: str, metric: str, asked: argparse.Namespace, place: Path) -> dict:
    began = time.monotonic()
    frame = read(str(source)).frame
    number = metric in ("rmse", "mae", "r2")
    task = "regression" if number else "classification"
    own, _ = test_split(frame[target], task, 0.2, 0)
    order = np.random.default_rng(derive(0, "worth.table")).permutation(own)
    # fit sets a fifth aside to test on: the small table is a quarter larger for that.
    small, left = np.split(order, [round(asked.rows / 0.8)])
    winner = load("default").set(SMALL)
    folder = place / "run"
    table = Table(frame.iloc[small].reset_index(drop=True), source.name, target)
    about = {"task": task, "metric": metric, "cv": 5, "trials": 2, "workers": 2}
    fit(table, target, out=folder, recipe=winner, **about)
    study = studied(folder, json.loads((folder / "result.json").read_text()))
    study = replace(study, winner=winner.for_task(task))
    worth = said(study, asked.seeds)
    shown = {name: value for name, value in worth.items() if name != "curves"}
    print(json.dumps({"table": source.name, **shown}), flush=True)
    if worth.get("times") is None:
        return {"table": source.name, "worth": None}
    study = replace(study, folder=place / "check")
    judges, spare = left[:JUDGES], left[JUDGES:]
    extra, _ = conform(study.rows.schema, Table(
        frame.iloc[np.concatenate([spare, judges])].reset_index(drop=True), source.name, target
    ), need_target=True)  # fmt: skip
    first = len(study.rows.train)
    train = pd.concat([study.rows.train, extra], ignore_index=True)
    rows = replace(study.rows, train=train)
    at = np.arange(len(train) - len(judges), len(train))
    seeds = tuple(derive(study.seed, "worth.check", i) for i in range(asked.seeds))
    its = Check(study, rows, first, at, seeds)
    k, (low, high) = worth["times"], worth["interval"]
    room = 1 + (len(train) - len(judges) - first) / (0.8 * first)
    ends = {"k": k, "low": low, "high": high and min(high, room)}
    found = {
        f"given {name}": [round(end, 2), *its.difference(1, end)]
        for name, end in ends.items()
        if end and end <= room
    }
    if k > 1:
        found["taken"] = [round(1 / k, 2), *its.difference(1 / k, 1)]
    local.stop(its.rounds.pool)  # pyright: ignore
    n = min(map(len, (f.train for f in study.rows.folds)))
    return {"table": source.name, "metric": metric, "rows": n, "seeds": asked.seeds, "k": k,
            "interval": [low, high], "judges": len(judges), **found,
            "seconds": round(time.monotonic() - began)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="*", default=TABLES, metavar="NAME:TARGET:METRIC")
    parser.add_argument("--rows", type=int, default=625)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    for each in asked.tables:
        name, target, metric = each.split(":")
        (source,) = asked.folder.glob(f"{name}.csv*")
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(check(source, target, metric, asked, Path(place))), flush=True)


if __name__ == "__main__":
    main()
