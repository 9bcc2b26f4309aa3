"""Candidates of a portfolio: recipes of the space `tabular`, in groups of one structure.

A structure is the default with some choices of the space changed: those that decide shapes and so
which recipes can train together. The first candidate of a group is that and nothing more; the
others draw their numbers from the space as the random search does, half of them kept.

All are recipes whose steps the compiled trainer takes: others (residual networks, mixup) cost three
times as much, and a portfolio is for the first part of a study.
"""

from __future__ import annotations

from shrinkage.catalog import CATALOG
from shrinkage.population.compiled import knows
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe
from shrinkage.search.random import KEEP
from shrinkage.space import Space, load_space

SEED = 2026
EACH = 4
_DRAWN = 16

Change = tuple[tuple[str, ...], dict[str, object]]
STRUCTURES: tuple[Change, ...] = (
    ((), {}),
    ((), {"network.mlp.width": 192, "network.mlp.depth": 4, "network.periodic.dim": 4}),
    ((), {"data.minibatch.batch_size": 128, "network.mlp.width": 96}),
    (("layer_norm", "gelu"), {"network.mlp.width": 192, "network.mlp.depth": 2}),
    (("no numbers", "gelu"), {"network.mlp.width": 256, "network.mlp.depth": 2}),
    (("no numbers", "relu", "standard"), {"network.mlp.depth": 4}),
    (("no normalization", "relu"), {"network.mlp.depth": 2}),
    (("quantile",), {"network.periodic.dim": 4, "network.embedding.dim": 16}),
)
"""Ingredients in place of the default's, or roles left open, and fields."""


def candidates(epochs: int, each: int = EACH) -> list[Recipe]:
    """Distinct recipes, the default first; a pure function of its arguments.

    epochs: of every candidate, in place of the default's own. each: recipes a structure, at most.
    """
    space = load_space("tabular")
    base = space.base.set({"data.minibatch.epochs": epochs})
    found = [base]
    for number, change in enumerate(STRUCTURES):
        around = Space(_changed(base, *change), space.dimensions)
        others = [recipe for recipe in _numbers(around, number, _DRAWN) if knows(recipe)]
        found += [around.base, *others[: each - 1]]
    return list(dict.fromkeys(found))


def _changed(recipe: Recipe, choices: tuple[str, ...], fields: dict[str, object]) -> Recipe:
    for choice in choices:
        if choice.startswith("no "):
            recipe = recipe.without(choice.removeprefix("no "))
        else:
            recipe = recipe.using(CATALOG[choice].kind())
    return recipe.set(fields)


def _numbers(space: Space, number: int, count: int) -> list[Recipe]:
    """Recipes of the base's structure, each number drawn anew with chance 1 - KEEP."""
    draws, size = Draws((SEED,), number), (count, space.size)
    places = draws.uniform("portfolio.place", size)[0].tolist()
    kept = (draws.uniform("portfolio.keep", size)[0] < KEEP).tolist()
    return [
        space.decode(
            [
                None if keep or dimension.structural else u
                for u, keep, dimension in zip(*row, space.dimensions, strict=True)
            ]
        )
        for row in zip(places, kept, strict=True)
    ]
