"""Random search: recipes drawn from the space, a cohort of one signature at a time.

Bergstra & Bengio 2012, "Random Search for Hyper-Parameter Optimization". Within a cohort the
structural choices are drawn once and the numbers for each recipe, so a cohort is full. Half of
the coordinates stay as they are in the base, a strong recipe: a draw that changes everything at
once is rarely better, and small budgets see few draws.

Ask and tell is the seam between a study and any search: `ask(k, count, pending, left)` gives the
recipes of the k-th cohort, `tell` hears every rung of every trial. A resumed study tells again
all that its database knows, then asks on; so what a search asks may depend on what it was told,
but neither on the order of telling nor on what it was asked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from shrinkage.recipe import Recipe
from shrinkage.space import Space

KEEP = 0.5
"""The chance that a coordinate stays as it is in the base."""


class Search(Protocol):
    name: ClassVar[str]
    """What the database calls the source of its recipes."""

    def ask(
        self, cohort: int, count: int, pending: Sequence[Recipe] = (), left: float = 0.0
    ) -> list[Recipe]:
        """`count` recipes of one signature for a cohort; fewer where no others are found.

        pending: recipes in training that have not finished a rung. left: share of the search's
        time that is left, 0 where trials are counted and not seconds.
        """
        ...

    def tell(self, recipe: Recipe, share: float, score: float | None) -> None:
        """The score (larger is better; None: diverged) after this share of the epochs."""
        ...


@dataclass(frozen=True)
class RandomSearch:
    """A pure function of (space, seed, cohort): nothing it is told changes what it asks."""

    space: Space
    seed: int
    name: ClassVar[str] = "random"

    def ask(
        self, cohort: int, count: int, pending: Sequence[Recipe] = (), left: float = 0.0
    ) -> list[Recipe]:
        return self.space.sample(self.seed, cohort, count, keep=KEEP)

    def tell(self, recipe: Recipe, share: float, score: float | None) -> None:
        """Random search does not learn."""
