"""What a study would do with its budget, before it does it: `fit --dry-run`.

A few steps of trial 0 are timed, as at the start of every study; `search.cost` says what another
recipe costs beside it, and the rest follows from how a study divides its time. Memory is what this
process has come to by then, and what the largest of some of the search's cohorts would hold.
"""

from __future__ import annotations

import resource
import tempfile
import time
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from shrinkage.data.source import Table
from shrinkage.engine import local
from shrinkage.population.cohort import network_of
from shrinkage.search import cost, memory, session
from shrinkage.search.above import Keep
from shrinkage.search.budget import REFIT_SAFETY, Clock, cohort_size
from shrinkage.search.folder import Folder
from shrinkage.search.halving import ETA, RUNGS
from shrinkage.search.refit import MOST_SEEDS
from shrinkage.search.settings import Settings
from shrinkage.search.study import Study

_BASELINES_S = 3.0
"""Two of scikit-learn's models on a small table; on a large one they go on to the end."""

_LOOKED_AT = 32
"""Recipes of the search whose memory is looked at; the largest counts."""


@dataclass(frozen=True)
class Plan:
    """rows: for training. members: networks a cohort, of `recipes` recipes on `folds` folds.

    epochs: of each recipe; asked: before the budget cut them. rungs: epochs at which trials are
    compared. recipes_tried: of the whole search. seconds: by part of the study, all workers at
    work. peak_mb: resident memory of the largest process.
    """

    rows: int
    folds: int
    workers: int
    device: str
    epochs: int
    asked: int
    rungs: tuple[int, ...]
    recipes: int
    members: int
    weights: int
    step_ms: float
    recipes_tried: int
    refits: int
    seconds: dict[str, float]
    peak_mb: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def planned(table: Table, settings: Settings, started: float, keep: Keep) -> Plan:
    """Read the table, time a few steps, and leave nothing behind. Raises BadInput.

    keep: seconds of the look at the end, see `search.above`.
    """
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as place:
        folder, pool = Folder(Path(place) / "plan"), local.executor(0)
        with session.prepared(table, settings, folder, Clock(started, settings.budget_s)) as study:
            try:
                # A study's processes have one each.
                torch.set_num_threads(1 if settings.workers else threads)
                return _of(study, pool, keep)
            finally:
                torch.set_num_threads(threads)


def _of(study: Study, pool: Executor, keep: Keep) -> Plan:
    study.plan(pool)
    look = keep(study)
    with session.keeping(study, look):
        return _divided(study, look)


def _divided(study: Study, look: float) -> Plan:
    """How a study divides its time. look: seconds that are kept for the look at the end."""
    settings, clock, problem = study.settings, study.clock, study.problem
    recipe = study.space.base
    network = network_of(recipe, problem.shape)
    shape = problem.shape
    slots, trial, one = max(1, settings.workers), study.trial_seconds, study.refit_s
    read = time.monotonic() - clock.started
    begun = [recipe for each in study.known.cohorts.values() for recipe in each.trials.values()]
    references = (sum(map(study.seconds_of, begun)) + _BASELINES_S) / min(slots, 2)
    search = max(0.0, study.search_deadline - time.monotonic() - references)
    count = cohort_size(problem.folds, problem.device, RUNGS[0] * trial, search)
    # Of a cohort's trials one in ETA goes on at each rung.
    kept = [ETA**-rung for rung in range(len(RUNGS))]
    legs = [end - begin for begin, end in zip((0.0, *RUNGS), RUNGS, strict=False)]
    share = sum(part * leg for part, leg in zip(kept, legs, strict=True))
    tried = int(search * slots / max(share * trial, 1e-9))
    if settings.trials is not None:
        tried = min(tried, settings.trials - len(begun))
        search = tried * share * trial / slots
    refit = clock.deadline - study.search_deadline
    refits = min(MOST_SEEDS, slots * int(refit / max(REFIT_SAFETY * one, 1e-9)))
    if not settings.refit:
        refit, refits = 0.0, 0
    members = count * problem.folds
    others = study.searching.ask(0, _LOOKED_AT) if tried > 0 else []
    most = max([cost.bytes_held(other, shape) for other in others], default=0)
    more = members * most / 2**20
    now = memory.peak(resource.RUSAGE_SELF)
    total = recipe.epochs
    return Plan(
        rows=len(study.rows.train),
        folds=problem.folds,
        workers=settings.workers,
        device=problem.device,
        epochs=total,
        asked=study.default.epochs,
        rungs=tuple(max(1, round(rung * total)) for rung in RUNGS),
        recipes=count,
        members=members,
        weights=network.weights.size,
        step_ms=1000 * study.step_seconds / problem.folds,
        recipes_tried=max(0, tried),
        refits=refits,
        seconds={
            "reading and timing": round(read, 1),
            "default, plain, baselines": round(references, 1),
            "search": round(search, 1),
            "all rows": round(refits / slots * one * REFIT_SAFETY, 1),
            "first look": round(look, 1),
            "whole budget": settings.budget_s,
        },
        peak_mb=round(now + more, 1),
    )
