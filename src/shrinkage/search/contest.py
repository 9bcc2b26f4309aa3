"""Who can win: trials that were trained to their end, and their out-of-fold losses.

A recipe may have been trained again with other seeds; its networks then predict together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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

AGAIN = "again"
"""The source of a trial that repeats another's recipe with a new seed."""


@dataclass(frozen=True, eq=False)
class Finalist:
    """weights: [S*K, P], statistics: [S*K, Q]: S seeds by K folds, seed after seed.

    parts: predictions on the validation rows of each fold, averaged over seeds.
    """

    trial: Trial
    recipe: Recipe
    weights: Tensor
    statistics: Tensor
    parts: list[np.ndarray]
    seeds: int = 1
    seconds: float = 0.0


def finalists(store: Store, folder: Folder, folds: int) -> dict[int, Finalist]:
    """All trials that can win, by number.

    Trials 0 and 1 count even where the time cut them short: something must be there to return.
    """
    found = {}
    for trial in store.trials():
        reference = trial.number in (DEFAULT, PLAIN)
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
        parts = [tensors[f"prediction.{k}"].numpy() for k in range(folds)]
    except (SafetensorError, KeyError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}; fit again") from None
    if not all(np.isfinite(part).all() for part in parts):
        return None
    recipe = Recipe.from_toml(trial.recipe)
    weights, statistics = tensors["weights"], tensors["statistics"]
    return Finalist(trial, recipe, weights, statistics, parts, 1, trial.seconds)


def leading(found: dict[int, Finalist], rows: Rows, metric: str) -> int:
    """The number of the winner among single trainings; repeats only join it."""
    losses = {
        number: row_losses(finalist, rows, metric)
        for number, finalist in found.items()
        if finalist.trial.source != AGAIN
    }
    default = DEFAULT if DEFAULT in losses else min(losses)
    return choose(losses, default, PLAIN if PLAIN in losses else None)


def repeats(found: dict[int, Finalist], winner: Finalist) -> list[Finalist]:
    """Finished repeats of the winner's recipe."""
    return [f for f in found.values() if f.trial.source == AGAIN and f.recipe == winner.recipe]


def together(group: Sequence[Finalist]) -> Finalist:
    """One finalist whose networks are those of the group, all of one recipe."""
    parts = [
        np.mean([finalist.parts[k] for finalist in group], axis=0)
        for k in range(len(group[0].parts))
    ]
    return replace(
        group[0],
        weights=torch.cat([finalist.weights for finalist in group]),
        statistics=torch.cat([finalist.statistics for finalist in group]),
        parts=parts,
        seeds=sum(finalist.seeds for finalist in group),
        seconds=sum(finalist.seconds for finalist in group),
    )


def row_losses(finalist: Finalist, rows: Rows, metric: str) -> np.ndarray:
    """Out-of-fold loss of each training row, averaged over repeats; holdout: its rows only."""
    target = torch.from_numpy(rows.target(rows.train))
    total, count = np.zeros(len(target)), np.zeros(len(target))
    for fold, part in zip(rows.folds, finalist.parts, strict=True):
        at = fold.validation
        total[at] += scores.row_losses(metric, torch.from_numpy(part), target[at]).numpy()
        count[at] += 1
    return total[count > 0] / count[count > 0]
