"""Who can win: trials that were trained to their end, and their out-of-fold losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shrinkage import scores
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


def finalists(store: Store, folder: Folder, folds: int) -> dict[int, Finalist]:
    """All trials that can win, by number.

    References count even where the time cut them short: something must be there to return.
    """
    found = {}
    for trial in store.trials():
        reference = trial.source in REFERENCES
        if trial.status == "finished" or (reference and trial.status == "running"):
            finalist = _finalist(trial, folder, folds)
            if finalist is not None:
                found[trial.number] = finalist
    return found


def _finalist(trial: Trial, folder: Folder, folds: int) -> Finalist | None:
    path = folder.trial(trial.number)
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        share = float(tensors["shares"].mean())
        parts = [tensors[f"prediction.{k}"].numpy() for k in range(folds)]
    except (SafetensorError, KeyError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}; fit again") from None
    if not all(np.isfinite(part).all() for part in parts):
        return None
    recipe = Recipe.from_toml(trial.recipe)
    weights, statistics = tensors["weights"], tensors["statistics"]
    epochs = tensors["curves"][..., 1].numpy() if "curves" in tensors else None
    return Finalist(trial, recipe, weights, statistics, parts, share, epochs)


def leading(found: dict[int, Finalist], rows: Rows, metric: str | scores.Metric) -> int:
    """The number of the winner."""
    losses = {number: row_losses(finalist, rows, metric) for number, finalist in found.items()}
    default = DEFAULT if DEFAULT in losses else min(losses)
    return choose(losses, default, PLAIN if PLAIN in losses else None)


def row_losses(finalist: Finalist, rows: Rows, metric: str | scores.Metric) -> np.ndarray:
    """Out-of-fold loss of each training row, averaged over repeats; holdout: its rows only."""
    target = torch.from_numpy(rows.target(rows.train))
    total, count = np.zeros(len(target)), np.zeros(len(target))
    for fold, part in zip(rows.folds, finalist.parts, strict=True):
        at = fold.validation
        total[at] += scores.row_losses(metric, torch.from_numpy(part), target[at]).numpy()
        count[at] += 1
    return total[count > 0] / count[count > 0]
