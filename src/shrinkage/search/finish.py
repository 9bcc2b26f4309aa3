"""The end of a study: choose the winner, score it once on the test rows, write the files."""

from __future__ import annotations

import json
import resource
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.files import write_text
from shrinkage.model import Model
from shrinkage.recipe import Recipe
from shrinkage.search import baseline
from shrinkage.search.choose import choose, difference
from shrinkage.search.rows import Rows, prepare, shape_of
from shrinkage.search.study import DEFAULT, PLAIN, Study
from shrinkage.store.artifact import versions
from shrinkage.store.tables import Trial


@dataclass(frozen=True, eq=False)
class Finalist:
    """A trial that was trained to its end, with its predictions on validation rows by fold."""

    trial: Trial
    recipe: Recipe
    weights: Tensor
    statistics: Tensor
    parts: list[np.ndarray]


def finalists(study: Study) -> dict[int, Finalist]:
    """All trials that can win. Trials 0 and 1 count even where the time cut them short."""
    found = {}
    for trial in study.store.trials():
        path = study.folder.trial(trial.number)
        reference = trial.number in (DEFAULT, PLAIN)
        if trial.status == "diverged" or not (trial.status == "finished" or reference):
            continue
        if not path.is_file():
            continue
        tensors = load_file(path)
        parts = [tensors[f"prediction.{k}"].numpy() for k in range(study.problem.folds)]
        if all(np.isfinite(part).all() for part in parts):
            recipe = Recipe.from_toml(trial.recipe)
            found[trial.number] = Finalist(
                trial, recipe, tensors["weights"], tensors["statistics"], parts
            )
    return found


def row_losses(finalist: Finalist, rows: Rows, metric: str) -> np.ndarray:
    """Out-of-fold loss of each training row, averaged over repeats; holdout: its rows only."""
    target = torch.from_numpy(rows.target(rows.train))
    total, count = np.zeros(len(target)), np.zeros(len(target))
    for fold, part in zip(rows.folds, finalist.parts, strict=True):
        at = fold.validation
        total[at] += scores.row_losses(metric, torch.from_numpy(part), target[at]).numpy()
        count[at] += 1
    return total[count > 0] / count[count > 0]


def conclude(study: Study) -> dict[str, Any]:
    """Choose, score, write; returns what result.json holds.

    Raises BadInput where no network was trained far enough to predict.
    """
    found, rows, metric = finalists(study), study.rows, study.problem.metric
    if not found:
        raise BadInput(
            f"no network came to its first prediction within {study.clock.budget_s:g} s; "
            f"give it more time: `shrinkage resume {study.folder.root} --budget 5m`"
        )
    losses = {number: row_losses(f, rows, metric) for number, f in found.items()}
    default = DEFAULT if DEFAULT in found else min(found)
    number = choose(losses, default, PLAIN if PLAIN in found else None)

    y_test = rows.target(rows.test)
    table: dict[str, Any] = {}
    models: dict[int, Model] = {}
    outputs: dict[int, np.ndarray] = {}
    for name, candidate in (("plain", PLAIN), ("default", DEFAULT), ("winner", number)):
        if candidate not in found:
            table[name] = None
            continue
        if candidate not in models:
            models[candidate] = _model(found[candidate], study)
            outputs[candidate] = models[candidate].outputs(rows.test)
        table[name] = {
            "validation": baseline.out_of_fold(found[candidate].parts, rows),
            "test": baseline.scored(outputs[candidate], y_test, rows),
            "seconds": found[candidate].trial.seconds,
        }
    done = study.store.baselines()
    table |= {name: done.get(name) for name in baseline.NAMES}

    winner = found[number]
    result = _result(study, winner, table)
    result["against_plain"] = _against(outputs, number, y_test, metric)
    provenance = {
        "seed": study.settings.seed,
        "metric": metric,
        "rows": result["rows"],
        "trial": number,
        "source": study.settings.source,
    }
    models[number].save(study.folder.model, provenance)
    return result


def write(study: Study, result: dict[str, Any]) -> None:
    """result.json, with the time of everything up to here."""
    result["wall_s"] = round(study.clock.used, 2)
    write_text(study.folder.result, json.dumps(result, indent=2, allow_nan=False) + "\n")


def _model(finalist: Finalist, study: Study) -> Model:
    scaling = type(finalist.recipe.get("scaling")).__name__.lower()
    dataset, preparers = prepare(study.rows, scaling)
    return Model(
        finalist.recipe,
        shape_of(preparers, study.rows.outputs),
        finalist.weights,
        finalist.statistics,
        preparers,
        [fold.units for fold in dataset.folds],
    )


def _against(
    outputs: dict[int, np.ndarray], number: int, y_test: np.ndarray, metric: str
) -> dict[str, Any] | None:
    """The winner's paired gain over the plain network on the test rows, per row's loss."""
    if PLAIN not in outputs:
        return None
    y = torch.from_numpy(y_test)
    plain, winner = (
        scores.row_losses(metric, torch.from_numpy(outputs[n]), y).numpy() for n in (PLAIN, number)
    )
    found = difference(plain, winner)
    return {"mean_loss_reduction": found.mean, "standard_error": found.error, "rows": found.rows}


def _result(study: Study, winner: Finalist, table: dict[str, Any]) -> dict[str, Any]:
    rows, trials = study.rows, study.store.trials()
    return {
        "task": rows.schema.task,
        "metric": study.problem.metric,
        "rows": {
            "training": len(rows.train),
            "validation": int(sum(len(f.validation) for f in rows.folds) / len(baseline.repeats_of(rows))),
            "test": len(rows.test),
            "folds": len(rows.folds),
        },
        "budget_s": study.clock.budget_s,
        "wall_s": 0.0,
        "interrupted": study.interrupted,
        "n_trials": len(trials),
        "n_trials_finished": sum(trial.status == "finished" for trial in trials),
        "n_members_diverged": sum(t.status == "diverged" for t in trials),
        "winner": {"trial": winner.trial.number, "source": winner.trial.source},
        "recipe": winner.recipe.to_toml(),
        "recipe_hash": winner.recipe.hash,
        "seed": study.settings.seed,
        "workers": study.settings.workers,
        "device": study.problem.device,
        "versions": versions(),
        "peak_memory_mb": _peak_memory(),
        "notes": list(rows.notes),
        "scores": table,
    }


def _peak_memory() -> dict[str, float]:
    """Largest resident memory of this process and of its largest finished worker, in MB."""
    parts = {"process": resource.RUSAGE_SELF, "largest_worker": resource.RUSAGE_CHILDREN}
    return {name: round(resource.getrusage(who).ru_maxrss / 1024, 1) for name, who in parts.items()}
