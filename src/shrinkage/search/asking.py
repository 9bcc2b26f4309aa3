"""What a study trains next: a cohort of its search, as large as its time allows.

A cohort's first rung takes a part of the time left, at most, by what its recipes cost: dear ones
come fewer at a time. Recipes that could not come to their end any more are not begun; the search is
asked again. Where trials are counted, and not seconds, no recipe is left out for what it costs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shrinkage import kernels
from shrinkage.population.compiled import knows
from shrinkage.recipe import Recipe
from shrinkage.search import cost, memory, proposers
from shrinkage.search.budget import COHORT_SHARE, affordable, cohort_size
from shrinkage.search.cohort import Cohort
from shrinkage.search.halving import RUNGS
from shrinkage.store.tables import claim_of

if TYPE_CHECKING:
    from shrinkage.search.study import Study

_TRIES = 100
"""Cohorts asked for in a row without a new recipe: after that the space is used up."""

_DEAR = 8
"""Cohorts asked for in a row of which no recipe would come to its end."""


def cohort(study: Study) -> Cohort | None:
    """A new cohort of recipes that were not tried yet; None where there are none."""
    known, problem, trials = study.known, study.problem, study.settings.trials
    known.news(at_once=True)
    if known.dry == known.heard:
        return None
    left = study.search_deadline - time.monotonic()
    first_rung = RUNGS[0] * study.seconds_of(study.space.base)
    size = cohort_size(problem.folds, problem.device, first_rung, left)
    each = cost.bytes_held(study.space.base, problem.shape)
    room = memory.room(problem.device, each) or size * problem.folds
    size = min(size, study.memory_holds or size, max(1, room // problem.folds))
    share = 0.0 if trials is not None else study.clock.share_until(left)
    dear = 0
    for _ in range(_TRIES):
        count = size if trials is None else min(size, trials - known.trials)
        if count <= 0 or not study.space.dimensions:
            return None
        fresh = _untried(study, count, share)
        if fresh and trials is None:
            fresh = _in_time(study, fresh, left)
            dear += not fresh
        if dear == _DEAR:
            break
        if fresh and (begun := _begin(study, fresh)):
            return begun
        if trials is None and time.monotonic() > study.search_deadline:
            return None
    known.dry = known.heard
    return None


def _untried(study: Study, count: int, share: float) -> dict[str, Recipe]:
    """What the search asks for, by hash, but for recipes that were tried. share: of time, left."""
    study.tell()
    cohorts = study.known.cohorts.values()
    tried = {recipe for each in cohorts for recipe in each.trials.values()}
    new = [each for each in cohorts if not each.rung]
    pending = [each.trials[number] for each in new for number in each.alive]
    asked = study.searching.ask(study.store.take_number(), count, pending, share)
    return {r.hash: r for r in map(study.with_loss, asked) if r not in tried}


def fits(study: Study, cohort: Cohort) -> bool:
    """Whether a cohort's next rung ends before the search does, and after it one of its recipes.

        leg (sum of w_i) + (1 - rung) min w_i,   w_i: seconds of a whole training of those alive

    What a recipe took so far, from its start, tells w within a tenth; else there is a guess.
    """
    begun = study.checkpoint(cohort) is not None
    past, end = RUNGS[cohort.rung - 1] if begun else 0.0, RUNGS[cohort.rung]
    spent = study.known.seconds
    measured = begun and all(spent.get(number, 0.0) > 0 for number in cohort.alive)
    whole = [
        spent[number] / past if measured else study.seconds_of(cohort.trials[number])
        for number in cohort.alive
    ]
    seconds = (end - past) * sum(whole) + (1 - end) * min(whole)
    return study.in_time(seconds, hope=1.0) if measured else study.in_time(seconds)


def _in_time(study: Study, recipes: dict[str, Recipe], left: float) -> dict[str, Recipe]:
    """Those that could still come to their end, as many as the first rung has time for."""
    seconds = {hash_: study.seconds_of(recipe) for hash_, recipe in recipes.items()}
    ending = [hash_ for hash_, whole in seconds.items() if study.in_time(whole)]
    # Two as dear as the base fit in any case, or at the end of a search nothing would.
    first_rung = max(COHORT_SHARE * left, 2 * RUNGS[0] * study.seconds_of(study.space.base))
    count = affordable([RUNGS[0] * seconds[hash_] for hash_ in ending], first_rung)
    return {hash_: recipes[hash_] for hash_ in ending[:count]}


def _begin(study: Study, recipes: dict[str, Recipe]) -> Cohort | None:
    """A cohort of these, by hash; None where other clients were faster with all of them.

    One that the compiled trainer does not know would take the others from it: they are two cohorts
    then, and the second waits for the next process, here or elsewhere.
    """
    source = proposers.source_of(study.searching, next(iter(recipes.values())))
    begun: list[Cohort] = []
    for some in _apart(study, recipes):
        texts = {hash_: recipe.to_toml() for hash_, recipe in some.items()}
        number, numbers = study.store.add_cohort(source, texts, study.settings.trials)
        if numbers:
            trials = {number: some[hash_] for hash_, number in numbers.items()}
            begun.append(study.known.add(number, source, trials))
    if not begun:
        study.known.news(at_once=True)
        return None
    for waiting in begun[1:]:
        study.store.claims.give_up(claim_of(waiting.number))
    return begun[0]


def _apart(study: Study, recipes: dict[str, Recipe]) -> list[dict[str, Recipe]]:
    """Those that the compiled trainer takes, and the others; all in one where there is none."""
    if study.problem.device != "cpu" or not kernels.available():
        return [recipes]
    parts = [{h: r for h, r in recipes.items() if knows(r) == known} for known in (True, False)]
    return [part for part in parts if part]
