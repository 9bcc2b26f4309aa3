"""A cohort in contest: which of its trials are still alive, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from shrinkage.recipe import Recipe
from shrinkage.search.contest import REFERENCES
from shrinkage.search.halving import RUNGS


@dataclass
class Cohort:
    """source: where its recipes come from. rung: how many of them are finished."""

    number: int
    source: str
    trials: dict[int, Recipe]
    alive: set[int]
    rung: int = 0
    busy: bool = False
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        return not self.alive or self.rung >= len(RUNGS)

    @property
    def reference(self) -> bool:
        """The default, the plain network and the like run to the end."""
        return self.source in REFERENCES
