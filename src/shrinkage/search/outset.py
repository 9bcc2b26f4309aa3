"""What a study decides once, at its outset, by timing a few steps of trial 0.

Where several machines begin it, the first decides and the others wait.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shrinkage.engine.task import Problem, scaling_of
from shrinkage.engine.timing import timed
from shrinkage.errors import BadInput
from shrinkage.recipe import Recipe
from shrinkage.search import memory
from shrinkage.search.budget import Clock, affordable_epochs
from shrinkage.search.contest import FRESH, PLAIN

if TYPE_CHECKING:
    from shrinkage.search.study import Study

log = logging.getLogger("shrinkage")

_TIMED_STEPS = 10
_TICK_S = 0.25


def agreed(study: Study, pool: Executor) -> dict[str, Any]:
    """The study's plan, which is there as soon as its first trials are.

    Raises BadInput where the client that should have decided has not, and time is up.
    """
    claims = study.store.claims
    while (plan := _written(study)) is None:
        if claims.take("plan"):
            if _written(study) is None:
                _decide(study, pool)
            claims.give_up("plan")
            continue
        study.show("waiting for another machine to begin")
        if study.clock.left <= 0:
            way_out = f"give it more time: `shrinkage resume {study.folder.root} --budget 5m`"
            raise BadInput(f"no machine has begun the study within this one's time; {way_out}")
        time.sleep(_TICK_S)
    return plan


def _written(study: Study) -> dict[str, Any] | None:
    study.known.look()
    return study.store.study().plan if study.known.cohorts else None


def _decide(study: Study, pool: Executor) -> None:
    """Write the plan and the first trials."""
    plan = study.store.study().plan
    if plan is None:
        study.show("timing a few steps")
        recipe = study.recipes[0].for_task(study.rows.schema.task)
        study.prepared(scaling_of(recipe))
        asked = study.problem, recipe, study.settings.seed, study.rung_steps(recipe)[-1]
        plan = decided(pool, *asked, study.clock, study.folder.root)
    default, plain = (study.shortened(each, plan["epochs_share"]) for each in study.recipes)
    references = [("default", default), ("plain", plain)]
    most = study.settings.trials
    if study.problem.start is not None and (most is None or most > PLAIN + 1):
        references.append((FRESH, default.without("layer_rates")))
    study.store.begin(plan, [(source, r.hash, r.to_toml()) for source, r in references])


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
