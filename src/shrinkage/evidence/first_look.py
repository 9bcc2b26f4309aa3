"""A first look, at the end of `fit`, at what each ingredient of the winner bought.

The first part of an ablation (`evidence.ablate`) in the time that is left. Three learning rates and
all folds where a guess says that three seeds fit; else the winner's rate alone, and fewer folds:
those that are left judge `FEWEST_ROWS` or more, for on fewer networks decide alike whatever they
are made of. Guesses may be off by two, so what is trained grows until the time ends: two
ingredients at two seeds, at three; three of them, five, eight, all; then more seeds. What was
added to the plain network comes before what was exchanged.
At one learning rate, the winner's, no verdicts are given: a gain that is the rate's would be booked
as an ingredient's. `shrinkage ablate` goes on from the files that a look on all folds leaves.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.evidence import ablate, ablation, arms
from shrinkage.evidence.design import Design
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import studied
from shrinkage.recipe import Recipe
from shrinkage.search import cost
from shrinkage.search.budget import REFIT_SAFETY, Clock
from shrinkage.search.result import Result
from shrinkage.search.rows import repeats_of
from shrinkage.search.study import Study

log = logging.getLogger("shrinkage")

SHARE, ENOUGH_S = 0.15, 15.0
"""At most this share of the budget is kept, or so many seconds where those are more: of a minute it
takes a quarter to tell anything."""

SHORTEST_S = 60.0
"""A shorter study needs all its time for the search."""

MOST_SEEDS = 10
"""As many as `shrinkage ablate` trains."""

BEGIN_S = 1.5
"""Writing the arrays and sending tasks."""

ENDING_S, ENDING_SHARE = 2.5, 0.01
"""Writing what was found, and the report: so much, and this share of the budget. It took 0.3 to
1.1 s in twelve runs of two minutes."""

HOPE = 2.0
"""The least look is begun where it seems to take so many times what is left: nothing else needs
that time, and costs are guesses."""

UNSURE = 1.5
"""What a person is told that an ablation takes is the guess so many times."""

TIMED = 3.0
"""Steps timed at the outset, while processes begin, are so many times slower than what follows."""

FEWEST_ROWS = 500
"""A decision that changes on one of so many moves the accuracy by 0.002."""

WIDENING = (2, 3, 5, 8)
"""Ingredients that are looked at before all are."""


@dataclass(frozen=True)
class Form:
    """What every arm is trained at: times the winner's rate, and the first so many folds."""

    factors: tuple[float, ...]
    folds: int

    def networks(self, ingredients: int, seeds: int) -> int:
        return (ingredients + ablate.BESIDE) * len(self.factors) * self.folds * seeds


def forms(judged: Sequence[int]) -> list[Form]:
    """From the best to the least. judged: rows, by fold."""
    folds = len(judged)
    fewer = [n for n in range(folds - 1, 0, -1) if sum(judged[:n]) >= FEWEST_ROWS]
    return [Form(arms.AROUND, folds), *(Form((1.0,), n) for n in (folds, *fewer))]


def seconds_kept(study: Study) -> float:
    """Seconds to keep: what the best form takes if the recipe that leads by now is the winner.

    At most `SHARE` or `ENOUGH_S`; 0 where the least look is far from fitting that, or where it
    would take the time of the only network on all rows.
    """
    if not _wanted(study):
        return 0.0
    leader = study.known.leader
    recipe = study.space.base if leader is None else study.known.recipe(leader)
    if _done(study, recipe.hash) or not (count := _ingredients(study, recipe)):
        return 0.0
    one, every = _network(study, recipe, leader), forms(_judged(study))
    around, most = BEGIN_S + _ending(study), max(SHARE * study.settings.budget_s, ENOUGH_S)
    if around + one * _least(every[-1], count) > HOPE * most:
        return 0.0
    kept = min(most, around + one * every[0].networks(count, ablate.SEEDS))
    if leader is None or not study.settings.refit:
        return kept
    alone = REFIT_SAFETY * study.refit_s + study.clock.preparing_s
    return kept if study.clock.left - kept > alone else 0.0


def look(study: Study, result: Result, pool: Executor, clock: Clock) -> None:
    """Train and judge in the time that is left; ablation.json and ablation.md are written.

    Nothing is done where an ablation of this winner is there, and more than a look; else `result`
    is told "seconds_a_seed", what the first table of `shrinkage ablate` should take for each.
    Raises BadInput where there is no ingredient or no time.
    """
    root, metric = study.folder.root, study.problem.metric
    if not _wanted(study) or _done(study, result["recipe_hash"]):
        return
    clock = replace(clock, ending_s=_ending(study))
    its = studied(root, result, metric if isinstance(metric, scores.Metric) else None)
    count, left = _ingredients(study, its.winner), clock.left - BEGIN_S
    one, every = _network(study, its.winner, result["winner"]["trial"]), forms(_judged(study))
    result["seconds_a_seed"] = round(UNSURE * one * every[0].networks(count, 1), 2)
    if not count or one * _least(every[-1], count) > HOPE * left:
        raise BadInput(f"{count} ingredients, {one:.2f} s a network, {max(0.0, left):.1f} s left")
    fitting = (form for form in every if one * form.networks(count, ablate.SEEDS) < left)
    form = next(fitting, every[-1])
    log.info("first look: about %.2f s a network, %.1f s left, %s", one, left, form)

    def rounds_of(design: Design) -> Rounds:
        return Rounds(design, pool, max(1, study.settings.workers), clock, study.watch)

    taken = ablate.left_out(its, rounds_of, MOST_SEEDS, form.factors, form.folds, WIDENING)
    found = ablate.first_table(taken, None)
    found |= {"first_look": True, "seeds_asked": found["seeds"], "budget_s": clock.budget_s}
    found["seconds_a_seed"] = result["seconds_a_seed"]
    told = ablation.write(root, its, taken.rounds, _without_verdicts(found), clock.elapsed())
    log.info("first look: %d networks over %d seeds", told["networks"], told["seeds"])


def _ending(study: Study) -> float:
    return ENDING_S + ENDING_SHARE * study.settings.budget_s


def _wanted(study: Study) -> bool:
    """Whether time decides in this study, and its winner can be taken apart."""
    settings = study.settings
    timed = settings.trials is None and settings.budget_s >= SHORTEST_S
    return settings.first_look and timed and not study.store.shared and study.problem.start is None


def _done(study: Study, recipe_hash: str) -> bool:
    found = ablation.of(study.folder.root, recipe_hash)
    return found is not None and not found["first_look"]


def _without_verdicts(found: dict[str, Any]) -> dict[str, Any]:
    """None where rates were not tuned; what diverged has."""
    if not found["tuned"]:
        for told in (*found["ingredients"].values(), found["placebo"]):
            if told["effect"] is not None:
                told |= {"verdict": None, "seeds_needed": None}
    return found


def _ingredients(study: Study, recipe: Recipe) -> int:
    """How many a recipe has that can be left out."""
    problem = study.problem
    try:
        plain = study.shortened(study.plain, 1.0)
        return len(arms.switches(recipe, plain, problem.task, problem.shape)[0])
    except BadInput:
        return 0


def _judged(study: Study) -> list[int]:
    """How many rows each fold of the first repeat judges."""
    return [len(study.rows.folds[k].validation) for k in repeats_of(study.rows)[0]]


def _least(form: Form, count: int) -> int:
    """Networks of the first step."""
    return form.networks(min(count, WIDENING[0]), ablate.FEWEST_SEEDS)


def _network(study: Study, recipe: Recipe, trial: int | None) -> float:
    """Seconds of one network, all processes at work: as it took in the search.

    trial: whose recipe it is; None: by the steps of trial 0 that were timed.
    """
    seconds = study.known.seconds.get(trial) if trial is not None else None
    if not seconds:
        shape, base = study.problem.shape, study.space.base
        ratio = cost.of_training(recipe, shape) / cost.of_training(base, shape)
        seconds = study.trial_seconds / TIMED * ratio
    return seconds / study.problem.folds / max(1, study.settings.workers)
