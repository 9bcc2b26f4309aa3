"""A random forest over the trials of a study: what score to expect anywhere in the space.

    forest(x) = mean over trees t of tree_t(x),   tree_t grown on trials drawn with replacement

| symbol | meaning | shape |
|---|---|---|
| n | rows: one a rung that a trial has finished | |
| f | features of a point: one a number, one an option where options have no order | |
| d | dimensions of the space | |

Rungs. A score early in training is lower than one at its end, by what all recipes have in common
(`lifted` adds it), and by what a recipe itself still has to gain: the share of training is a
feature, and the forest is asked at the whole training. Trials are drawn whole, so that a tree is
judged only by recipes of which it has seen nothing.

Breiman 2001, "Random Forests".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor

from shrinkage.dimension import Options, Range
from shrinkage.randomness import derive
from shrinkage.space import INACTIVE, Space

TREES = 96
_PART, _FEATURES = 1 / 3, 3
"""Part of the features that a split looks at, and how many at least. With all of them, trees of
few trials see little but the strongest: its share comes out too large (the log)."""
_CLIPPED = 3.0
"""Scores further below the median than so many deviations count as that far: "bad" is enough."""


@dataclass(frozen=True)
class Tried:
    """A recipe of the space and how it did.

    point: `Space.encode`. counts: which coordinates do. rungs: (number, score) each, larger is
    better, finite; None: diverged.
    """

    number: int
    point: tuple[float, ...]
    counts: tuple[bool, ...]
    rungs: tuple[tuple[int, float | None], ...]


def lifted(tried: Sequence[Tried], last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y [n], trial [n] as a place in `tried`, and rung [n]: scores as far as at the last rung.

    To a score is added the median of what trials gained from its rung to the next, over those
    that finished both, and so on. Then what is far below the usual is cut off; a divergence
    counts as the worst that is left.
    """
    known = [{r: s for r, s in each.rungs if s is not None} for each in tried]
    gains = [
        [scores[r + 1] - scores[r] for scores in known if r in scores and r + 1 in scores]
        for r in range(last)
    ]
    steps = [float(np.median(gain)) if gain else 0.0 for gain in gains]
    lift = np.array([sum(steps[r:]) for r in range(last + 1)])
    every = [(i, r, s) for i, each in enumerate(tried) for r, s in each.rungs]
    trial, rung = (np.array([row[k] for row in every], int) for k in (0, 1))
    y = np.array([np.nan if s is None else s for _, _, s in every]) + lift[rung]
    middle = np.nanmedian(y)
    spread = 1.4826 * np.nanmedian(np.abs(y - middle)) or np.nanstd(y)
    y = np.maximum(y, middle - _CLIPPED * spread)
    return np.where(np.isnan(y), np.nanmin(y), y), trial, rung


@dataclass(frozen=True)
class Features:
    """How points of a space look to a tree.

    A coordinate that does not count lies below all others; options without an order have a feature
    each. The last feature is the rung.
    """

    space: Space

    @cached_property
    def _acting(self) -> dict[tuple[float, ...], list[bool]]:
        """Which coordinates count, by those of roles."""
        return {}

    def settled(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points that u [N, d] stand for, as `Space.encode` has them, and what counts there.

        u: independent and uniform, for points as the space has them, conditions included.
        """
        dimensions = self.space.dimensions
        columns = [_settled(dimension.over, u[:, i]) for i, dimension in enumerate(dimensions)]
        points = np.column_stack(columns)
        roles = [i for i, dimension in enumerate(dimensions) if dimension.is_role]
        kinds, which = np.unique(points[:, roles], axis=0, return_inverse=True)
        first = np.zeros(len(kinds), int)
        first[which.ravel()] = np.arange(len(points))
        acting = [self._counting(tuple(k), points[i]) for k, i in zip(kinds, first, strict=True)]
        counts = np.array(acting)[which.ravel()]
        return np.where(counts, points, INACTIVE), counts

    def _counting(self, roles: tuple[float, ...], point: np.ndarray) -> list[bool]:
        if roles not in self._acting:
            self._acting[roles] = self.space.counting(point.tolist())
        return self._acting[roles]

    @cached_property
    def _plan(self) -> list[tuple[int, float | None]]:
        """(dimension, the coordinate whose presence it tells; None: the coordinate itself)."""
        found: list[tuple[int, float | None]] = []
        for place, dimension in enumerate(self.space.dimensions):
            over = dimension.over
            if isinstance(over, Range) or dimension.ordered or len(set(over.values)) < 3:
                found.append((place, None))
            else:
                found += [(place, over.encode(value)) for value in dict.fromkeys(over.values)]
        return found

    def of(self, points: np.ndarray, counts: np.ndarray, rung: np.ndarray) -> np.ndarray:
        """[n, f + 1] of points and counts [n, d] and rungs [n]."""
        columns = [
            np.where(counts[:, i], points[:, i], -1.0)
            if at is None
            else counts[:, i] & np.isclose(points[:, i], at)
            for i, at in self._plan
        ]
        return np.column_stack([*columns, rung]).astype(np.float32)


def _settled(over: Options | Range, u: np.ndarray) -> np.ndarray:
    """`over.encode(over.decode(u))`, but for the digits that a decoded number is rounded to."""
    if isinstance(over, Range) and not over.integer:
        return np.where(u < over.off, over.off / 2, u)
    if isinstance(over, Range):
        return np.array([over.encode(over.decode(value)) for value in u])
    places = np.array([over.encode(value) for value in over.values])
    return places[np.minimum((u * len(places)).astype(int), len(places) - 1)]


@dataclass(frozen=True)
class Forest:
    """Trees, and how well they predict trials that they have not seen.

    explained: 1 - squared error / variance, both within rungs: that trials of later rungs are
    better is no merit. NaN where no trial was left out by any tree.
    """

    trees: tuple[DecisionTreeRegressor, ...]
    explained: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        """[n] of features [n, f + 1]."""
        return np.mean([tree.tree_.predict(x)[:, 0] for tree in self.trees], 0)


def grown(
    x: np.ndarray, y: np.ndarray, trial: np.ndarray, rung: np.ndarray, trees: int, seed: int
) -> Forest:
    """A forest of rows x [n, f + 1], y [n]; trial, rung [n]: whose they are, and where."""
    names = np.unique(trial)
    rows = [np.flatnonzero(trial == name) for name in names]
    total, times = np.zeros(len(y)), np.zeros(len(y))
    found = []
    tries = max(round(_PART * x.shape[1]), min(_FEATURES, x.shape[1]))
    for number in range(trees):
        random = np.random.default_rng(derive(seed, "importance.tree", number))
        drawn = random.integers(len(names), size=len(names))
        own = np.concatenate([rows[i] for i in drawn])
        # Checking so few rows takes longer than growing a tree of them.
        with config_context(assume_finite=True, skip_parameter_validation=True):
            tree = DecisionTreeRegressor(max_features=tries, random_state=number)
            found.append(tree.fit(x[own], y[own], check_input=False))
        out = np.ones(len(y), bool)
        out[own] = False
        if out.any():
            total[out] += tree.tree_.predict(x[out])[:, 0]
            times[out] += 1
    seen = times > 0
    return Forest(tuple(found), _explained(y[seen], total[seen] / times[seen], rung[seen]))


def _explained(y: np.ndarray, said: np.ndarray, rung: np.ndarray) -> float:
    means = {r: y[rung == r].mean() for r in np.unique(rung)}
    left = np.square(y - np.array([means[r] for r in rung])).sum()
    return float(1 - np.square(y - said).sum() / left) if left > 0 else float("nan")
