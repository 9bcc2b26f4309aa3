"""A portfolio: recipes that together did well on many other tables, tried before any others.

    cohort = the first recipe not tried yet, and those of its signature, in the portfolio's order

They are recipes of their own, not points of a study's space: they get the study's epochs and its
task, and a study is without them where a person gave a recipe or a space. After them, or after
about a third of the search, another search goes on; it hears of their scores, too.

Which have been tried follows from what is told and what is pending, so a resumed study goes on
with the next. `benchmarks/portfolio` chose them; docs/log.md says what they bought.

Wistuba, Schilling & Schmidt-Thieme 2015, "Sequential Model-Free Hyperparameter Tuning"; Feurer et
al. 2022, "Auto-sklearn 2.0", section 3.1 (a portfolio built greedily).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from typing import ClassVar

from shrinkage.presets import inside
from shrinkage.recipe import Recipe
from shrinkage.search.aim import aimed
from shrinkage.search.seam import Search

SHARE = 1 / 3
"""Of the recipes of a search whose trials are counted."""
UNTIL = 0.4
"""Where time counts, the share of the budget that is left to the other search. A search begins with
0.4 to 0.8 of the budget left, the more the longer it is, as it comes after its references."""
_BEFORE = 2
"""Trials before the search begins: the default and the plain network."""

NAME = "portfolio"
FOLDER: Traversable = resources.files("shrinkage") / "presets" / NAME


def recipes(task: str, epochs: int, metric: str) -> tuple[Recipe, ...]:
    """The portfolio in its order, each recipe once, for a task and with a study's epochs.

    task: classification or regression. metric: the study's, by name; a quantile is trained for.
    The order is that of the files' names.
    """
    files = inside(FOLDER).values()
    texts = [(file.read_text("utf-8"), f"{NAME}/{file.name}") for file in files]
    same = {"data.minibatch.epochs": epochs}
    found = (aimed(Recipe.from_toml(*text), task, metric).set(same) for text in texts)
    return tuple(dict.fromkeys(found))


def most(trials: int | None) -> int | None:
    """How many of its recipes a study of so many trials tries; None: time says it."""
    return None if trials is None else int(SHARE * max(0, trials - _BEFORE))


@dataclass
class PortfolioSearch:
    """What it asks is a pure function of (recipes, all it was told, pending, left) and of `then`.

    recipes: in their order. then: the search that goes on. most: see above.
    """

    recipes: tuple[Recipe, ...]
    then: Search
    most: int | None = None
    heard: set[Recipe] = field(default_factory=set)
    name: ClassVar[str] = NAME

    def ask(
        self, cohort: int, count: int, pending: Sequence[Recipe] = (), left: float = 0.0
    ) -> list[Recipe]:
        own = self._own(count, pending, left)
        return own or self.then.ask(cohort, count, pending, left)

    def tell(self, recipe: Recipe, share: float, score: float | None) -> None:
        self.heard.add(recipe)
        self.then.tell(recipe, share, score)

    def source(self, recipe: Recipe) -> str:
        """Where a recipe that it asked for comes from."""
        return self.name if recipe in self.recipes else self.then.name

    def _own(self, count: int, pending: Sequence[Recipe], left: float) -> list[Recipe]:
        """At most `count` recipes of one signature; none where it is the other search's turn."""
        tried = self.heard.union(pending)
        fresh = [recipe for recipe in self.recipes if recipe not in tried]
        if self.most is not None:
            count = min(count, self.most - (len(self.recipes) - len(fresh)))
        elif left < UNTIL:
            return []
        if not fresh or count <= 0:
            return []
        signature = fresh[0].signature
        return [recipe for recipe in fresh if recipe.signature == signature][:count]
