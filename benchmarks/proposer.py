"""What the Bayesian search costs and finds: seconds a proposal, regret beside random search.

python benchmarks/proposer.py             # seconds a proposal at 50, 200 and 1,000 trials
python benchmarks/proposer.py --regret 8  # the best of 60 recipes on 8 made-up problems, too
python benchmarks/proposer.py --study breast_cancer --budget 10m --epochs 20  # its share of a study

Trials are random recipes of the space `tabular`, and a third of them passes each rung. A proposal
is of 5 recipes with 10 others pending. "fitted" fits the process anew, as after a rung; "known"
has it. A problem scores recipes by a quadratic of their numbers and a table of their choices,
drawn anew for each, with noise; the default recipe is nothing special in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from shrinkage import fit
from shrinkage.dimension import Options
from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe, load
from shrinkage.search import cost
from shrinkage.search.gp import GPSearch
from shrinkage.search.halving import ETA, RUNGS
from shrinkage.search.random import RandomSearch
from shrinkage.search.seam import Search
from shrinkage.space import load_space

SPACE = load_space("tabular")
COST = partial(cost.of_training, shape=TableShape(20, (3, 4), 2))
TRIALS = (50, 200, 1000)
REPEATS = 5
COUNT, NOISE, RECIPES = 5, 0.03, 60


def problem(seed: int) -> Callable[[Recipe], float]:
    """A score to be found: a tenth of the dimensions hardly matters, some matter much."""
    random = np.random.default_rng(seed)
    best = random.random(SPACE.size)
    weights = random.exponential(size=SPACE.size) ** 0.7
    weights /= weights.sum()
    tables = [
        random.normal(size=len(d.over.values)) if isinstance(d.over, Options) else None
        for d in SPACE.dimensions
    ]

    def score(recipe: Recipe) -> float:
        total = 0.0
        for u, at, weight, table in zip(SPACE.encode(recipe), best, weights, tables, strict=True):
            if table is None:
                total -= 6 * weight * (u - at) ** 2
            else:
                total += 0.5 * weight * table[min(int(u * len(table)), len(table) - 1)]
        return total

    return score


def rungs(search: Search, recipes: list[Recipe], score, seen: list[list[float]], random) -> None:
    """Tell the search what halving would let it hear of a cohort."""
    if not recipes:
        return
    for rung, share in enumerate(RUNGS):
        found = {r: score(r) - 0.3 * (1 - share) + NOISE * random.normal() for r in recipes}
        seen[rung] += found.values()
        for recipe, value in found.items():
            search.tell(recipe, share, value)
        bar = sorted(seen[rung], reverse=True)[max(1, len(seen[rung]) // ETA) - 1]
        recipes = [recipe for recipe in recipes if found[recipe] >= bar]


def seconds(trials: int) -> dict[str, list[tuple[float, float]]]:
    """(wall-clock, seconds of a core) of some proposals of each kind."""
    search, random = GPSearch(SPACE, 0, COST), np.random.default_rng(0)
    score, seen = problem(0), [[] for _ in RUNGS]
    for i in range(trials // COUNT):
        rungs(search, SPACE.sample(1, i, COUNT, keep=0.5), score, seen, random)
    pending = SPACE.sample(2, 0, 2 * COUNT)
    found: dict[str, list[tuple[float, float]]] = {"fitted": [], "known": []}
    for repeat in range(REPEATS):
        search.tell(SPACE.sample(3, repeat)[0], RUNGS[0], 0.0)
        for kind, cohort in (("fitted", 4 * repeat + 1), ("known", 4 * repeat + 2)):
            began = time.perf_counter(), time.process_time()
            search.ask(cohort, COUNT, pending, 0.5)
            ended = time.perf_counter(), time.process_time()
            found[kind].append((ended[0] - began[0], ended[1] - began[1]))
    return found


def best_of(search: Search, seed: int) -> tuple[list[float], float]:
    """The best recipe so far after each cohort, a cohort behind; seconds spent on asking."""
    score, random = problem(seed), np.random.default_rng(seed)
    seen: list[list[float]] = [[] for _ in RUNGS]
    asked: list[Recipe] = []
    waiting: list[Recipe] = []
    path, spent = [], 0.0
    for cohort in range(2, 2 + RECIPES // COUNT):
        began = time.perf_counter()
        recipes = search.ask(cohort, COUNT, waiting)
        spent += time.perf_counter() - began
        rungs(search, waiting, score, seen, random)
        waiting = recipes
        asked += recipes
        path.append(max(map(score, asked)))
    return path, spent


def study(data: str, budget: str, epochs: int) -> str:
    """What proposing took of a real study of networks with so many epochs."""
    took: list[float] = []
    best = GPSearch._best

    def timed(search: GPSearch, *given):
        began = time.perf_counter()
        try:
            return best(search, *given)
        finally:
            took.append(time.perf_counter() - began)

    recipe = load("default").set({"data.minibatch.epochs": epochs})
    with tempfile.TemporaryDirectory() as place, patch.object(GPSearch, "_best", timed):
        asked = {"recipe": recipe, "search": "gp", "first_look": False}
        result = fit(data, budget=budget, out=Path(place) / "run", **asked).result
    return (
        f"{data}, {result['n_trials']} trials in {result['wall_s']:.0f} s: {len(took)} proposals "
        f"of a process took {sum(took):.1f} s, {sum(took) / result['wall_s']:.1%}; the last ten "
        f"{np.mean(took[-10:]):.2f} s each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regret", type=int, default=0, help="problems to search")
    parser.add_argument("--study", default="", help="a table, instead")
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--epochs", type=int, default=20)
    asked = parser.parse_args()
    if asked.study:
        print(study(asked.study, asked.budget, asked.epochs))
        return
    torch.set_num_threads(1)
    seconds(20)  # what is loaded on first use
    for trials in TRIALS:
        parts = []
        for kind, values in seconds(trials).items():
            wall, core = zip(*values, strict=True)
            middle, most, own = np.median(wall), max(wall), np.median(core)
            parts.append(f"{kind} {middle:.2f} s (most {most:.2f}), of a core {own:.2f}")
        print(f"{trials:5d} trials: {'; '.join(parts)}", flush=True)
    if not asked.regret:
        return
    searches = {
        "random": lambda s: RandomSearch(SPACE, s),
        "gp": lambda s: GPSearch(SPACE, s, COST),
    }
    paths = {
        name: [best_of(of(s), s)[0] for s in range(asked.regret)] for name, of in searches.items()
    }
    for name, found in paths.items():
        ends = [f"{np.mean([path[i] for path in found]):+.3f}" for i in (3, 5, 7, 9, 11)]
        print(f"{name:7s} best of 20, 30, 40, 50, 60 recipes: {', '.join(ends)}")
    gain = np.array(paths["gp"])[:, -1] - np.array(paths["random"])[:, -1]
    error = gain.std(ddof=1) / len(gain) ** 0.5 if len(gain) > 1 else float("nan")
    print(f"gp - random at 60: {gain.mean():+.3f} ± {error:.3f} (s.e., {len(gain)} problems)")


if __name__ == "__main__":
    main()
