"""What a training step takes, by taking a few: a study plans with it.

Where the precision of matrix products is to be chosen, the faster one is: bfloat16 only where the
recipe is wide, the machine multiplies faster in it, and whole steps are faster by a margin.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from shrinkage.engine.task import Problem, cohort_of, score_of
from shrinkage.nets.precision import gains, wide
from shrinkage.population.captured import WARM
from shrinkage.population.cohort import network_of
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe

_WARM_STEPS = 2
_MARGIN = 1.15


@dataclass(frozen=True)
class Timing:
    """step_s: wall-clock seconds of a step of one recipe's cohort, its first steps left out.

    ready: when those were done, in seconds of time.monotonic(). precision: of the products.
    """

    step_s: float
    ready: float
    precision: str


def timed(problem: Problem, recipe: Recipe, seed: int, steps: int, deadline: float) -> Timing:
    """Times `steps` steps, or as many as the deadline allows."""

    def at(precision: str) -> Timing:
        return _timed(replace(problem, precision=precision), recipe, seed, steps, deadline)

    if problem.precision != "auto":
        return at(problem.precision)
    if problem.device != "cpu":
        return at("tf32")
    full = at("float32")
    if not wide(network_of(recipe, problem.shape)) or not gains():
        return full
    low = at("bfloat16")
    return replace(low, ready=full.ready) if _MARGIN * low.step_s < full.step_s else full


def _timed(problem: Problem, recipe: Recipe, seed: int, steps: int, deadline: float) -> Timing:
    training = Training.begin(cohort := cohort_of(problem, ((0, recipe),), seed))
    score, warm = score_of(problem.metric), _WARM_STEPS
    if cohort.captured is not None:  # what a step takes later is what one takes by the graph
        warm = min(WARM + _WARM_STEPS, cohort.total_steps // 2)
    training = advance(training, warm, score)
    first, began, ready = training.state.step, time.perf_counter(), time.monotonic()
    training = advance(training, first + steps, score, lambda: time.monotonic() > deadline)
    seconds = (time.perf_counter() - began) / max(1, training.state.step - first)
    return Timing(seconds, ready, problem.precision)
