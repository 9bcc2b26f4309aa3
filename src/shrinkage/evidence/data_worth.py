"""What the winner is worth in rows: learning curves of it and of the plain network.

    worth k of the recipe:  with 1/k of the rows it is as good as the plain network with all
    worth k of X:           with 1/k of the rows it is as good as without X with all

Both are read off the winner's curve (`curves.worth`), so of what it is compared with only the
scores with all rows are needed, and an ingredient costs nothing more: the ablation has them.

Sizes are all rows, a half, a quarter, ... of what each fold trains on, nested and drawn anew for
each seed (`subsets`), judged on the same rows. At every size each recipe is tuned over the learning
rates that it has in the ablation, and over two lengths: its epochs, and as many steps as it takes
with all rows. The first is too short for few rows and the second lets a network without any brake
learn them by heart; which is better differs from recipe to recipe, and one length for all would
measure that. As with rates, other rows choose than judge (`stats.tuned`).

The recipe was found on all rows, and only these two are tuned again with fewer, so it is worth no
less than is said on this account; on another more: the search chose it on the folds that judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shrinkage import scores
from shrinkage.evidence import arms, curves, stats
from shrinkage.evidence.ablate import FEWEST_SEEDS, PLAIN, WINNER, Ablation
from shrinkage.evidence.arms import Arm
from shrinkage.evidence.design import Design
from shrinkage.evidence.rounds import Wanted, read
from shrinkage.evidence.subsets import as_many_steps, part, rows_of, trained_on
from shrinkage.evidence.words import diverges

_NO_TIME = "time ended first; what was trained is kept, and the same command goes on from there."

HALVINGS = 4
FEWEST_ROWS = 32
"""Nothing is trained on fewer; nor on fewer than three for each class."""


@dataclass(frozen=True)
class Size:
    """A share of the rows; by arm, the recipes among which other rows choose."""

    share: float
    recipes: dict[str, tuple]


def shares(design: Design) -> list[float]:
    """1, 1/2, 1/4, ... as long as there are rows."""
    fewest = max(FEWEST_ROWS, 3 * design.rows.outputs)
    halves = [0.5**i for i in range(HALVINGS + 1)]
    return [x for x in halves if x == 1 or x * trained_on(design) >= fewest]


def worth(found: Ablation, told: dict[str, Any]) -> dict[str, Any]:
    """The winner and the plain network on fewer rows; and what that says, for ablation.json.

    told: what `ablate.first_table` said: ingredients that help are worth rows, too.
    Where nothing can be said there is a sentence under "missing".
    """
    given = shares(found.design)
    if len(given) < curves.FEWEST_SIZES:
        rows = trained_on(found.design)
        return {"missing": f"{rows} training rows a fold are too few to learn from parts of them."}
    sizes = list(_sizes(found.design, grids(found), given))
    seeds = trained(found, sizes)
    if len(seeds) < FEWEST_SEEDS:
        return {"missing": _NO_TIME}
    values = {name: learned(found, sizes, name, seeds) for name in (WINNER, PLAIN)}
    return said(found, given, values, seeds, told)


def grids(found: Ablation) -> tuple[Arm, ...]:
    """Both arms at the rates that they have in the ablation."""
    winner, plain = found.study.winner, found.plain
    return (
        arms.around(winner, plain).arm(WINNER, winner),
        arms.between(winner, plain).arm(PLAIN, plain),
    )


def _sizes(design: Design, given: tuple[Arm, ...], shares_: list[float]) -> Iterator[Size]:
    everyone = trained_on(design)
    for share in shares_:
        rows = max(1, round(share * everyone))
        both = {
            arm.name: (*arm.recipes, *(as_many_steps(r, everyone, rows) for r in arm.recipes))
            for arm in given
        }
        yield Size(share, {name: tuple(dict.fromkeys(all_)) for name, all_ in both.items()})


def trained(found: Ablation, sizes: list[Size]) -> tuple[int, ...]:
    """Train all sizes seed by seed, as time allows; returns the first seeds that have them all."""
    for number, seed in enumerate(found.seeds):
        designs = [part(found.design, size.share, seed) for size in sizes]
        wanted = [
            Wanted(recipe, seed, design)
            for size, design in zip(sizes, designs, strict=True)
            for recipes in size.recipes.values()
            for recipe in recipes
        ]
        whole = found.rounds.one(wanted, f"rows {number + 1}/{len(found.seeds)}")
        for design in designs[1:]:
            for path in design.problem.folder.glob("*.safetensors"):
                path.unlink()  # they are made again when they are needed
        if not whole:
            return found.seeds[:number]
    return found.seeds


def learned(found: Ablation, sizes: list[Size], name: str, seeds: tuple[int, ...]) -> np.ndarray:
    """[K, S, J] pseudo-values of an arm's error at every size."""
    values = []
    for size in sizes:
        designs = [part(found.design, size.share, seed) for seed in seeds]
        paths = [
            [found.rounds.path_of(Wanted(r, *at)) for at in zip(seeds, designs, strict=True)]
            for r in size.recipes[name]
        ]
        values.append(read(paths)[0])
    return error(found, np.stack(values))


def error(found: Ablation, goodness: np.ndarray) -> np.ndarray:
    """What is left to the best there can be: 1 less a score, or the loss itself."""
    metric = scores.find(found.design.problem.metric)
    return float(metric.greater_is_better) - goodness


def said(
    found: Ablation,
    shares_: list[float],
    values: dict[str, np.ndarray],
    seeds: tuple[int, ...],
    told: dict[str, Any],
) -> dict[str, Any]:
    """values: [K, S, J] of both arms; where there is no score they are not finite."""
    metric = scores.find(found.design.problem.metric)
    if not all(np.isfinite(y).all() for y in values.values()):
        lost = diverges(metric.name)
        return {"missing": f"training {lost} on some parts of the rows at every rate."}
    own = metric.name.startswith(scores.OWN)
    least = -np.inf if own else 0.0
    fits = {name: curves.fitted(shares_, y, least) for name, y in values.items()}
    its = fits[WINNER], values[WINNER]
    whole = curves.worth(*its, values[PLAIN][0], (fits[PLAIN], values[PLAIN]))
    parts = {}
    for name, each in told["ingredients"].items():
        if each["verdict"] == "helps":
            without = error(found, found.values[f"without {name}"][: len(seeds)])
            parts[name] = curves.worth(*its, without).to_json()
    rows = [round(share * rows_of(found.design)) for share in shares_]
    return {
        **whole.to_json(),
        "seeds": len(seeds),
        "shares": shares_,
        "rows": rows,
        "ingredients": parts,
        "curves": {n: _curve(metric, fits[n], values[n]) for n in (WINNER, PLAIN)},
    }


def _curve(metric: scores.Metric, curve: curves.Curve, y: np.ndarray) -> dict[str, Any]:
    """In the metric's own unit and sign: what was measured at each size, and the curve between."""

    def score(errors: Any) -> list[Any]:
        at = np.asarray(errors, float)
        return (1 - at if metric.greater_is_better else at).tolist()

    along = np.geomspace(1, curve.shares.min(), 4 * (len(curve.shares) - 1) + 1)
    measured = [stats.estimate(each).interval() for each in y]
    return {
        "scores": score(y.mean((1, 2))),
        "intervals": [sorted(score(each)) for each in measured],
        "shares": along.tolist(),
        "fitted": score(curve.at(along)),
        "bands": [sorted(score(each)) for each in curves.band(curve, y, along)],
        "limit": score(curve.a),
        "power": curve.c,
    }
