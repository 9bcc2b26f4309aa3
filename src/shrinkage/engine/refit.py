"""Train a recipe once more on all training rows, with several seeds at once.

The networks of the folds have each missed some rows. A refit misses none, so it has no
validation rows either: it stops where the folds' networks stopped on average, and is kept only
if it predicts the rows it was trained on better than they predicted them unseen.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from shrinkage.engine import arrays
from shrinkage.engine.task import Problem, build_of, scaling_of, score_of
from shrinkage.files import replacing, write_text
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.predict import predict
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe

NO_GOOD = ".tried"
"""What a file ends with that says how many seeds were tried of which none was kept."""


@dataclass(frozen=True)
class Refit:
    """seeds: one network each. share: of the whole training that the folds' networks have had.

    bar: the score that a network must come up to; larger is better.

    Files of all rows lie beside those of the folds; `after` is written when training is done.
    """

    problem: Problem
    recipe: Recipe
    seeds: tuple[int, ...]
    share: float
    bar: float
    after: Path
    deadline: float


def arrays_of(folder: Path, recipe: Recipe) -> Path:
    """Where the prepared arrays of all training rows lie: one fold that trains on all."""
    return arrays.path_of(folder, scaling_of(recipe), "all")


def without_validation(recipe: Recipe) -> Recipe:
    """The recipe where there are no validation rows: nothing stops early or watches them."""
    plateau = recipe.get("plateau")
    watching = [dataclasses.replace(plateau, watch="training")] if plateau else []
    return recipe.without("early_stopping").using(*watching)


def run(work: Refit) -> tuple[int, float]:
    """Do it; returns how many networks were kept, and the seconds it took.

    Nothing is written where time ran out; where none was kept, how many there were.
    """
    began = time.perf_counter()
    problem, shape = work.problem, work.problem.shape
    recipe = without_validation(work.recipe)
    path = arrays_of(problem.folder, recipe)
    dataset = arrays.read(path, 1, shape.outputs, problem.task, problem.device)
    members = tuple(Member(recipe, seed) for seed in work.seeds)
    cohort = Cohort(members, dataset, build_of(problem), problem.device)
    training = Training.begin(cohort)
    score = score_of(problem.metric)
    until = max(1, round(work.share * cohort.total_steps))
    training = advance(training, until, score, lambda: time.monotonic() > work.deadline)
    if training.short_of(until):
        return 0, time.perf_counter() - began
    sample = dataset.folds[0].train
    assert sample.target is not None
    kept = []
    for row in range(len(members)):
        outcome = training.outcome(row)
        its = outcome.weights, outcome.statistics
        (prediction,) = predict(cohort.select([row]), *its, [sample])
        reached = float(score(prediction[None], sample.target)[0])
        # A network that is not a number compares as False.
        if outcome.reason is None and reached >= work.bar:
            kept.append(its)
    taken = time.perf_counter() - began
    if kept:
        seconds = torch.tensor(taken)
        weights, statistics = (torch.cat(parts).cpu() for parts in zip(*kept, strict=True))
        tensors = {"weights": weights, "statistics": statistics}
        tensors["seconds"], tensors["seeds"] = seconds, torch.tensor(len(work.seeds))
        with replacing(work.after, sync=False) as temporary:
            save_file(tensors, temporary)
    else:
        write_text(work.after.with_suffix(NO_GOOD), str(len(work.seeds)))
    return sum(len(weights) for weights, _ in kept), taken
