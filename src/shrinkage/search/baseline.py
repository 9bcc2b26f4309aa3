"""The baselines of a study, as tasks for its workers: scikit-learn's linear model and boosting.

They get the same rows, folds and test rows as the networks, and where the metric asks for it
class weights, a quantile to predict, and cutoffs that are tuned as the networks' are.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shrinkage import scores
from shrinkage.baselines import fit_baseline
from shrinkage.cutoff import weighted
from shrinkage.errors import BadInput
from shrinkage.search import calibrate, rows, said
from shrinkage.wording import count

NAMES = ("linear", "gradient_boosting")
Scores = dict[str, float]
Goal = str | scores.Metric


def run(
    name: str, work: Path, metric: Goal, seed: int, until: float = math.inf
) -> tuple[Scores, Scores, float] | None:
    """Fit one baseline. Returns validation scores, test scores and seconds; None where time ended.

    until: no further fit is begun after this second of time.time().
    """
    table = rows.load(work)
    target = table.target(table.train)
    aim: dict[str, Any] = {
        "balanced": scores.name_of(metric) == "balanced_accuracy",
        "quantile": scores.quantile_of(metric),
        "until": until,
    }
    given = name, table.train, target, table.schema, table.folds, table.test, seed
    try:
        found = fit_baseline(*given, **aim)
    except TimeoutError:
        return None
    assert found.test_prediction is not None
    ends = np.cumsum([len(fold.validation) for fold in table.folds])
    parts = np.split(found.validation_prediction, ends[:-1])
    validation = out_of_fold(parts, table, metric)
    rule = calibrate.decision(parts, table, metric)
    deciding = weighted(found.test_prediction, rule.cutoff, rule.priors)
    said.keep(work, name, deciding if scores.find(metric).decides else found.test_prediction)
    test = scored(found.test_prediction, table.target(table.test), table, metric, deciding)
    return validation, test, found.seconds


def scored(
    prediction: np.ndarray,
    target: np.ndarray,
    table: rows.Rows,
    goal: Goal,
    deciding: np.ndarray | None = None,
) -> Scores:
    """Every metric of the task, and the goal. prediction: [n, C] or [n]; target: [n].

    deciding: [n, C] whose largest values decide, where that is not the most probable class.
    """
    y = torch.from_numpy(np.array(target))
    values = torch.from_numpy(np.array(prediction))[None]
    others = values if deciding is None else torch.from_numpy(deciding)[None]
    asked = {metric.name: metric for metric in scores.for_task(table.schema.task)}
    asked[scores.name_of(goal)] = scores.find(goal)
    return {
        name: float(metric.function(others if metric.decides else values, y)[0])
        for name, metric in asked.items()
    }


def tried(goal: Goal, table: rows.Rows) -> None:
    """Score what knows only the target: a function that cannot be called is found before work.

    Raises BadInput; also for a metric that has no value on a fold, where no recipe would have one.
    """
    target = table.target(table.train)

    def guessed(count: int) -> np.ndarray:
        if table.schema.classes is not None:
            return np.tile(table.priors, (count, 1))
        return np.full(count, target.mean(), dtype=np.float64)

    guess = guessed(len(target))
    scored(guess, target, table, goal)
    # At the end it is called on these: a class that they lack must not cost a whole study.
    scored(guessed(len(table.test)), table.target(table.test), table, goal)
    metric = scores.find(goal)
    if metric.name not in scores.METRICS:  # a person's own may have none for this guess alone
        return
    for fold in table.folds:
        own = (torch.from_numpy(values[fold.validation]) for values in (guess, target))
        if not torch.isfinite(metric.function(next(own)[None], next(own))).all():
            raise BadInput(
                f"{scores.pretty_name(metric.name)} is not defined on every fold: one validates "
                f"{count(len(fold.validation), 'row')}, and lacks a class or a spread.\n"
                "Use fewer folds, with --cv 3 or --cv holdout, or another --metric."
            )


def out_of_fold(parts: list[np.ndarray], table: rows.Rows, goal: Goal) -> Scores:
    """Scores on all validation rows of a repeat at once, averaged over repeats.

    parts: predictions of each fold on its validation rows.
    """
    target, repeats = table.target(table.train), []
    for folds in repeats_of(table):
        together = np.concatenate([parts[k] for k in folds])
        rows_ = np.concatenate([table.folds[k].validation for k in folds])
        repeats.append(scored(together, target[rows_], table, goal))
    return {name: float(np.mean([r[name] for r in repeats])) for name in repeats[0]}


def repeats_of(table: rows.Rows) -> list[list[int]]:
    """Folds by repeat: K that validate each row once, or one holdout."""
    count = len(table.folds)
    seen: set[int] = set()
    for k, fold in enumerate(table.folds):
        if not seen.isdisjoint(fold.validation.tolist()):
            break
        seen.update(fold.validation.tolist())
        if len(seen) == len(table.train):
            return [list(range(first, first + k + 1)) for first in range(0, count, k + 1)]
    return [[k] for k in range(count)]
