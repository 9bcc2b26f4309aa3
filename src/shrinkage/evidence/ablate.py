"""Ablation: what each ingredient of the winner bought, with an interval and a verdict.

    effect of X = score of the winner's recipe - score of the recipe without X,   each at its rate

All arms are trained with the same seeds on the same rows, in the same order and with the same
masks, each at three learning rates of which it is judged by one that other rows chose
(`stats.tuned`). Seeds are new ones: the luck of the search's seed is not counted as the recipe's.
The placebo is the winner's recipe with other seeds, judged by the same rule as everything else.

Then, as time allows: each ingredient alone on the plain network; the strongest pairs, two by two;
and the way from the plain network to the winner, at each step by what gains most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.evidence import arms, stats
from shrinkage.evidence.arms import Arm, Switch
from shrinkage.evidence.design import Design, designed
from shrinkage.evidence.rounds import Rounds, Wanted, read
from shrinkage.evidence.studied import Studied
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe

BESIDE = 2
"""Arms besides one an ingredient: the winner and the placebo."""

FEWEST_SEEDS, SEEDS = 2, 3
"""Student's t of two seeds is so wide that a third is worth more than other ingredients."""

PAIRED = 3
"""So many of the strongest ingredients are looked at two by two."""

WINNER, PLACEBO, PLAIN = "winner", "placebo", "plain"

MARGIN = 0.005
"""Of scores between 0 and 1; of losses the margin is twice this share of the winner's own."""


@dataclass
class Ablation:
    """What is known so far. plain: with the winner's epochs. seeds: new ones, whole rounds only.

    passed_over: ingredients for which there was no time.
    values: [S, J] by arm, pseudo-values at the rates that cross-fitting picked.
    picked: how often each rate was, by arm.
    """

    study: Studied
    plain: Recipe
    design: Design
    switches: list[Switch]
    idle: list[str]
    rounds: Rounds
    seeds: tuple[int, ...]
    passed_over: list[str] = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    picked: dict[str, dict[float, int]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [switch.name for switch in self.switches]

    def read(self, arm: Arm, seeds: Sequence[int]) -> None:
        """Take up an arm's scores, and pick its rates."""
        paths = [[self.rounds.path_of(Wanted(r, s)) for s in seeds] for r in arm.recipes]
        self.values[arm.name], picks = read(paths)
        rates = [recipe.get("optimizer").lr for recipe in arm.recipes]
        self.picked[arm.name] = {r: int((picks == i).sum()) for i, r in enumerate(rates)}

    def contrast(self, plus: Sequence[str], minus: Sequence[str]) -> stats.Estimate | None:
        """Some arms less others, at the seeds that all have; None where one diverged at every rate.

        Seeds come in one order, so the first ones are the same in all arms.
        """
        seeds = min(len(self.values[name]) for name in (*plus, *minus))
        more, less = (
            np.sum([self.values[name][:seeds] for name in names], 0) for names in (plus, minus)
        )
        y = more - less
        return stats.estimate(y) if np.isfinite(y).all() else None

    def between(self, better: str, worse: str) -> stats.Estimate | None:
        return self.contrast([better], [worse])

    def train(self, asked: Sequence[Arm], phase: str) -> bool:
        """Whether there was time for all of these arms at two seeds or more; they are read then."""
        wanted: list[list[Wanted]] = [
            [Wanted(recipe, seed) for arm in asked for recipe in arm.recipes] for seed in self.seeds
        ]
        whole = self.rounds.run(wanted, phase)
        if whole < FEWEST_SEEDS:
            return False
        for arm in asked:
            self.read(arm, self.seeds[:whole])
        return True


def ablate(
    study: Studied,
    rounds_of: Callable[[Design], Rounds],
    seeds: int,
    margin: float | None,
    further: Callable[[Ablation, dict[str, Any]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """What was found, as ablation.json holds it.

    rounds_of: a design to what trains on it. seeds: at most so many, fewer where time ends.
    margin: a difference that does not matter; None: `MARGIN`.
    further: what else is asked of the arms, before the rest takes the time that is left.
    Raises BadInput where there is nothing to take out, or no time for two seeds.
    """
    found = left_out(study, rounds_of, seeds)
    result = first_table(found, margin)
    given = result["margin"]
    if further is not None:
        result |= further(found, result)
    result["alone"] = _alone(found, given)
    result["pairs"] = _pairs(found, result["ingredients"])
    result["path"] = _path(found)
    steps = {step["ingredient"] for step in result["path"] or ()}
    result["path_whole"] = steps == {switch.name for switch in found.switches}
    return result


def left_out(
    study: Studied,
    rounds_of: Callable[[Design], Rounds],
    seeds: int,
    factors: tuple[float, ...] = arms.AROUND,
    folds: int | None = None,
    widening: Sequence[int] = (),
) -> Ablation:
    """Train the winner, the winner without each ingredient, and the placebo.

    factors: times the winner's rate, at which every arm is trained. folds: the first so many; None:
    all. widening: so many ingredients are trained before more are, so that time that ends early
    leaves some of them; those first that the plain network has nothing in place of.
    Raises BadInput as `ablate` does.
    """
    problem, winner = study.problem, study.winner
    plain = arms.as_long(study.plain, winner)
    every, idle = arms.switches(winner, plain, problem.task, problem.shape)
    if widening:
        every.sort(key=lambda switch: switch.off is not None)
    grid = arms.around(winner, plain, factors)
    whole = grid.arm(WINNER, winner)
    removed = [grid.arm(f"without {s.name}", s.turned_off(winner)) for s in every]
    design = designed(study.rows, problem, [winner, plain], study.folder, study.seed, folds)
    rounds = rounds_of(design)
    ours, placebos = (
        tuple(derive(study.seed, f"ablation.{name}", i) for i in range(seeds))
        for name in ("seed", "placebo")
    )

    def wanted(step: Step) -> list[Wanted]:
        trained = [whole, *removed[: step.ingredients]]
        asked: list[Wanted] = []
        for seed, placebo in zip(ours[: step.seeds], placebos[: step.seeds], strict=True):
            asked += [Wanted(recipe, seed) for arm in trained for recipe in arm.recipes]
            asked += [Wanted(recipe, placebo) for recipe in whole.recipes]
        return asked

    steps = [Step(0, 0), *_steps(len(every), seeds, widening)]
    more = [_besides(wanted(before), wanted(now)) for before, now in pairwise(steps)]
    done = steps[rounds.run(more, "first look" if widening else "seed")]
    if done.seeds < FEWEST_SEEDS:
        raise BadInput(
            f"time for {done.seeds} of at least {FEWEST_SEEDS} seeds, {rounds.networks} networks;\n"
            "what was trained is kept: the same command goes on from there, or give it more time "
            "with --budget"
        )
    found = Ablation(
        study,
        plain,
        design,
        switches=every[: done.ingredients],
        idle=idle,
        rounds=rounds,
        seeds=ours[: done.seeds],
        passed_over=[switch.name for switch in every[done.ingredients :]],
    )
    for arm in (whole, *removed[: done.ingredients]):
        found.read(arm, found.seeds)
    found.read(Arm(PLACEBO, whole.recipes), placebos[: done.seeds])
    return found


class Step(NamedTuple):
    """How far a training is: the first so many ingredients, at the first so many seeds."""

    ingredients: int
    seeds: int


def _steps(count: int, seeds: int, widening: Sequence[int]) -> Iterator[Step]:
    """Each holds the one before. count: of all ingredients."""
    few = [some for some in widening if some < count]
    if not few:
        yield from (Step(count, number) for number in range(1, seeds + 1))
        return
    yield from (Step(few[0], number) for number in range(FEWEST_SEEDS, SEEDS))
    yield from (Step(some, SEEDS) for some in few)
    yield from (Step(count, number) for number in range(SEEDS, seeds + 1))


def _besides(before: Sequence[Wanted], now: Sequence[Wanted]) -> list[Wanted]:
    known = set(before)
    return [each for each in now if each not in known]


def _margin(found: Ablation) -> float:
    """Of a metric between 0 and 1: 0.005. Of a loss: 1 % of the winner's. Of a function: 0."""
    metric = scores.find(found.design.problem.metric)
    if metric.name.startswith(scores.OWN):
        return 0.0
    return MARGIN if metric.greater_is_better else 2 * MARGIN * abs(_score(found, WINNER) or 0)


def _without_score(found: Ablation) -> str:
    """A person's own function may have no value where nothing diverged."""
    own = scores.name_of(found.design.problem.metric).startswith(scores.OWN)
    return "no score" if own else "diverged"


def _score(found: Ablation, arm: str) -> float | None:
    """An arm's score in the metric's own unit and sign."""
    value = float(found.values[arm].mean())
    if not np.isfinite(value):
        return None
    return float(scores.goodness(found.design.problem.metric, value))


def first_table(found: Ablation, margin: float | None) -> dict[str, Any]:
    """What is said of each ingredient and of the placebo."""
    if margin is None:
        margin = _margin(found)
    effects = {name: found.between(WINNER, f"without {name}") for name in found.names}
    effects[PLACEBO] = found.between(WINNER, PLACEBO)
    told = judged(effects, margin, _without_score(found))
    for switch in found.switches:
        name = switch.name
        told[name] |= {
            "role": switch.role,
            "setting": switch.setting,
            "score_without": _score(found, f"without {name}"),
            "rates": found.picked[f"without {name}"],
        }
        if not np.isfinite(found.values[WINNER]).all():  # it is not for want of the ingredient
            told[name]["verdict"] = None
    placebo = told.pop(PLACEBO)
    none = dict.fromkeys(("alone", "pairs", "path", "path_whole"))
    return none | {
        "score": _score(found, WINNER),
        "rates": found.picked[WINNER],
        "tuned": len(found.picked[WINNER]) > 1,
        "margin": margin,
        "seeds": len(found.seeds),
        "ingredients": told,
        "placebo": placebo,
        "idle": found.idle,
        "passed_over": found.passed_over,
    }


def judged(
    effects: dict[str, stats.Estimate | None], margin: float, none: str = "diverged"
) -> dict[str, dict[str, Any]]:
    """What is said of each of a family of effects, Holm's correction being over all of them.

    none: the verdict of None, where an arm has no score at any rate; see `_without_score`.
    """
    known = {name: found for name, found in effects.items() if found is not None}
    adjusted = dict(zip(known, stats.holm([e.p_value for e in known.values()]), strict=True))
    told: dict[str, dict[str, Any]] = {}
    for name, found in effects.items():
        if found is None:
            told[name] = {"effect": None, "verdict": none}
            continue
        said = stats.verdict(found, adjusted[name], margin)
        more = stats.seeds_needed(found, len(known), margin) if said == "no evidence" else None
        told[name] = {
            "effect": found.mean,
            "interval": list(found.interval()),
            "standard_error": found.error,
            "degrees": found.degrees,
            "p_value": found.p_value,
            "p_adjusted": adjusted[name],
            "verdict": said,
            "seeds": found.seeds,
            "seeds_needed": more,
        }
    return told


def _alone(found: Ablation, margin: float) -> dict[str, Any] | None:
    """Each ingredient on the plain network; None without the time for it."""
    plain = found.plain
    grid = arms.between(found.study.winner, plain)
    each = {switch.name: arms.with_(plain, [switch]) for switch in found.switches}
    asked = [grid.arm(f"alone {name}", r) for name, r in each.items() if r is not None]
    asked.insert(0, grid.arm(PLAIN, plain))
    if not found.train(asked, "alone") or not np.isfinite(found.values[PLAIN]).all():
        return None
    names = [arm.name for arm in asked[1:]]
    effects = {n.removeprefix("alone "): found.between(n, PLAIN) for n in names}
    told = judged(effects, margin, _without_score(found))
    return {"score": _score(found, PLAIN), "rates": found.picked[PLAIN], "ingredients": told}


def _pairs(found: Ablation, first: dict[str, dict]) -> list[dict[str, Any]] | None:
    """What the strongest ingredients do together beyond the sum of both; None without time.

    synergy = (winner - without A) - (without B - without both)
    """
    near = arms.around(found.study.winner, found.plain)
    ranked = sorted(found.switches, key=lambda s: -abs(first[s.name]["effect"] or 0))
    chosen = list(combinations(ranked[:PAIRED], 2))
    asked = [
        near.arm(f"without {a.name} {b.name}", arms.without(found.study.winner, [a, b]))
        for a, b in chosen
    ]
    if not asked or not found.train(asked, "pairs"):
        return None
    effects = {
        arm.name: found.contrast([WINNER, arm.name], [f"without {a.name}", f"without {b.name}"])
        for arm, (a, b) in zip(asked, chosen, strict=True)
    }
    told = judged(effects, 0.0, _without_score(found)).values()
    return [{"pair": [a.name, b.name], **each} for (a, b), each in zip(chosen, told, strict=True)]


def _path(found: Ablation) -> list[dict[str, Any]] | None:
    """From the plain network to the winner, at each step the ingredient that gains most.

    Gains of single steps flatter, as they were chosen by these numbers; `over_plain` of the whole
    winner does not. None without the time for the first step; a way that ends early lacks time, or
    all that could be added diverges.
    """
    plain = found.plain
    grid = arms.between(found.study.winner, plain)
    if PLAIN not in found.values or not np.isfinite(found.values[PLAIN]).all():
        return None
    done, left, path, last = [], {switch.name: switch for switch in found.switches}, [], PLAIN
    while left:
        tried = {name: arms.with_(plain, [*done, switch]) for name, switch in left.items()}
        label = " ".join(switch.name for switch in done)
        asked = {n: grid.arm(f"{label} + {n}", r) for n, r in tried.items() if r is not None}
        if not asked or not found.train([*asked.values()], "path"):
            break
        means = {n: float(found.values[arm.name].mean()) for n, arm in asked.items()}
        means = {n: mean for n, mean in means.items() if np.isfinite(mean)}
        if not means:
            break
        name = max(means, key=means.__getitem__)
        best = asked[name]
        step, whole = found.between(best.name, last), found.between(best.name, PLAIN)
        assert step is not None
        assert whole is not None
        path.append(
            {
                "ingredient": name,
                "score": _score(found, best.name),
                "gain": step.mean,
                "over_plain": whole.mean,
                "interval": list(whole.interval()),
                "seeds": min(len(found.values[name]) for name in (best.name, PLAIN)),
            }
        )
        done.append(left.pop(name))
        last = best.name
    return path or None
