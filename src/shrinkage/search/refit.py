"""Train what wins on all training rows, with as many seeds as the time that is left allows.

What comes of it lies in work/refit, one file a task, and joins the folds' networks in the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shrinkage import interrupts
from shrinkage.engine import arrays, refit
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput, Unwritable
from shrinkage.randomness import derive
from shrinkage.search import journal, memory, rows
from shrinkage.search.budget import REFIT_SAFETY
from shrinkage.search.contest import Finalist, part_of
from shrinkage.search.folder import Folder
from shrinkage.search.standing import standing
from shrinkage.search.study import Study, log

MOST_SEEDS = 8
"""Networks of the recipes that predict together; more make the model larger and gain little."""

COUNTS = 3
"""A network on all rows, which knows more, says as much as so many of the folds' networks; see
docs/log.md."""

_TICK_S = 0.25


def train(study: Study, pool: Executor) -> None:
    """Choose the recipes that win, and train them on all rows. Without enough time: nothing."""
    folder, settings = study.folder, study.settings
    now = standing(study)
    if now is None or not settings.refit:
        return
    found, shares = now.found, now.blend.shares
    folder.refits.mkdir(exist_ok=True)
    slots = max(1, settings.workers)
    tried = {number: _tried(folder, number) for number in shares}
    waiting = [
        (found[number], first, count)
        for number, share in shares.items()
        if found[number].trial.status == "finished"
        for first, count in _pieces(sorted({*range(_seeds(share))} - tried[number]), slots)
    ]
    running: dict[Future, refit.Refit] = {}
    while study.clock.left > -study.grace:
        interrupts.check()
        study.harvest()  # a baseline that has ended leaves its process
        while len(running) < max(1, settings.workers - study.busy) and waiting:
            if (work := _work(study, *waiting.pop(0))) is not None:
                running[pool.submit(refit.run, work)] = work
        if not running:
            return
        study.show("all rows", alive=sum(len(task.seeds) for task in running.values()))
        for future in wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED).done:
            for again in _finish(running.pop(future), future):
                running[pool.submit(refit.run, again)] = again


def _seeds(share: float) -> int:
    """How many networks a recipe with this share gets: what it says is worth that much care."""
    return max(1, round(MOST_SEEDS * share))


def _pieces(seeds: Sequence[int], slots: int) -> list[tuple[int, int]]:
    """Seeds in order, as pieces of neighbours (first, count): one a process, or more with gaps."""
    parts = np.array_split(np.array(seeds, dtype=int), slots)
    pieces = (np.split(part, np.flatnonzero(np.diff(part) > 1) + 1) for part in parts)
    return [(int(piece[0]), len(piece)) for piece in chain(*pieces) if len(piece)]


def _work(study: Study, winner: Finalist, first: int, count: int) -> refit.Refit | None:
    """As many of these seeds as time allows; None where it allows none."""
    folder, number = study.folder, winner.trial.number
    # What validating each epoch took is not subtracted: the guess stays on the safe side.
    part = part_of(winner.share, winner.recipe)
    seconds = study.on_all_rows_s(study.trained_s(number) * part)
    left, seconds = study.clock.left, max(seconds, 1e-9)
    # One is tried where it just fits: else a search that ended a little late would leave none.
    count = min(count, max(int(left / (REFIT_SAFETY * seconds)), int(left > seconds)))
    if count < 1:
        return None
    path = refit.arrays_of(folder.work, winner.recipe)
    scaling = scaling_of(winner.recipe)
    arrays.write_once(path, lambda: rows.prepare_all(study.rows, scaling)[0])
    score = winner.trial.score
    bar = -math.inf if score is None else score
    message = "training %d networks of trial %d on all rows, about %.1f s each"
    log.info(message, count, number, seconds)
    seeds = tuple(_seed(study.settings.seed, i) for i in range(first, first + count))
    after = folder.refits / f"{number:05d}-{first:04d}.safetensors"
    start = study.problem_of(winner.trial.source)
    return refit.Refit(start, winner.recipe, seeds, winner.share, bar, after, study.clock.deadline)


def _finish(task: refit.Refit, future: Future) -> list[refit.Refit]:
    """What is still to be done: halves, where memory did not hold all seeds at once.

    The winner stands already: what else fails here costs the refit, not the study.
    """
    try:
        kept, seconds = future.result()
        journal.REFIT.say(networks=kept, seconds=seconds)
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

    Those that were no good are not here.
    """

    weights: Tensor
    statistics: Tensor
    seconds: float


def says(on_folds: int, on_all: int) -> tuple[float, ...]:
    """What each network says of its recipe's prediction, those of the folds first; sums to 1."""
    whole = on_folds + COUNTS * on_all
    return *[1 / whole] * on_folds, *[COUNTS / whole] * on_all


def networks(folder: Folder, trial: int) -> Networks | None:
    """What refits of a trial's recipe have left, or None."""
    files = [_read(path) for path in _files(folder, trial)]
    if not files:
        return None
    weights, statistics = (
        torch.cat([f[name] for f in files]) for name in ("weights", "statistics")
    )
    return Networks(weights, statistics, sum(float(f["seconds"]) for f in files))


def _tried(folder: Folder, trial: int) -> set[int]:
    """The seeds that refits of this trial's recipe have tried, whether or not they were kept."""
    counts = {path: int(_read(path)["seeds"]) for path in _files(folder, trial)}
    for path in folder.refits.glob(f"{trial:05d}-*{refit.NO_GOOD}"):
        counts[path] = int(path.read_text() or 0)
    firsts = {path: int(path.stem.rpartition("-")[2]) for path in counts}
    return {firsts[path] + i for path, count in counts.items() for i in range(count)}


def _files(folder: Folder, trial: int) -> list[Path]:
    return sorted(folder.refits.glob(f"{trial:05d}-*.safetensors"))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is damaged: {error}; remove it and resume") from None


def _seed(seed: int, index: int) -> int:
    """The study's own seed first, so that one refit is the recipe as it was searched."""
    return seed if index == 0 else derive(seed, "refit", index)
