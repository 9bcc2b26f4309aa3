"""The baselines of a study, as tasks for its workers: scikit-learn's linear model and boosting.

They get the same rows, folds and test rows as the networks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from shrinkage import scores
from shrinkage.baselines import fit_baseline
from shrinkage.search import rows

NAMES = ("linear", "gradient_boosting")
Scores = dict[str, float]


def run(name: str, work: Path, metric: str, seed: int) -> tuple[Scores, Scores, float]:
    """Fit one baseline. Returns validation scores, test scores and seconds."""
    table = rows.load(work)
    target = table.target(table.train)
    balanced = metric == "balanced_accuracy"
    found = fit_baseline(
        name, table.train, target, table.schema, table.folds, table.test, seed, balanced=balanced
    )
    assert found.test_prediction is not None
    ends = np.cumsum([len(fold.validation) for fold in table.folds])
    parts = np.split(found.validation_prediction, ends[:-1])
    validation = out_of_fold(parts, table)
    return validation, scored(found.test_prediction, table.target(table.test), table), found.seconds


def scored(prediction: np.ndarray, target: np.ndarray, table: rows.Rows) -> Scores:
    """Every metric of the task. prediction: [n, C] or [n]; target: [n]."""
    values, y = torch.from_numpy(np.array(prediction))[None], torch.from_numpy(np.array(target))
    return {
        metric.name: float(metric.function(values, y)[0])
        for metric in scores.for_task(table.schema.task)
    }


def out_of_fold(parts: list[np.ndarray], table: rows.Rows) -> Scores:
    """Scores on all validation rows of a repeat at once, averaged over repeats.

    parts: predictions of each fold on its validation rows.
    """
    target, repeats = table.target(table.train), []
    for folds in repeats_of(table):
        together = np.concatenate([parts[k] for k in folds])
        rows_ = np.concatenate([table.folds[k].validation for k in folds])
        repeats.append(scored(together, target[rows_], table))
    return {name: float(np.mean([r[name] for r in repeats])) for name in repeats[0]}


def repeats_of(table: rows.Rows) -> list[list[int]]:
    """Folds by repeat: in one repeat no row is validated twice."""
    groups: list[list[int]] = []
    seen: set[int] = set()
    for k, fold in enumerate(table.folds):
        first = int(fold.validation[0])
        if not groups or first in seen:
            groups.append([])
            seen = set()
        groups[-1].append(k)
        seen.update(fold.validation.tolist())
    return groups
