"""Who can win: trials that were trained to their end, and their out-of-fold losses.

Probabilities are judged as calibration will leave them: each trial's are tempered first, by the one
temperature that suits all its validation rows (`calibration`). So a recipe that leaves networks too
unsure, or too sure, is not passed over for what is mended afterwards. One number, fitted to the n
rows it is judged on, flatters the mean log loss of each trial by about 1 / 2n alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from shrinkage import scores
from shrinkage.calibration import best_temperature, tempered, with_one_wrong
from shrinkage.clusters import per_cluster
from shrinkage.errors import BadInput
from shrinkage.recipe import Recipe
from shrinkage.search.choose import choose
from shrinkage.search.folder import Folder
from shrinkage.search.rows import Rows
from shrinkage.store.tables import Store, Trial

DEFAULT, PLAIN = 0, 1
"""The first two trials of every study."""

FRESH = "fresh"
"""Source of a trial that a study which starts from a model adds: its recipe from random weights."""

REFERENCES = frozenset({"default", "plain", FRESH})
"""Sources of trials that run to their end whatever their rungs say."""

FROM_RANDOM_WEIGHTS = frozenset({"plain", FRESH})
"""Sources of trials that start from random weights, whatever the others start from."""


@dataclass(frozen=True, eq=False)
class Finalist:
    """weights: [K n, P], statistics: [K n, Q]: n networks a fold, those of one fold together.

    parts: what they predict on the validation rows of each fold, in the mean.
    temperature: what suits these probabilities best; 1 for numbers.
    share: of the whole training that the networks have had; below 1 where they stopped early.
    epochs: validation score of each fold by epoch [K, E], larger is better; NaN where unknown.
    """

    trial: Trial
    recipe: Recipe
    weights: Tensor
    statistics: Tensor
    parts: list[np.ndarray]
    share: float = 1.0
    epochs: np.ndarray | None = None
    temperature: float = 1.0

    @cached_property
    def judged(self) -> list[np.ndarray]:
        """The parts at their temperature: what is compared with other trials, and blended."""
        if self.temperature == 1:
            return self.parts
        return [tempered(part.astype(np.float64), self.temperature) for part in self.parts]


def finalists(store: Store, folder: Folder, rows: Rows) -> dict[int, Finalist]:
    """All trials that can win, by number.

    References count even where the time cut them short: something must be there to return.
    """
    found = {}
    for trial in store.trials():
        reference = trial.source in REFERENCES
        if trial.status == "finished" or (reference and trial.status == "running"):
            finalist = _finalist(trial, folder, rows)
            if finalist is not None:
                found[trial.number] = finalist
    return found


def _finalist(trial: Trial, folder: Folder, rows: Rows) -> Finalist | None:
    path = folder.trial(trial.number)
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        share = float(tensors["shares"].mean())
        parts = [tensors[f"prediction.{k}"].numpy() for k in range(len(rows.folds))]
    except (SafetensorError, KeyError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}; remove it and resume") from None
    if not all(np.isfinite(part).all() for part in parts):
        return None
    recipe = Recipe.from_toml(trial.recipe)
    weights, statistics = tensors["weights"], tensors["statistics"]
    epochs = tensors["curves"][..., 1].numpy() if "curves" in tensors else None
    heat = temperature_of(parts, rows)
    return Finalist(trial, recipe, weights, statistics, parts, share, epochs, heat)


def temperature_of(parts: list[np.ndarray], rows: Rows) -> float:
    """What suits best what networks say of the validation rows of their folds; 1 for numbers."""
    if rows.schema.classes is None:
        return 1.0
    outputs, at = np.concatenate(parts).astype(np.float64), rows.judging
    return best_temperature(
        *with_one_wrong(outputs, rows.target(rows.train)[at], rows.clusters_of(at))
    )


def kept_part(path: Path, recipe: Recipe) -> float:
    """The part of a finished trial's training that led to what it kept; 1 where nothing tells.

        share / min(1, share + patience / epochs),   share: of the whole training, at the best epoch

    Patience follows the best epoch, and without any the training goes on to its end. That a file is
    damaged is said when trials are compared.
    """
    try:
        with safe_open(path, "pt") as file:
            return part_of(float(file.get_tensor("shares").mean()), recipe)
    except (SafetensorError, OSError):
        return 1.0


def part_of(share: float, recipe: Recipe) -> float:
    """See `kept_part`."""
    stop = recipe.get("early_stopping")
    more = stop.patience / recipe.epochs if stop else math.inf
    return share / min(1.0, share + more)


def leading(found: dict[int, Finalist], rows: Rows, metric: scores.Goal) -> int:
    """The number of the winner."""
    clusters = rows.clusters_of(rows.validated)
    losses = {
        number: per_cluster(row_losses(finalist, rows, metric), clusters)
        for number, finalist in found.items()
    }
    default = DEFAULT if DEFAULT in losses else min(losses)
    return choose(losses, default, PLAIN if PLAIN in losses else None)


def row_losses(finalist: Finalist, rows: Rows, metric: scores.Goal) -> np.ndarray:
    """Out-of-fold loss of each training row, averaged over repeats; holdout: its rows only."""
    target = torch.from_numpy(rows.target(rows.train))
    losses = [
        scores.row_losses(metric, torch.from_numpy(part), target[fold.validation]).numpy()
        for fold, part in zip(rows.folds, finalist.judged, strict=True)
    ]
    return rows.by_row(np.concatenate(losses))
