"""One dimension of a search in isolation: its value against the score, the best over the others.

    best(x) = max over points z of forest(z with its coordinate i at x)
    mean(x) = the mean of the same over points of the space

z runs over every trial and over points of the space. Both are what the forest of
`evidence.importance` expects; what was observed stands beside them. Only points where the dimension
counts are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shrinkage.dimension import Dimension, Range
from shrinkage.evidence import forest
from shrinkage.evidence.forest import Tried
from shrinkage.evidence.importance import Surrogate, uniforms

_POINTS, _PARTS = 256, 16


@dataclass(frozen=True)
class Seen:
    """A trial in which the dimension counts.

    place: its coordinate. score: as far as at the whole training. whole: trained to the end.
    """

    trial: int
    place: float
    value: Any
    score: float
    whole: bool


@dataclass(frozen=True)
class Isolation:
    """places [k]: coordinates in [0, 1]. values: what they are. best, mean: [k], larger is better.

    ordered: whether values between two of the places mean something. apart: whether the first
    place is "off", and not the beginning of a range.
    """

    path: str
    places: list[float]
    values: list[Any]
    best: list[float]
    mean: list[float]
    seen: list[Seen]
    ordered: bool
    apart: bool

    def nearest(self, place: float) -> int:
        """Which of the places a trial is nearest to; only one that is off is at "off"."""
        own = [i for i in range(len(self.places)) if i or not self.apart]
        if self.apart and abs(place - self.places[0]) < 1e-9:
            return 0
        return min(own, key=lambda i: abs(self.places[i] - place))


def isolated(found: Surrogate, tried: Sequence[Tried], path: str) -> Isolation:
    """tried: the trials that the forest is of."""
    space = found.features.space
    i = [dimension.path for dimension in space.dimensions].index(path)
    dimension = space.dimensions[i]
    tried = [each for each in tried if each.rungs]
    drawn = uniforms(space, _POINTS, seed=0)
    candidates = np.concatenate([drawn, np.array([each.point for each in tried])])
    kept, best, mean = [], [], []
    for place in _places(dimension):
        moved = candidates.copy()
        moved[:, i] = place
        points, counts = found.features.settled(moved)
        acts = counts[:, i]
        if not acts[:_POINTS].any():
            continue
        y = np.where(acts, found.at(points, counts), np.nan)
        kept.append(place)
        best.append(float(np.nanmax(y)))
        mean.append(float(np.nanmean(y[:_POINTS])))
    values = [dimension.over.decode(place) for place in kept]
    over = dimension.over
    ordered = isinstance(over, Range)
    apart = isinstance(over, Range) and over.off > 0
    seen = _seen(found, tried, i, dimension)
    return Isolation(path, kept, values, best, mean, seen, ordered, apart)


def _places(dimension: Dimension) -> list[float]:
    over = dimension.over
    if not isinstance(over, Range):
        return [over.encode(value) for value in dict.fromkeys(over.values)]
    spread = over.off + (1 - over.off) * (np.arange(_PARTS + 1) / _PARTS)
    return [*([over.off / 2] if over.off else []), *np.minimum(spread, 1.0).tolist()]


def _seen(found: Surrogate, tried: Sequence[Tried], i: int, dimension: Dimension) -> list[Seen]:
    y, trial, rung = forest.lifted(tried, found.last)
    last = {int(t): row for row, t in enumerate(trial)}  # rungs stand in order
    return [
        Seen(
            each.number,
            each.point[i],
            dimension.over.decode(each.point[i]),
            float(y[last[t]]),
            bool(rung[last[t]] == found.last) and each.rungs[-1][1] is not None,
        )
        for t, each in enumerate(tried)
        if each.counts[i]
    ]
