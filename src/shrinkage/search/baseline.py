"""The baselines of a study, as tasks for its workers: scikit-learn's linear model and boosting.

They get the same rows, folds and test rows as the networks, and where the metric asks for it
class weights, a quantile to predict, and cutoffs that are tuned as the networks' are. Where rows
are dealt by cluster or by time, so are those that baselines hold out of their own.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from shrinkage import scores
from shrinkage.baselines import fit_baseline
from shrinkage.cutoff import weighted
from shrinkage.search import calibrate, rows, said
from shrinkage.search.scored import Scores, out_of_fold, scored

NAMES = ("linear", "gradient_boosting")


def run(
    name: str, work: Path, metric: scores.Goal, seed: int, until: float = math.inf
) -> tuple[Scores, Scores, float] | None:
    """Fit one baseline. Returns validation scores, test scores and seconds; None where time ended.

    until: no further fit is begun after this second of time.monotonic().
    """
    table = rows.load(work)
    target = table.target(table.train)
    aim: dict[str, Any] = {
        "balanced": scores.name_of(metric) == "balanced_accuracy",
        "quantile": scores.quantile_of(metric),
        "held_out": table.held_out if table.together or table.time else None,
        "until": until,
    }
    try:
        found = fit_baseline(
            name, table.train, target, table.schema, table.folds, table.test, seed, **aim
        )
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
