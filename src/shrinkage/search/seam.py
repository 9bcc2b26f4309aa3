"""What any search is to a study: it is asked for recipes, and told what became of them.

`ask(k, count, pending, left)` gives the recipes of the k-th cohort, `tell` hears every rung of
every trial. A resumed study tells again all that its database knows, then asks on; so what a search
asks may depend on what it was told, but neither on the order of telling nor on what it was asked
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from shrinkage.recipe import Recipe


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
