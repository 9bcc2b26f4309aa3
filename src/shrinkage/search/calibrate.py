"""The winner's probabilities, calibrated, and its decisions, tuned: by rows its networks have
not seen, and never by test rows.

A row that several repeats validated is judged by the mean of what its networks say: that is
nearest to the mean of all networks, which predicts in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from shrinkage import scores
from shrinkage.calibration import (
    Temperature,
    best_temperature,
    calibration_error,
    error_by_chance,
    fit_temperature,
    pool_temperature,
    reliability,
    tempered,
    tempered_losses,
    top_class,
    with_one_wrong,
)
from shrinkage.clusters import Clusters
from shrinkage.cutoff import NOTHING, Decision, fit_cutoff, try_priors
from shrinkage.model import Model
from shrinkage.search.contest import Finalist, temperature_of
from shrinkage.search.rows import Rows

_TUNED = frozenset({"balanced_accuracy", "f1"})
"""Metrics whose best choice is not the most probable class."""

_PIECES = 5
"""Of a holdout, whose rows judge each other."""


def calibrated(
    model: Model, parts: Sequence[np.ndarray], rows: Rows, goal: scores.Goal
) -> tuple[Model, Temperature | None, Decision]:
    """The model with the temperature and the rule that help, and what they were chosen by.

    parts: predictions of each fold's networks on its validation rows. Numbers stay as they are.
    """
    if rows.schema.classes is None:
        return model, None, NOTHING
    probability, target, group = unseen(parts, rows)
    if len(np.unique(group)) < 2:
        return model, None, NOTHING
    heat = fit_temperature(probability, target, group, rows.clusters_of(rows.validated))
    rule = _decided(tempered(probability, heat.value), target, group, rows, goal)
    fitted = replace(
        model,
        temperature=_of_all(heat.value, temperature_of(list(parts), rows), rows, model.equals),
        cutoff=rule.cutoff,
        priors=rule.priors,
    )
    return fitted, heat, rule


def joining(model: Model, finalist: Finalist, rows: Rows) -> Model:
    """The model as one of an ensemble: what its networks say is tempered before it is blended.

    Whether that helps is not asked: trials are chosen for an ensemble, and get their shares, so.
    """
    if rows.schema.classes is None:
        return model
    probability, target, _ = unseen(finalist.parts, rows)
    clusters = rows.clusters_of(rows.validated)
    few = best_temperature(*with_one_wrong(probability, target, clusters))
    return replace(model, own_temperature=_of_all(few, finalist.temperature, rows, model.equals))


def _of_all(few: float, one: float, rows: Rows, networks: float) -> float:
    """The temperature for the mean of all networks.

    few: of the mean of those that have not seen a row. one: of a single network.
    """
    repeats = round(len(rows.judging) / len(rows.validated))
    return pool_temperature(one, few, repeats, networks)


def decision(parts: Sequence[np.ndarray], rows: Rows, goal: scores.Goal) -> Decision:
    """The rule that helps the metric, of probabilities as they are."""
    if rows.schema.classes is None:
        return NOTHING
    return _decided(*unseen(parts, rows), rows, goal)


def _decided(
    probability: np.ndarray,
    target: np.ndarray,
    group: np.ndarray,
    rows: Rows,
    goal: scores.Goal,
) -> Decision:
    name, priors = scores.name_of(goal), rows.priors
    clusters = rows.clusters_of(rows.validated)
    if name not in _TUNED or len(np.unique(group)) < 2:
        return NOTHING
    if len(priors) == 2:
        return fit_cutoff(probability, target, group, name, clusters)
    if name == "balanced_accuracy" and priors.all():
        return try_priors(probability, target, priors.tolist(), name, clusters)
    return NOTHING


def unseen(parts: Sequence[np.ndarray], rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(probabilities [n, C], classes [n], groups [n]) of all rows that were validated.

    A group is a fold of the first repeat, or every fifth row of a holdout (cluster, where rows
    belong together).
    """
    group = np.full(len(rows.train), -1)
    for k, fold in reversed([*enumerate(rows.folds)]):
        group[fold.validation] = k
    seen = rows.validated
    group = group[seen]
    if len(np.unique(group)) < 2:
        clusters = rows.clusters_of(seen)
        places = np.arange(len(group))
        if clusters is not None:
            places = np.unique(clusters, return_inverse=True)[1]
        group = places % _PIECES
    return rows.by_row(np.concatenate(parts)), rows.target(rows.train)[seen], group


def report(
    model: Model,
    heat: Temperature | None,
    rule: Decision,
    raw: np.ndarray,
    outputs: np.ndarray,
    target: np.ndarray,
    clusters: Clusters = None,
) -> dict[str, Any]:
    """What result.json says: "calibration", null for numbers, "cutoff" and "decision".

    raw, outputs: of the model on the test rows, without and with its temperature.   target,
    clusters: [n], theirs.
    Out of fold, "temperature" is that of the networks which have not seen a row.
    """
    classes = model.schema.classes
    decided: dict[str, Any] = {"cutoff": rule.cutoff, "decision": None}
    if rule.rows and classes:
        decided["decision"] = {
            "class": str(classes[1]),
            "cutoff_found": rule.found,
            "priors": rule.priors,
            "gain": rule.gain,
            "standard_error": rule.error,
            "rows": rule.rows,
        }
    if heat is None:
        return {"calibration": None, **decided}
    tables = {
        name: reliability(*top_class(p, target), clusters=clusters)
        for name, p in (("before", raw), ("after", outputs))
    }
    found: dict[str, Any] = {
        "temperature": model.temperature,
        "log_loss_out_of_fold": {
            "before": heat.before,
            "after": heat.after,
            "temperature": heat.value,
            "temperature_found": heat.found,
            "gain": heat.before - heat.after,
            "standard_error": heat.error,
            "rows": heat.rows,
        },
        "log_loss_test": {
            name: float(tempered_losses(p, target, 0.0).mean())
            for name, p in (("before", raw), ("after", outputs))
        },
        "calibration_error_test": {
            "before": calibration_error(tables["before"]),
            "after": calibration_error(tables["after"]),
            "by_chance": error_by_chance(tables["after"]),
        },
        "reliability_test": {"top_class": [asdict(row) for row in tables["after"]]},
    }
    if outputs.shape[1] == 2:
        table = reliability(outputs[:, 1], target == 1, clusters=clusters)
        found["reliability_test"]["class_1"] = [asdict(row) for row in table]
    return {"calibration": found, **decided}
