"""Who stands in a study's table of scores, and what each says of rows it was not trained on.

The plain network, the default and the winner; beside an ensemble the best single recipe, and where
a study starts from a model its recipe from random weights. Baselines have their own scores, see
`search.baseline`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from shrinkage import scores
from shrinkage.calibration import Temperature, tempered
from shrinkage.cutoff import NOTHING, Decision, weighted
from shrinkage.engine.task import scaling_of
from shrinkage.model import Model
from shrinkage.nets.table import TableShape
from shrinkage.search import ensemble, refit
from shrinkage.search.calibrate import calibrated, joining
from shrinkage.search.contest import DEFAULT, FRESH, PLAIN, Finalist
from shrinkage.search.rows import Rows
from shrinkage.search.scored import out_of_fold, scored
from shrinkage.search.study import Study

SINGLE = "single"
"""The best recipe alone, where the winner is an ensemble."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A row of the table of scores.

    parts: what its networks say of the validation rows of each fold, calibrated. raw: of the test
    rows, as its networks say it. seconds: what training it took. heat, rule: what calibration and
    cutoff were chosen by.
    """

    model: Model
    parts: list[np.ndarray]
    raw: np.ndarray
    seconds: float
    heat: Temperature | None = None
    rule: Decision = NOTHING

    @cached_property
    def output(self) -> np.ndarray:
        """What it says of the test rows."""
        return tempered(self.raw, self.model.temperature)

    @cached_property
    def deciding(self) -> np.ndarray:
        """The same, its largest value being the class that it chooses."""
        return weighted(self.output, self.model.cutoff, self.model.priors)


def contenders_of(
    study: Study, found: dict[int, Finalist], blend: ensemble.Blend
) -> dict[str, Contender]:
    """All that were trained, by name. The test rows are predicted here, once; they decide nothing.

    The winner is calibrated, and the single recipe beside an ensemble: else the ensemble would be
    booked what calibration buys. Nor does an ensemble get a validation score on rows that chose its
    shares.
    """
    rows, metric, shares = study.rows, study.problem.metric, blend.shares
    lead = next(iter(shares))
    entrants = _entrants(found, lead, alone=len(shares) == 1)
    networks = {trial: refit.networks(study.folder, trial) for trial in shares}
    more = {trial: its.seconds for trial, its in networks.items() if its}
    taken = {trial: found[trial].trial.seconds + more.get(trial, 0.0) for trial in shares}
    trained = {"winner": sum(taken.values()), SINGLE: taken[lead]}
    models = _models(study, found, entrants, networks, shares)
    heats = [model.own_temperature for model in (models["winner"], *models["winner"].others)]
    blended = ensemble.blended(found, shares, heats)
    contenders, samples = {}, {}
    for name, model in models.items():
        finalist, raw = entrants[name], model.outputs(rows.test, samples)
        if name not in trained:
            contenders[name] = Contender(model, finalist.parts, raw, finalist.trial.seconds)
            continue
        parts = blended if name == "winner" else finalist.parts
        hot, heat, rule = calibrated(model, parts, rows, metric)
        judged = heat
        if name == "winner" and blend.unseen:
            parts = blend.unseen
            _, judged, _ = calibrated(hot, parts, rows, metric)
        parts = [tempered(part, judged.value) for part in parts] if judged else parts
        contenders[name] = Contender(hot, parts, raw, trained[name], heat, rule)
    return contenders


def table_of(contenders: dict[str, Contender], rows: Rows, metric: scores.Goal) -> dict[str, Any]:
    """The lines of the table of scores; None for a reference that was not trained."""
    target = rows.target(rows.test)
    found: dict[str, Any] = dict.fromkeys(("plain", "default"))
    for name, each in contenders.items():
        found[name] = {
            "validation": out_of_fold(each.parts, rows, metric),
            "test": scored(each.output, target, rows, metric, each.deciding),
            "seconds": round(each.seconds, 2),
        }
    return found


def _entrants(found: dict[int, Finalist], number: int, *, alone: bool) -> dict[str, Finalist]:
    """Whose trial each row of the table of scores is; an ensemble's is the one that leads."""
    references = {"plain": PLAIN, "default": DEFAULT}
    entrants = {name: found[trial] for name, trial in references.items() if trial in found}
    entrants["winner"] = found[number]
    if fresh := [each for each in found.values() if each.trial.source == FRESH]:
        entrants[FRESH] = fresh[0]
    return entrants if alone else entrants | {SINGLE: found[number]}


def _models(
    study: Study,
    found: dict[int, Finalist],
    entrants: dict[str, Finalist],
    networks: dict[int, refit.Networks | None],
    shares: dict[int, float],
) -> dict[str, Model]:
    """What predicts for each entrant; those of `shares` with their networks on all rows."""
    rows = study.rows
    whole = {trial: _model(found[trial], rows, study.problem.shape) for trial in shares}
    for trial, its in networks.items():
        if its is not None:
            whole[trial] = _with_all_rows(whole[trial], its, rows)
    best = whole[next(iter(shares))]
    ours = {"winner": best, SINGLE: best}
    if len(shares) > 1:
        first, *others = (
            replace(joining(whole[trial], found[trial], rows), share=share)
            for trial, share in shares.items()
        )
        ours["winner"] = replace(first, others=tuple(others))
    return {
        name: ours.get(name) or _model(entrant, rows, study.problem.shape)
        for name, entrant in entrants.items()
    }


def _model(finalist: Finalist, rows: Rows, shape: TableShape) -> Model:
    """The finalist's networks on folds."""
    parts, scaling = range(len(rows.folds)), scaling_of(finalist.recipe)
    each = len(finalist.weights) // len(parts)
    return Model(
        finalist.recipe,
        shape,
        finalist.weights,
        finalist.statistics,
        [rows.preparer(scaling, part) for part in parts],
        [rows.units(part) for part in parts],
        [part for part in parts for _ in range(each)],
    )


def _with_all_rows(model: Model, found: refit.Networks, rows: Rows) -> Model:
    """The model with the networks that were trained on all rows."""
    return replace(
        model,
        weights=torch.cat([model.weights, found.weights]),
        statistics=torch.cat([model.statistics, found.statistics]),
        preparers=[*model.preparers, rows.preparer(scaling_of(model.recipe))],
        units=[*model.units, rows.units()],
        parts=[*model.parts, *[len(model.preparers)] * len(found.weights)],
        says=refit.says(len(model.weights), len(found.weights)),
    )
