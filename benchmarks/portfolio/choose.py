"""The greedy choice, and what it is worth on a table that had no say in it.

| symbol | meaning | shape |
|---|---|---|
| T, C | tables, candidates; candidate 0 is the default | |
| V | loss out of fold: what a study would choose by | `[T, C]` |
| H | loss on the rows held out: what it would get | `[T, C]` |
| Z | mean of V and H, each less the default's, over its interquartile range | `[T, C]` |

    worth(S) = mean over tables of min over c in S or default of Z[t, c]

Z makes tables alike: one whose losses are a thousandth of another's counts as much; it lies within
+- WORST. The least of many noisy losses flatters, so the two are averaged here, and the judgement
is of another kind: on a table that was left out, a recipe is picked by V and counted by H, whose
rows neither stopped nor chose it.

The choice goes by cohorts: of each structure the next few recipes are chosen one by one, and the
structure whose cohort lowers the worth most is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from score import Line

from shrinkage.recipe import Recipe

COHORT = 2
WORST = 3.0


@dataclass(frozen=True, eq=False)
class Cells:
    """tables: names, one a row. V, H: [T, C]; infinite where a network diverged."""

    tables: tuple[str, ...]
    V: np.ndarray
    H: np.ndarray

    @property
    def Z(self) -> np.ndarray:
        def less(loss: np.ndarray) -> np.ndarray:
            low, high = np.percentile(loss, [25, 75], 1)
            beside = (loss - loss[:, :1]) / (high - low)[:, None]
            return np.clip(beside, -WORST, WORST)

        return (less(self.V) + less(self.H)) / 2

    def only(self, rows: Sequence[int]) -> Cells:
        at = list(rows)
        return Cells(tuple(self.tables[i] for i in at), self.V[at], self.H[at])


def cells_of(lines: Sequence[Line], recipes: Sequence[Recipe]) -> Cells:
    """Tables on which every candidate was scored; each seed of a table is a row."""
    found = {(line["table"], line["seed"], line["recipe"]): line for line in lines}
    rows = sorted(
        (table, seed)
        for table, seed in {key[:2] for key in found}
        if all((table, seed, recipe.hash) in found for recipe in recipes)
    )
    V, H = (
        np.array([[found[*row, r.hash].get(what, np.inf) for r in recipes] for row in rows])
        for what in ("validation", "held")
    )
    return Cells(tuple(table for table, _ in rows), V, H)


def picked(V: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """[T] the candidate with the least validation loss of the default and these."""
    at = np.array([0, *chosen])
    return at[V[:, at].argmin(1)]


def worth(Z: np.ndarray, chosen: Sequence[int]) -> float:
    return float(Z[:, [0, *chosen]].min(1).mean())


def portfolio(cells: Cells, groups: Sequence[Sequence[int]], count: int) -> list[int]:
    """Candidates in the order in which they are tried, cohort by cohort.

    groups: candidates by structure, without the default. count: at most so many candidates.
    """
    Z = cells.Z
    mean = Z.mean(0)
    chosen: list[int] = []

    def cohort(group: Sequence[int]) -> list[int]:
        found: list[int] = []
        for _ in range(COHORT):
            left = [c for c in group if c not in chosen and c not in found]
            if left:  # where none lowers the worth, the one that is best by itself
                each = {c: (worth(Z, [*chosen, *found, c]), mean[c]) for c in left}
                found.append(min(each, key=lambda c: each[c]))
        return found

    while len(chosen) < count:
        cohorts = [found for found in map(cohort, groups) if len(found) == COHORT]
        if not cohorts:
            break
        chosen += min(cohorts, key=lambda found: (worth(Z, [*chosen, *found]), *mean[found]))
    return chosen


def gains(V: np.ndarray, H: np.ndarray, order: Sequence[int], counts: Sequence[int]) -> np.ndarray:
    """[counts]: log of (held loss of the picked / of the default) on one table, V and H [C]."""
    picks = [picked(V[None], order[:count])[0] for count in counts]
    return np.log(H[picks] / H[0])


def by_chance(
    V: np.ndarray,
    H: np.ndarray,
    groups: Sequence[Sequence[int]],
    counts: Sequence[int],
    draws: int = 400,
) -> np.ndarray:
    """As `gains`, in the mean over random orders: cohorts of one structure, as a search asks."""
    rng = np.random.default_rng(0)
    total = np.zeros(len(counts))
    for _ in range(draws):
        cohorts = []
        for group in groups:
            mixed = rng.permutation(list(group))
            cohorts += [mixed[i : i + COHORT] for i in range(0, len(mixed), COHORT)]
        order = [int(c) for i in rng.permutation(len(cohorts)) for c in cohorts[i]]
        total += gains(V, H, order, counts)
    return total / draws
