"""One piece of an ablation: train some recipes with one seed on every fold, and score them.

The scores are on rows that neither trained nor stopped these networks. They are taken on each part
of those rows, and on what is left of the part without each group of rows, so that a jackknife can
tell what the rows' chance is (`evidence.stats`). Each recipe leaves one small file; a recipe and
seed whose file is there is not trained again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shrinkage import scores
from shrinkage.engine import arrays
from shrinkage.engine.task import Problem, cohort_of, scaling_of, score_of
from shrinkage.files import replacing
from shrinkage.population.cohort import Cohort
from shrinkage.population.dataset import Fold
from shrinkage.population.predict import predict
from shrinkage.population.train import Outcome, Training, advance
from shrinkage.recipe import Recipe

JUDGED = "judged"
"""Beside the arrays of a scaling lie those of the rows to be scored, one fold each."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that are scored together: which of their fold's, and the group of each."""

    fold: int
    rows: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Scoring:
    """recipes: of one signature. parts: of the rows to be scored; groups: how many, J.

    Files lie in problem.folder: arrays, and what this leaves.
    deadline: when to halt, in seconds of time.monotonic().
    """

    problem: Problem
    recipes: tuple[Recipe, ...]
    seed: int
    parts: tuple[Part, ...]
    groups: int
    deadline: float


def path_of(folder: Path, recipe: Recipe, seed: int) -> Path:
    """Where the scores of a recipe and a seed lie: [P, 1 + J]."""
    return folder / f"{recipe.hash}-{seed:016x}.npy"


def judged_of(folder: Path, scaling: str) -> Path:
    return arrays.path_of(folder, scaling, JUDGED)


def run(work: Scoring) -> float | None:
    """Do it; returns the seconds it took, None where the time was up first."""
    began, problem = time.perf_counter(), work.problem
    folds = problem.folds
    cohort = cohort_of(problem, tuple(enumerate(work.recipes)), work.seed)
    path = judged_of(problem.folder, scaling_of(work.recipes[0]))
    judged = arrays.read(path, folds, problem.shape.outputs, problem.task, problem.device).folds
    training, total = Training.begin(cohort), cohort.total_steps
    score = score_of(problem.metric)
    training = advance(training, total, score, lambda: time.monotonic() > work.deadline)
    if training.short_of(total):
        return None
    predictions: list[list[Tensor]] = []
    for number in range(len(work.recipes)):
        members = list(range(number * folds, (number + 1) * folds))
        outcomes = [training.outcome(member) for member in members]
        predictions.append(_predicted(cohort, members, outcomes, judged))
    table = np.stack([_of_part(work, part, predictions, judged) for part in work.parts], 1)
    for recipe, values in zip(work.recipes, table, strict=True):
        path = path_of(problem.folder, recipe, work.seed)
        with replacing(path, sync=False) as temporary, open(temporary, "wb") as file:
            np.save(file, values)
    return time.perf_counter() - began


def _predicted(
    cohort: Cohort, members: list[int], outcomes: list[Outcome], judged: tuple[Fold, ...]
) -> list[Tensor]:
    """What a recipe says of each fold's judged rows; NaN of a fold in which it diverged.

    Such a fold may have kept fewer networks than the others.
    """
    whole = [k for k, outcome in enumerate(outcomes) if outcome.reason is None]
    samples = [fold.validation for fold in judged]
    width = (cohort.dataset.outputs,) if cohort.dataset.task == "classification" else ()
    dtype = cohort.dataset.dtype
    found = [torch.full((s.rows, *width), torch.nan, dtype=dtype) for s in samples]
    if whole:
        weights = torch.cat([outcomes[k].weights for k in whole])
        statistics = torch.cat([outcomes[k].statistics for k in whole])
        some = cohort.select([members[k] for k in whole])
        said = predict(some, weights, statistics, [samples[k] for k in whole])
        for k, each in zip(whole, said, strict=True):
            found[k] = each.cpu()
    return found


def _of_part(work: Scoring, part: Part, predictions: list[list[Tensor]], judged) -> np.ndarray:
    """Scores of each recipe on a part, and without each group of its rows, [R, 1 + J]."""
    rows = torch.from_numpy(part.rows)
    output = torch.stack([each[part.fold][rows] for each in predictions])
    target = judged[part.fold].validation.target.cpu()[rows]
    whole = leaving_out(scores.find(work.problem.metric), output, target, part.groups, work.groups)
    return whole.numpy()


def leaving_out(
    metric: scores.Metric, output: Tensor, target: Tensor, group: np.ndarray, groups: int
) -> Tensor:
    """The score on all rows, and without each group of them, larger is better, float64 [M, 1 + J].

    output: [M, n, C] or [M, n].   target: [n].   group: [n], in 0..J-1.
    Where nothing can be said without a group (all rows are in it, or all of a class), it is taken
    to be as the others.
    """
    whole = scores.goodness(metric, metric.function(output, target))
    found = [whole]
    for number in range(groups):
        kept = torch.from_numpy(group != number)
        if kept.all() or not kept.any():
            found.append(whole)
            continue
        without = scores.goodness(metric, metric.on_part(output[:, kept], target[kept]))
        found.append(torch.where(torch.isnan(without), whole, without))
    return torch.stack(found, 1).double().cpu()
