"""Random search: recipes from scrambled Sobol points, a cohort of one signature at a time.

Bergstra & Bengio 2012, "Random Search for Hyper-Parameter Optimization"; section 4 for points that
are spread more evenly than chance. Within a cohort the structural choices are drawn once and the
numbers for each recipe, so a cohort is full. Half of the coordinates stay as they are in the base,
a strong recipe: a draw that changes everything at once is rarely better, and small budgets see few
draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.space import Space

KEEP = 0.5
"""The chance that a coordinate stays as it is in the base."""


@dataclass(frozen=True)
class RandomSearch:
    """A pure function of (space, seed, cohort, count): nothing it is told changes what it asks."""

    space: Space
    seed: int
    name: ClassVar[str] = "random"

    def ask(
        self, cohort: int, count: int, pending: Sequence[Recipe] = (), left: float = 0.0
    ) -> list[Recipe]:
        rows = points(self.space, self.seed, cohort, count).tolist()
        return [
            self.space.decode([None if u < KEEP else (u - KEEP) / (1 - KEEP) for u in row])
            for row in rows
        ]

    def tell(self, recipe: Recipe, share: float, score: float | None) -> None:
        """Random search does not learn."""


def points(space: Space, seed: int, cohort: int, count: int) -> Tensor:
    """u [count, d] of a cohort: below KEEP the base's own value, above it the rest of the range.

    Two sequences: one with a point a cohort for the structural coordinates, and one with `count`
    points a cohort for the others. Cohorts of another size have points of their own.
    """
    fixed = torch.tensor([d.structural for d in space.dimensions], dtype=torch.bool)
    u = torch.empty(count, len(fixed), dtype=torch.float64)
    if fixed.any():
        u[:, fixed] = _sobol(derive(seed, "random.structural"), int(fixed.sum()), cohort, 1)
    if not fixed.all():
        own = derive(seed, "random.members", count)
        u[:, ~fixed] = _sobol(own, int((~fixed).sum()), cohort * count, count)
    return u


def _sobol(seed: int, d: int, begin: int, count: int) -> Tensor:
    """Points [count, d] of a scrambled Sobol sequence, from place `begin` on.

    Owen 1998, "Scrambling Sobol' and Niederreiter-Xing Points"; Joe & Kuo's directions.
    """
    sequence = SobolEngine(d, scramble=True, seed=seed).fast_forward(begin)
    return sequence.draw(count, dtype=torch.float64)
