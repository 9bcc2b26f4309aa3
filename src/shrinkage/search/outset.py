"""What a study decides once, at its outset, by timing a few steps of trial 0.

Where several machines begin it, the first decides; the others wait, and time the steps for
themselves: how long a training takes is each machine's own.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from shrinkage import scores
from shrinkage.engine.task import Problem, scaling_of
from shrinkage.engine.timing import Timing, timed
from shrinkage.errors import BadInput
from shrinkage.search import memory
from shrinkage.search.budget import affordable_epochs
from shrinkage.search.contest import FRESH, PLAIN
from shrinkage.wording import command

if TYPE_CHECKING:
    from shrinkage.search.study import Study

log = logging.getLogger("shrinkage")

_TIMED_STEPS = 10
_SHORT = 2
"""Times the epochs that it has: where a study's recipe could have so many, that is worth a word."""
_TICK_S = 0.25


def agreed(study: Study, pool: Executor) -> dict[str, Any]:
    """The plan: the share of its epochs that trial 0 can have, the seconds that they and one step
    will take here, and the precision of its products. Its first trials are written with it.

    Raises BadInput where memory does not hold trial 0, and where another machine should have
    decided and has not by the end of this one's time.
    """
    claims = study.store.claims
    while (plan := _written(study)) is None:
        if claims.take("plan"):
            try:
                if _written(study) is None:
                    _decide(study, pool)
            finally:
                claims.give_up("plan")
            continue
        study.show("waiting for another machine to begin")
        if study.clock.left <= 0:
            again = f"`{command('resume', study.folder.root, '--budget', '5m')}`"
            raise BadInput(
                f"no machine has begun the study within this one's time; give it more: {again}"
            )
        time.sleep(_TICK_S)
    if plan.get("client", study.store.client) == study.store.client:
        _say_if_short(study, plan)
        return plan
    found, steps = _timed(study, pool, replace(study.problem, precision=plan["precision"]))
    seconds = found.step_s * steps * plan["epochs_share"]
    return {**plan, "trial_seconds": seconds, "step_seconds": found.step_s}


def _written(study: Study) -> dict[str, Any] | None:
    """The plan, once it is there with the first trials."""
    study.known.look()
    return study.store.study().plan if study.known.cohorts else None


def _decide(study: Study, pool: Executor) -> None:
    """Write the plan and the first trials."""
    plan = study.store.study().plan or _measured(study, pool)
    share = plan["epochs_share"]
    default, plain = (study.shortened(each, share) for each in (study.default, study.plain))
    references = [("default", default), ("plain", plain)]
    most = study.settings.trials
    if study.problem.start is not None and (most is None or most > PLAIN + 1):
        references.append((FRESH, default.without("layer_rates")))
    study.store.begin(plan, [(source, r.hash, r.to_toml()) for source, r in references])


def _measured(study: Study, pool: Executor) -> dict[str, Any]:
    """The plan, by what this machine can do in the time that is left; without any, no plan."""
    found, steps = _timed(study, pool, study.problem)
    if study.clock.left <= -study.grace:
        raise BadInput(
            f"reading this table and making it ready took all of {study.clock.budget_s:g} s: "
            "give it more, with --budget"
        )
    seconds, epochs = found.step_s * steps, study.default.epochs
    share = affordable_epochs(epochs, seconds, study.clock.left) / epochs
    if share < 1:
        log.info("epochs are cut to %.0f %% to fit the budget", 100 * share)
    if found.precision == "bfloat16":
        log.info("products of wide layers are in bfloat16")
    return {
        "epochs_share": share,
        "trial_seconds": seconds * share,
        "step_seconds": found.step_s,
        "precision": found.precision,
        "greater_is_better": scores.find(study.problem.metric).greater_is_better,
        "client": study.store.client,
    }


def _say_if_short(study: Study, plan: dict[str, Any]) -> None:
    """A plan is for good, also where an earlier session had little time for it."""
    share, epochs = plan["epochs_share"], study.default.epochs
    most = affordable_epochs(epochs, plan["trial_seconds"] / share, study.clock.left)
    if (has := max(1, round(epochs * share))) * _SHORT <= most:
        study.store.note(
            f"Trial 0 has {has:,} of its {epochs:,} epochs, for which this study's first session "
            f"had the time; with {study.clock.budget_s:g} s a new fit would have {most:,}."
        )


def _timed(study: Study, pool: Executor, problem: Problem) -> tuple[Timing, int]:
    """A few steps of trial 0, and how many its whole training has."""
    study.show("timing a few steps")
    recipe = study.shortened(study.default, 1.0)
    study.prepare(scaling_of(recipe))
    asked = problem, recipe, study.settings.seed, _TIMED_STEPS, study.clock.deadline
    timing = pool.submit(timed, *asked)
    # What only the end needs is imported while the first worker starts: a second saved.
    import_module("skops.io")
    try:
        found = timing.result()
    except Exception as error:
        raise (memory.too_little(study.folder.root) if memory.ran_out(error) else error) from None
    steps = study.rung_steps(recipe)[-1]
    log.info("first steps done %.1f s after the start", found.ready - study.clock.started)
    log.info("trial 0 would take %.1f s at %d epochs", found.step_s * steps, recipe.epochs)
    return found, steps
