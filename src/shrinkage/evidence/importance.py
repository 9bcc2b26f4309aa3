"""Importance over the search: how much of what recipes score each searched dimension decides.

    y(u)  = forest(point of u),    u uniform on [0, 1]^d       scores over the whole space
    S_i   = Var E[y | u_i] / Var y                             share that dimension i decides alone
    S_ij  = Var E[y | u_i, u_j] / Var y - S_i - S_j            beyond that, i and j together

Of a functional analysis of variance with a forest in place of trainings: Hutter, Hoos &
Leyton-Brown 2014, "An Efficient Approach for Assessing Hyperparameter Importance". A coordinate u_i
is uniform on the scale that is searched, so S_i does not change when a range is written on another
one. Where a condition leaves u_i out, y does not move with it: a field that counts in few recipes
of the space decides little over all of them.

| symbol | meaning | shape |
|---|---|---|
| N | points of a Sobol sequence over the space | |
| d | dimensions | |
| b | bins of one coordinate: its options, or its "off" and equal parts of its range | |

E[y | u_i in b] is a mean over the N points in b (Plischke, Borgonovo & Smith 2013, "Global
sensitivity measures from given data"), and Var of it is less what bins of noise would show
(Kelley's epsilon squared).

Intervals are of the choice of trials: forests of random halves of them vary about as much as
forests of other trials would (half-sampling: Politis & Romano 1994, section 2), and are off by
about as much more than the whole forest as that is itself. So the error is the root of the mean
squared difference between halves and whole.

What shows only late in training is hardly seen: most trials were dropped before.

**All of it is correlational.** A search tries what it expects to be good, recipes that differ in
one setting differ in others, and a forest of some dozen trials guesses the rest. `evidence.ablate`
measures what one ingredient buys, with everything else the same.

Differs from the paper: the forest's mean is analysed and not each tree; conditions are part of the
space; early rungs count (`evidence.forest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch.quasirandom import SobolEngine

from shrinkage.dimension import Dimension, Range
from shrinkage.errors import BadInput
from shrinkage.evidence import forest
from shrinkage.evidence.forest import Features, Forest, Tried
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.search.halving import RUNGS
from shrinkage.space import Space, dimensions_of
from shrinkage.store.tables import Trial
from shrinkage.uncertainty import Z95
from shrinkage.wording import count

FEWEST = 15
"""Of fewer trials nothing is said."""

_POINTS, _BINS = 8192, 12
_HALVES, _HALF_POINTS, _HALF_TREES = 20, 2048, 32
_LEAST = 0.01
"""Together, less is not worth a word."""


@dataclass(frozen=True)
class Share:
    """What a dimension decides of the variance of scores over the space, in [0, 1].

    low, high: 95 % interval. counts: part of the space in which it acts at all.
    """

    path: str
    value: float
    low: float
    high: float
    counts: float


@dataclass(frozen=True)
class Pair:
    """What two dimensions decide together, beyond what each decides alone."""

    paths: tuple[str, str]
    value: float


@dataclass(frozen=True)
class Importance:
    """shares: the largest first. pair: the strongest; None where no two do anything together.

    explained: R² of trials that a tree has not seen. reason: why there are no shares; "" where
    there are. trials: how many it is of; whole: those trained to the end.
    """

    trials: int
    whole: int
    explained: float
    reason: str = ""
    shares: tuple[Share, ...] = ()
    pair: Pair | None = None

    @property
    def together(self) -> float:
        """What no dimension decides alone."""
        return max(0.0, 1 - sum(share.value for share in self.shares))

    def to_json(self) -> dict[str, Any]:
        told = asdict(self) | {"correlational": True, "explained": _finite(self.explained)}
        return told | {"together": self.together if self.shares else None}


@dataclass(frozen=True)
class Surrogate:
    """A forest of a space's trials, to be asked at its last rung."""

    features: Features
    forest: Forest
    last: int

    def at(self, points: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Expected scores [N], larger is better, at points and counts [N, d]."""
        rung = np.full(len(points), float(self.last))
        return self.forest.predict(self.features.of(points, counts, rung))


def surrogate(
    features: Features, tried: Sequence[Tried], last: int, seed: int, trees: int = forest.TREES
) -> Surrogate:
    y, trial, rung = forest.lifted(tried, last)
    points, counts = (np.array([getattr(t, name) for t in tried]) for name in ("point", "counts"))
    x = features.of(points[trial], counts[trial], rung)
    return Surrogate(features, forest.grown(x, y, trial, rung, trees, seed), last)


def importance(
    space: Space, tried: Sequence[Tried], last: int, seed: int = 0
) -> tuple[Importance, Surrogate | None]:
    """The shares of a space's dimensions, and the forest that they are of.

    last: number of the last rung. A pure function of its arguments, whatever the order of trials.
    """
    tried = sorted((t for t in tried if t.rungs), key=lambda t: t.number)
    whole = sum(any(r == last and s is not None for r, s in t.rungs) for t in tried)
    if len(tried) < FEWEST:
        few = f"{count(len(tried), 'trial')} of the searched space: too few, it takes {FEWEST}"
        return Importance(len(tried), whole, float("nan"), few), None
    found = surrogate(Features(space), tried, last, seed)
    explained = found.forest.explained
    if not explained > 0:
        none = f"what {count(len(tried), 'trial')} scored cannot be told from their settings"
        return Importance(len(tried), whole, explained, none), None
    u = uniforms(space, _POINTS, seed)
    points, counts = found.features.settled(u)
    y = found.at(points, counts)
    bins = [_bins(dimension, u[:, i], _BINS) for i, dimension in enumerate(space.dimensions)]
    values = np.array([_explained_by(y, each) for each in bins])
    halves = _halves(found.features, tried, last, seed)
    error = Z95 * np.sqrt(np.square(halves - values).mean(0))
    shares = [
        Share(
            dimension.path,
            float(values[i]),
            float(max(0.0, values[i] - error[i])),
            float(min(1.0, values[i] + error[i])),
            float(counts[:, i].mean()),
        )
        for i, dimension in enumerate(space.dimensions)
    ]
    shares.sort(key=lambda share: -share.value)
    told = Importance(len(tried), whole, explained, shares=tuple(shares))
    pair = _pair(space, bins, values, y)
    if pair is not None:  # all that is done together is no less
        pair = replace(pair, value=min(pair.value, told.together))
    return replace(told, pair=pair), found


def _finite(value: float) -> float | None:
    return value if value == value else None


def uniforms(space: Space, count: int, seed: int) -> np.ndarray:
    """u [count, d] of a scrambled Sobol sequence."""
    sequence = SobolEngine(space.size, scramble=True, seed=derive(seed, "importance.points"))
    return sequence.draw(count, dtype=torch.float64).numpy()


def _bins(dimension: Dimension, u: np.ndarray, parts: int) -> np.ndarray:
    """The bin of each of u [N]."""
    over = dimension.over
    if not isinstance(over, Range):
        return (u * len(over.values)).astype(int)
    share = (u - over.off) / (1 - over.off)
    return np.where(share < 0, 0, 1 + (share * parts).astype(int))


def _explained_by(y: np.ndarray, bins: np.ndarray) -> float:
    """Var E[y | bin] / Var y, at least 0, without what bins of noise would show."""
    count = np.bincount(bins)
    kept = count > 0
    mean = np.bincount(bins, y)[kept] / count[kept]
    total = float(y.var())
    between = float(np.average(np.square(mean - y.mean()), weights=count[kept]))
    if total <= 0:
        return 0.0
    n, k = len(y), int(kept.sum())
    return max(0.0, between / total - (k - 1) / (n - k) * (1 - between / total))


def _pair(
    space: Space, bins: Sequence[np.ndarray], alone: np.ndarray, y: np.ndarray
) -> Pair | None:
    """The two dimensions that do most together beyond what both do alone."""
    best: Pair | None = None
    for i, j in combinations(range(space.size), 2):
        both = _explained_by(y, bins[i] * (bins[j].max() + 1) + bins[j]) - alone[i] - alone[j]
        if both > (best.value if best else _LEAST):
            best = Pair((space.dimensions[i].path, space.dimensions[j].path), float(both))
    return best


def _halves(features: Features, tried: Sequence[Tried], last: int, seed: int) -> np.ndarray:
    """Shares [h, d] of forests of random halves of the trials."""
    space = features.space
    u = uniforms(space, _HALF_POINTS, derive(seed, "importance.halves"))
    settled = features.settled(u)
    bins = [_bins(dimension, u[:, i], _BINS) for i, dimension in enumerate(space.dimensions)]
    found = []
    for number in range(_HALVES):
        own = derive(seed, "importance.half", number)
        chosen = np.random.default_rng(own).permutation(len(tried))[: len(tried) // 2]
        half = surrogate(features, [tried[i] for i in chosen], last, own, _HALF_TREES)
        y = half.at(*settled)
        found.append([_explained_by(y, each) for each in bins])
    return np.array(found)


def tried_of(space: Space, trials: Sequence[Trial]) -> list[Tried]:
    """The trials that are recipes of the space, each at its finished rungs.

    A rung where the metric is not defined says nothing and is left out.
    """
    found = []
    for trial in trials:
        try:
            point = space.encode(Recipe.from_toml(trial.recipe))
        except BadInput:
            continue  # as the plain network
        told = [rung for rung in trial.rungs if rung.known is not None or rung.score is None]
        rungs = tuple((rung.number, rung.score) for rung in told)
        found.append(Tried(trial.number, tuple(point), tuple(space.counting(point)), rungs))
    return found


def searched(settings: Mapping[str, Any]) -> Space:
    """The space that a study with these settings searches, with its base's own options.

    Raises BadInput where they are damaged.
    """
    try:
        base, dimensions = settings["recipe"], dimensions_of(settings["space"])
    except KeyError as error:
        raise BadInput(f"the study's settings are damaged: no {error}; fit again") from None
    return Space(Recipe.from_toml(base), dimensions).with_base()


def of_study(
    settings: Mapping[str, Any], trials: Sequence[Trial]
) -> tuple[Importance, Surrogate | None, list[Tried]]:
    """`importance` of what a study's database holds, and the trials that it is of."""
    space = searched(settings)
    tried = tried_of(space, trials)
    return *importance(space, tried, len(RUNGS) - 1, int(settings.get("seed", 0))), tried
