"""Train the winner on all training rows, with as many seeds as the time that is left allows.

What comes of it lies in work/refit, one file a task, and joins the folds' networks in the model.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shrinkage.engine import arrays, refit
from shrinkage.errors import BadInput, Unwritable
from shrinkage.randomness import derive
from shrinkage.search import memory, rows
from shrinkage.search.budget import REFIT_SAFETY
from shrinkage.search.contest import finalists, leading, row_losses
from shrinkage.search.folder import Folder
from shrinkage.search.study import Study, log

MOST_SEEDS = 8
"""More networks make the model larger and slower, and gain little."""

_TICK_S = 0.25


def train(study: Study, pool: Executor) -> None:
    """Choose the recipe that wins, and train it on all rows. Without enough time: nothing."""
    folder, problem, settings = study.folder, study.problem, study.settings
    found = finalists(study.store, folder, problem.folds)
    if not found or not settings.refit:
        return
    winner = found[leading(found, study.rows, problem.metric)]
    if winner.trial.status != "finished":
        return
    smallest = min(len(fold.train) for fold in study.rows.folds)
    seconds = winner.trial.seconds / problem.folds * len(study.rows.train) / smallest
    # What validated each epoch took is not subtracted: the guess stays on the safe side.
    seconds *= winner.share
    slots = max(1, settings.workers)
    each = min(int(study.clock.left / (REFIT_SAFETY * max(seconds, 1e-9))), MOST_SEEDS // slots)
    earlier = networks(folder, winner.trial.number)
    before = 0 if earlier is None else earlier.seeds
    if each < 1 or before >= MOST_SEEDS:
        return
    path = refit.arrays_of(folder.work, winner.recipe)
    if not path.exists():
        arrays.write(rows.prepare_all(study.rows, refit.scaling_of(winner.recipe))[0], path)
    bar = float(row_losses(winner, study.rows, problem.metric).mean())
    folder.refits.mkdir(exist_ok=True)
    log.info("training %d networks on all rows, about %.1f s each", slots * each, seconds)
    running: dict[Future, refit.Refit] = {}
    start = study.problem_of(winner.trial.source)
    for slot in range(slots):
        first = before + slot * each
        seeds = tuple(_seed(settings.seed, i) for i in range(first, first + each))
        after = folder.refits / f"{winner.trial.number:05d}-{first:04d}.safetensors"
        task = refit.Refit(
            start, winner.recipe, seeds, winner.share, bar, after, study.clock.deadline
        )
        running[pool.submit(refit.run, task)] = task
    while running and study.clock.left > -study.grace:
        study.show("all rows", alive=sum(len(task.seeds) for task in running.values()))
        for future in wait(running, timeout=_TICK_S).done:
            for again in _finish(running.pop(future), future):
                running[pool.submit(refit.run, again)] = again


def _finish(task: refit.Refit, future: Future) -> list[refit.Refit]:
    """What is still to be done: halves, where memory did not hold all seeds at once.

    The winner stands already: what else fails here costs the refit, not the study.
    """
    try:
        log.info("%d networks on all rows are kept, %.1f s", *future.result())
    except Unwritable:
        raise
    except Exception as error:
        if memory.ran_out(error) and len(task.seeds) > 1:
            memory.let_go(error)
            log.warning("no memory for %d networks on all rows: %s", len(task.seeds), error)
            return _halves(task)
        log.exception("training on all rows failed")
    return []


def _halves(task: refit.Refit) -> list[refit.Refit]:
    middle = len(task.seeds) // 2
    stem, _, first = task.after.stem.rpartition("-")
    after = task.after.with_stem(f"{stem}-{int(first) + middle:04d}")
    return [
        replace(task, seeds=task.seeds[:middle]),
        replace(task, seeds=task.seeds[middle:], after=after),
    ]


@dataclass(frozen=True, eq=False)
class Networks:
    """A recipe's networks on all rows: weights [S, P], statistics [S, Q], seconds in all.

    seeds: how many were tried, each with a network or more; those that were no good are not here.
    """

    weights: Tensor
    statistics: Tensor
    seconds: float
    seeds: int


def networks(folder: Folder, trial: int) -> Networks | None:
    """What refits of a trial's recipe have left, or None."""
    paths = sorted(folder.refits.glob(f"{trial:05d}-*.safetensors"))
    files = [_read(path) for path in paths]
    if not files:
        return None
    weights, statistics = (
        torch.cat([f[name] for f in files]) for name in ("weights", "statistics")
    )
    seconds, seeds = (sum(float(f[name]) for f in files) for name in ("seconds", "seeds"))
    return Networks(weights, statistics, seconds, int(seeds))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}; remove it and resume") from None


def _seed(seed: int, index: int) -> int:
    """The study's own seed first, so that one refit is the recipe as it was searched."""
    return seed if index == 0 else derive(seed, "refit", index)
