"""The end of a session: choose the winner, score it on the test rows, write the files."""

from __future__ import annotations

import json
import resource
import time
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from shrinkage import scores
from shrinkage.catalog import DEFAULTS
from shrinkage.clusters import Clusters, per_cluster
from shrinkage.errors import BadInput, Interrupted
from shrinkage.files import finite, write_text
from shrinkage.paired import Answers, difference, is_mean
from shrinkage.recipe import load
from shrinkage.search import baseline, copies, ensemble, memory, said, shared
from shrinkage.search.above import Above
from shrinkage.search.calibrate import report
from shrinkage.search.contenders import SINGLE, Contender, contenders_of, table_of
from shrinkage.search.contest import Finalist
from shrinkage.search.effect import rates_without_effect, without_effect
from shrinkage.search.result import Result, found_result
from shrinkage.search.rows import repeats_of
from shrinkage.search.settings import is_own_recipe
from shrinkage.search.standing import Standing, standing
from shrinkage.search.study import Study
from shrinkage.store.artifact import versions
from shrinkage.uncertainty import mean_and_error, t95
from shrinkage.wording import command


def conclude(study: Study, above: Above) -> Result:
    """Choose, score, write; returns what result.json holds.

    above: what says how much the winner's validation score and groups of test rows are worth.
    Raises BadInput where no network was trained far enough to predict.
    """
    rows, metric, seed = study.rows, study.problem.metric, study.settings.seed
    now = _standing(study)
    contenders = contenders_of(study, now.found, now.blend)
    best = SINGLE if SINGLE in contenders else "winner"
    winner, alone = contenders["winner"], contenders[best]
    decides = scores.find(metric).decides
    shown = {name: c.deciding if decides else c.output for name, c in contenders.items()}
    table = table_of(contenders, rows, metric)
    done = study.store.baselines()
    table |= {name: done.get(name) for name in baseline.NAMES}
    result = _result(study, now.found[now.lead], len(alone.model.weights), table)
    before = found_result(study.folder)
    result["test_looks"] = 1 + (before.get("test_looks", 1) if before else 0)
    result["ensemble"] = _ensemble(contenders, now.blend, rows.test) if best == SINGLE else None
    chosen_by = table[best]["validation"][scores.name_of(metric)]
    result["optimism"] = above.optimism(now.found, rows, metric, seed, chosen_by)
    target, clusters = rows.target(rows.test), rows.test_clusters
    result |= report(
        winner.model, winner.heat, winner.rule, winner.raw, winner.output, target, clusters
    )
    for name, output in shown.items():
        said.keep(study.folder.work, name, output)
    result["copies"] = copies.apart(study.folder.work, rows, metric, table)
    if "plain" in shown:
        result["against_plain"] = _against(
            shown["plain"], shown["winner"], target, metric, clusters
        )
    groups = above.subgroups(
        study.folder.root, rows, study.settings.by, study.settings.source, result, shown
    )
    if groups is not None:
        result["subgroups"] = groups

    provenance = {
        "seed": seed,
        "metric": scores.name_of(metric),
        "rows": result["rows"],
        "trial": now.lead,
        "source": study.settings.source,
        "start_from": study.settings.start_from or None,
    }
    winner.model.save(study.folder.model, provenance)
    study.standing = None  # it holds all networks and what they predict
    return cast(Result, result)


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


def write(study: Study, result: Result) -> None:
    """result.json, with the time and the memory of everything up to here."""
    result["wall_s"] = round(study.clock.used, 2)
    result["peak_memory_mb"] = _peak_memory()
    result.update(finite(result))
    write_text(study.folder.result, json.dumps(result, indent=2, allow_nan=False) + "\n")


def _ensemble(
    contenders: dict[str, Contender], blend: ensemble.Blend, test: pd.DataFrame
) -> dict[str, Any]:
    """What predicts together, what it buys over the single best recipe, and what it costs."""
    gain = blend.gain
    some, model = test[:1000], contenders["winner"].model
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
    mean, standard_error = mean_and_error(gains)
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
