"""A first look, at the end of `fit`, at what each ingredient of the winner bought.

The first part of an ablation (`evidence.ablate`) in the time that a study keeps for it. What does
not fit goes in this order: seeds beyond three, two of three learning rates, the third seed, folds,
ingredients: then what was added to the plain network is looked at before what was exchanged.
At one learning rate, the winner's, no verdicts are given: a gain that is the rate's would be booked
as an ingredient's. Folds are left out where those that are left judge `FEWEST_ROWS` or more: on
fewer, networks decide alike whatever they are made of. `shrinkage ablate` goes on from the files
that a look on all folds leaves.
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
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import studied
from shrinkage.recipe import Recipe
from shrinkage.search import cost, refit
from shrinkage.search.baseline import repeats_of
from shrinkage.search.budget import Clock
from shrinkage.search.study import Study

log = logging.getLogger("shrinkage")

SHARE = 0.15
"""Of the budget, at most."""

SHORTEST_S = 60.0
"""A shorter study needs all its time for the search."""

SEEDS, MOST_SEEDS = 3, 10
"""Enough for intervals that are not mostly Student's; as many as `shrinkage ablate` trains."""

BEGIN_S = 1.5
"""Writing the arrays and sending tasks."""

ENDING_S, ENDING_SHARE = 4.0, 0.02
"""Writing what was found, and the report: so much, and this share of the budget."""

HOPE = 2.0
"""A winner may have fewer ingredients than trial 0, and be faster: twice too long may still fit."""

TIMED = 3.0
"""Steps timed at the outset, while processes begin, are so many times slower than what follows."""

FEWEST_ROWS = 500
"""A decision that changes on one of so many moves the accuracy by 0.002."""

VALIDATED = 2.0
"""Times what a network on all rows takes: fewer rows here, but judged, and in small cohorts."""

FEWER = (8, 5, 3)
"""Ingredients that are looked at where there is no time for all."""

BESIDE = 2
"""Arms besides one an ingredient: the winner and the placebo."""


@dataclass(frozen=True)
class Form:
    """How much of an ablation is trained: rates of each arm, folds, seeds at least, ingredients."""

    factors: tuple[float, ...]
    folds: int
    seeds: int = SEEDS
    most: int | None = None

    def networks(self, ingredients: int) -> int:
        looked_at = min(ingredients, self.most or ingredients)
        return (looked_at + BESIDE) * len(self.factors) * self.folds * self.seeds


def forms(judged: Sequence[int]) -> list[Form]:
    """From the best to the least. judged: rows, by fold."""
    rates, folds = (arms.AROUND, (1.0,)), len(judged)
    enough = [n for n in range(folds - 1, 0, -1) if sum(judged[:n]) >= FEWEST_ROWS]
    found = [Form(each, folds) for each in rates] + [Form((1.0,), folds, ablate.FEWEST_SEEDS)]
    found += [Form((1.0,), n) for n in enough]
    least = Form((1.0,), enough[-1] if enough else folds, ablate.FEWEST_SEEDS)
    return found + [least] * bool(enough) + [replace(least, most=most) for most in FEWER]


def keep(study: Study) -> float:
    """Seconds to keep: what the best form takes if the winner is like trial 0, within `SHARE`.

    0 where the least form with all ingredients is far from fitting; time that is left at the end
    may do all the same, or for some of them.
    """
    base = study.space.base
    if not _wanted(study) or not (count := _ingredients(study, base)):
        return 0.0
    one = _planned(study, base) / TIMED
    around = BEGIN_S + _ending(study)
    whole = [form for form in forms(_judged(study)) if form.most is None]
    taken = [around + one * form.networks(count) for form in whole]
    most = SHARE * study.settings.budget_s
    return min(most, taken[0]) if min(taken) <= HOPE * most else 0.0


def look(study: Study, result: dict[str, Any], pool: Executor, clock: Clock) -> None:
    """Train and judge in the time that is left; ablation.json and ablation.md are written.

    Nothing is done where an ablation of this winner is there. Raises BadInput where there is no
    ingredient or no time.
    """
    root, metric = study.folder.root, study.problem.metric
    if not _wanted(study) or ablation.of(root, result["recipe_hash"]) is not None:
        return
    clock = replace(clock, ending_s=_ending(study))
    its = studied(root, result, metric if isinstance(metric, scores.Metric) else None)
    count, left = _ingredients(study, its.winner), clock.left - BEGIN_S
    one = _measured(study, result["winner"]["trial"]) or _planned(study, its.winner)
    every = forms(_judged(study))
    # Nothing else needs this time: the least form is tried where it may fit.
    most = [left] * (len(every) - 1) + [HOPE * left]
    both = zip(every, most, strict=True)
    form = next((f for f, time_ in both if one * f.networks(count) < time_), None)
    if form is None or not count:
        raise BadInput(f"{count} ingredients, {one:.2f} s a network, {max(0.0, left):.1f} s left")
    made: list[Rounds] = []

    def rounds_of(design: Any) -> Rounds:
        made.append(Rounds(design, pool, max(1, study.settings.workers), clock, study.watch))
        return made[0]

    given = MOST_SEEDS, form.factors, form.folds, form.most
    found = ablate.first_table(ablate.left_out(its, rounds_of, *given), None)
    found |= {"first_look": True, "seeds_asked": found["seeds"], "budget_s": clock.budget_s}
    told = ablation.write(root, its, made[0], _without_verdicts(found), clock.elapsed())
    log.info("first look: %d networks over %d seeds", told["networks"], told["seeds"])


def _ending(study: Study) -> float:
    return ENDING_S + ENDING_SHARE * study.settings.budget_s


def _wanted(study: Study) -> bool:
    """Whether time decides in this study, and its winner can be taken apart."""
    settings = study.settings
    timed = settings.trials is None and settings.budget_s >= SHORTEST_S
    return settings.first_look and timed and not study.store.shared and study.problem.start is None


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
        plain = study.shortened(study.recipes[1], 1.0)
        return len(arms.switches(recipe, plain, problem.task, problem.shape)[0])
    except BadInput:
        return 0


def _judged(study: Study) -> list[int]:
    """How many rows each fold of the first repeat judges."""
    return [len(study.rows.folds[k].validation) for k in repeats_of(study.rows)[0]]


def _planned(study: Study, recipe: Recipe) -> float:
    """Seconds of one network, all processes at work, by the steps of trial 0 that were timed."""
    shape, base = study.problem.shape, study.space.base
    one = study.trial_seconds / study.problem.folds
    one *= cost.whole(recipe, shape) / cost.whole(base, shape)
    return one / max(1, study.settings.workers)


def _measured(study: Study, trial: int) -> float | None:
    """The same, by what training the winner on all rows took; None where it was not trained."""
    networks = refit.networks(study.folder, trial)
    if networks is None or not networks.seconds:
        return None
    return VALIDATED * networks.seconds / len(networks.weights) / max(1, study.settings.workers)
