"""The end of a study: choose the winner, score it once on the test rows, write the files."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch

from shrinkage import scores
from shrinkage.calibration import Temperature, paired, t95, tempered
from shrinkage.catalog import DEFAULTS
from shrinkage.clusters import Clusters, per_cluster
from shrinkage.cutoff import NOTHING, Decision, weighted
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput, Interrupted
from shrinkage.files import finite, write_text
from shrinkage.model import Model
from shrinkage.nets.table import TableShape
from shrinkage.paired import Answers, difference, is_mean
from shrinkage.recipe import load
from shrinkage.search import baseline, copies, ensemble, memory, refit, said, shared
from shrinkage.search.above import Above
from shrinkage.search.calibrate import calibrated, joining, report
from shrinkage.search.contest import (
    DEFAULT,
    FRESH,
    PLAIN,
    Finalist,
)
from shrinkage.search.effect import rates_without_effect, without_effect
from shrinkage.search.result import Result
from shrinkage.search.rows import Rows, repeats_of
from shrinkage.search.scored import out_of_fold, scored
from shrinkage.search.settings import is_own_recipe
from shrinkage.search.standing import Standing, standing
from shrinkage.search.study import Study
from shrinkage.store.artifact import versions
from shrinkage.wording import command

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


def conclude(study: Study, above: Above) -> Result:
    """Choose, score, write; returns what result.json holds.

    above: what says how much the winner's validation score and groups of test rows are worth.
    Raises BadInput where no network was trained far enough to predict.
    """
    rows, metric, seed = study.rows, study.problem.metric, study.settings.seed
    now = _standing(study)
    found, number, blend = now.found, now.lead, now.blend
    shares = blend.shares
    contenders = _contenders(study, found, blend)
    winner, alone = contenders["winner"], contenders.get(SINGLE, contenders["winner"])

    table = _scores(contenders, rows, metric)
    done = study.store.baselines()
    table |= {name: done.get(name) for name in baseline.NAMES}
    result = _result(study, found[number], len(alone.model.weights), table)
    result["ensemble"] = _ensemble(contenders, blend, rows) if len(shares) > 1 else None
    own_score = table[SINGLE if len(shares) > 1 else "winner"]["validation"]
    validation = own_score[scores.name_of(metric)]
    result["optimism"] = above.optimism(found, rows, metric, seed, validation)
    target = rows.target(rows.test)
    chosen = winner.model, winner.heat, winner.rule, winner.raw, winner.output
    result |= report(*chosen, target, rows.test_clusters)

    decides = scores.find(metric).decides
    shown = {name: c.deciding if decides else c.output for name, c in contenders.items()}
    for name, output in shown.items():
        said.keep(study.folder.work, name, output)
    result["copies"] = copies.apart(study.folder.work, rows, metric, table)
    if "plain" in shown:
        both = shown["plain"], shown["winner"]
        result["against_plain"] = _against(*both, target, metric, rows.test_clusters)
    asked = study.folder.root, rows, study.settings.by, study.settings.source
    if (groups := above.subgroups(*asked, result, shown)) is not None:
        result["subgroups"] = groups
    provenance = {
        "seed": seed,
        "metric": scores.name_of(metric),
        "rows": result["rows"],
        "trial": number,
        "source": study.settings.source,
        "start_from": study.settings.start_from or None,
    }
    winner.model.save(study.folder.model, provenance)
    study.standing = None  # it holds all networks and what they predict
    return cast(Result, result)


def _contenders(
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
        finalist = entrants[name]
        parts = blended if name == "winner" else finalist.parts
        raw = model.outputs(rows.test, samples)
        heat, rule = None, NOTHING
        if name in trained:
            model, heat, rule = calibrated(model, parts, rows, metric)
            its = heat
            if name == "winner" and blend.unseen:
                parts = blend.unseen
                _, its, _ = calibrated(model, parts, rows, metric)
            parts = [tempered(part, its.value) for part in parts] if its else parts
        seconds = trained.get(name, finalist.trial.seconds)
        contenders[name] = Contender(model, parts, raw, seconds, heat, rule)
    return contenders


def _scores(contenders: dict[str, Contender], rows: Rows, metric: scores.Goal) -> dict[str, Any]:
    """The lines of the table of scores; None for a reference that was not trained."""
    target = rows.target(rows.test)
    table: dict[str, Any] = dict.fromkeys(("plain", "default"))
    for name, each in contenders.items():
        table[name] = {
            "validation": out_of_fold(each.parts, rows, metric),
            "test": scored(each.output, target, rows, metric, each.deciding),
            "seconds": round(each.seconds, 2),
        }
    return table


def _standing(study: Study) -> Standing:
    if (now := standing(study)) is not None:
        return now
    if study.interrupted:
        way_out = f"go on with `{command('resume', study.folder.root)}`"
        raise Interrupted(f"interrupted before any network was trained; {way_out}")
    raise BadInput(
        f"no network came to its first prediction within {study.clock.budget_s:g} s; "
        f"give it more time: `{command('resume', study.folder.root, '--budget', '5m')}`"
    )


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


def write(study: Study, result: Result) -> None:
    """result.json, with the time and the memory of everything up to here."""
    result["wall_s"] = round(study.clock.used, 2)
    result["peak_memory_mb"] = _peak_memory()
    result.update(finite(result))
    write_text(study.folder.result, json.dumps(result, indent=2, allow_nan=False) + "\n")


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


def _ensemble(
    contenders: dict[str, Contender], blend: ensemble.Blend, rows: Rows
) -> dict[str, Any]:
    """What predicts together, what it buys over the single best recipe, and what it costs."""
    gain = blend.gain
    some, model = rows.test[: min(len(rows.test), 1000)], contenders["winner"].model
    seconds = {}
    for name in (SINGLE, "winner"):
        began = time.perf_counter()
        contenders[name].model.outputs(some)
        seconds[name] = round((time.perf_counter() - began) * 1000 / max(1, len(some)), 4)
    return {
        "shares": {str(trial): round(share, 4) for trial, share in blend.shares.items()},
        "temperatures": [each.own_temperature for each in (model, *model.others)],
        "networks": model.networks,
        "mean_loss_reduction": gain and gain.mean,
        "standard_error": gain and gain.error,
        "interval": gain and [*gain.interval],
        "seconds_per_1000_rows": seconds,
    }


def _against(
    plain: np.ndarray,
    winner: np.ndarray,
    target: np.ndarray,
    metric: scores.Goal,
    clusters: Clusters,
) -> dict:
    """The winner's paired gain over the plain network, in mean loss over the test rows."""
    its = scores.find(metric)
    if is_mean(its):  # the loss is the metric, and has the interval that the report draws
        both = [winner, plain] if its.greater_is_better else [plain, winner]
        one, other = (Answers(its, output, target, clusters) for output in both)
        gains = one.v - other.v
        found = difference(float(gains.mean()), one, other)
    else:
        y = torch.from_numpy(target)
        losses = [scores.row_losses(metric, torch.from_numpy(o), y) for o in (plain, winner)]
        gains = per_cluster((losses[0] - losses[1]).numpy(), clusters)
        found = None
    mean, standard_error = paired(gains)
    reach = t95(len(gains)) * standard_error
    ends = (found.low, found.high) if found else (mean - reach, mean + reach)
    return {
        "mean_loss_reduction": mean,
        "standard_error": standard_error,
        "interval": [*ends],
        "rows": len(target),
    }


def _result(study: Study, winner: Finalist, networks: int, table: dict[str, Any]) -> dict[str, Any]:
    rows, trials = study.rows, study.store.trials()
    rounds = len(repeats_of(rows))
    return {
        "task": rows.schema.task,
        "metric": scores.name_of(study.problem.metric),
        "greater_is_better": scores.find(study.problem.metric).greater_is_better,
        "rows": {
            "training": len(rows.train),
            "validation": sum(len(fold.validation) for fold in rows.folds) // rounds,
            "test": len(rows.test),
            "folds": len(rows.folds),
        },
        "together": rows.together and rows.together.to_json(),
        "time": _time(study),
        "budget_s": round(study.clock.spent + study.settings.budget_s, 2),
        "wall_s": 0.0,
        "interrupted": study.interrupted,
        "shared": shared.described(study.store),
        "n_trials": len(trials),
        "n_trials_finished": sum(trial.status == "finished" for trial in trials),
        "n_members_diverged": sum(trial.diverged for trial in trials),
        "diverged": [t.source for t in trials if t.source in table and t.status == "diverged"],
        "winner": {
            "trial": winner.trial.number,
            "source": winner.trial.source,
            "networks_on_folds": len(winner.weights),
            "networks_on_all_rows": networks - len(winner.weights),
        },
        "start_from": study.settings.start_from or None,
        "own_recipe": is_own_recipe(study.settings.recipe),
        "recipe": winner.recipe.to_toml(),
        "recipe_hash": winner.recipe.hash,
        "seed": study.settings.seed,
        "workers": study.settings.workers,
        "device": study.problem.device,
        "precision": study.problem.precision,
        "versions": versions(),
        "peak_memory_mb": {},
        "notes": [*rows.notes, *(study.store.study().plan or {}).get("notes", [])],
        "without_effect": _without_effect(study),
        "scores": table,
    }


def _time(study: Study) -> dict[str, Any] | None:
    """The column by which later rows judge, and whether the test part is cut by it, too."""
    if not study.rows.time:
        return None
    return {"column": study.rows.time, "test": not isinstance(study.settings.test, str)}


def _without_effect(study: Study) -> list[str]:
    """What a person's own recipe asks for in vain; our default is written for every task.

    Nor does a person ask for what fills a role that was left open.
    """
    ours = (*load("default").ingredients, *DEFAULTS.values())
    recipe = study.default
    asked = [each for each in recipe.ingredients if each not in ours]
    idle = without_effect(asked, recipe, study.problem.task, study.problem.shape)
    return idle + rates_without_effect(asked, recipe)


def _peak_memory() -> dict[str, float]:
    """Largest resident memory of this process and of its largest finished worker, in MB."""
    parts = {"process": resource.RUSAGE_SELF, "largest_worker": resource.RUSAGE_CHILDREN}
    return {name: round(memory.peak(who), 1) for name, who in parts.items()}
