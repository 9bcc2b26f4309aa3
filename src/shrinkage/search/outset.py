"""What a study decides once, at its outset, by timing a few steps of trial 0."""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path
from typing import Any

from shrinkage.engine.task import Problem
from shrinkage.engine.timing import timed
from shrinkage.recipe import Recipe
from shrinkage.search import memory
from shrinkage.search.budget import Clock, affordable_epochs

log = logging.getLogger("shrinkage")

_TIMED_STEPS = 10


def decided(
    pool: Executor,
    problem: Problem,
    recipe: Recipe,
    seed: int,
    steps: int,
    clock: Clock,
    folder: Path,
) -> dict[str, Any]:
    """The study's plan: the share of its epochs that trial 0 can have of `steps` steps, the seconds
    that they and one step will take, and the precision of its products.

    Raises BadInput where memory does not hold trial 0.
    """
    timing = pool.submit(timed, problem, recipe, seed, _TIMED_STEPS, clock.deadline)
    # What only the end needs is imported while the first worker starts: a second saved.
    import_module("skops.io")
    try:
        found = timing.result()
    except Exception as error:
        raise memory.too_little(folder) if memory.ran_out(error) else error from None
    log.info("first steps done %.1f s after the start", found.ready - clock.started)
    seconds = found.step_s * steps
    share = affordable_epochs(recipe.epochs, seconds, clock.left) / recipe.epochs
    log.info("trial 0 would take %.1f s at %d epochs", seconds, recipe.epochs)
    if share < 1:
        log.info("epochs are cut to %.0f %% to fit the budget", 100 * share)
    if found.precision == "bfloat16":
        log.info("products of wide layers are in bfloat16")
    return {
        "epochs_share": share,
        "trial_seconds": seconds * share,
        "step_seconds": found.step_s,
        "precision": found.precision,
    }
