"""Scores of predictions by every metric of a task: on the test rows, and out of fold."""

from __future__ import annotations

import numpy as np
import torch

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.search.rows import Rows, repeats_of
from shrinkage.wording import count

Scores = dict[str, float]


def scored(
    prediction: np.ndarray,
    target: np.ndarray,
    rows: Rows,
    goal: scores.Goal,
    deciding: np.ndarray | None = None,
) -> Scores:
    """Every metric of the task, and the goal. prediction: [n, C] or [n]; target: [n].

    deciding: [n, C] whose largest values decide, where that is not the most probable class.
    """
    y = torch.from_numpy(np.array(target))
    values = torch.from_numpy(np.array(prediction))[None]
    others = values if deciding is None else torch.from_numpy(deciding)[None]
    asked = {metric.name: metric for metric in scores.for_task(rows.schema.task)}
    asked[scores.name_of(goal)] = scores.find(goal)
    return {
        name: float(metric.function(others if metric.decides else values, y)[0])
        for name, metric in asked.items()
    }


def check_metric(goal: scores.Goal, rows: Rows) -> None:
    """Score what knows only the target: a function that cannot be called is found before work.

    Raises BadInput; also for a metric that has no value on a fold, where no recipe would have one.
    """
    target = rows.target(rows.train)

    def guessed(count: int) -> np.ndarray:
        if rows.schema.classes is not None:
            return np.tile(rows.priors, (count, 1))
        return np.full(count, target.mean(), dtype=np.float64)

    guess = guessed(len(target))
    scored(guess, target, rows, goal)
    try:  # at the end it is called on these: a class that they lack must not cost a whole study
        scored(guessed(len(rows.test)), rows.target(rows.test), rows, goal)
    except BadInput as error:
        raise BadInput(f"on the test rows, {error}") from None
    metric = scores.find(goal)
    if metric.name not in scores.METRICS:  # a person's own may have none for this guess alone
        return
    for fold in rows.folds:
        said, true = (torch.from_numpy(values[fold.validation]) for values in (guess, target))
        if not torch.isfinite(metric.function(said[None], true)).all():
            raise BadInput(
                f"{scores.pretty_name(metric.name)} is not defined on every fold: one validates "
                f"{count(len(fold.validation), 'row')}, and lacks a class or a spread.\n"
                + (
                    "Use fewer folds, with --cv 3 or --cv holdout, or another --metric."
                    if len(rows.folds) > 1
                    else "Name another --metric, or give more rows."
                )
            )


def out_of_fold(parts: list[np.ndarray], rows: Rows, goal: scores.Goal) -> Scores:
    """Scores on all validation rows of a repeat at once, averaged over repeats.

    parts: predictions of each fold on its validation rows.
    """
    target, repeats = rows.target(rows.train), []
    for folds in repeats_of(rows):
        together = np.concatenate([parts[k] for k in folds])
        rows_ = np.concatenate([rows.folds[k].validation for k in folds])
        repeats.append(scored(together, target[rows_], rows, goal))
    return {name: float(np.mean([r[name] for r in repeats])) for name in repeats[0]}
