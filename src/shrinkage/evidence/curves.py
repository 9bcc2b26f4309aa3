"""Learning curves, and what a recipe is worth in rows.

    e(x) = a + b x^-c,   a >= the least error there can be,  b >= 0,  LEAST_C <= c <= MOST_C

x is a share of the rows, 1 being all of them. A recipe W is worth k times the rows beside another
recipe P where

    k >= 1:  W(1/k) = P(1)   with 1/k of the rows W is as good as P with all
    k < 1:   W(1) = P(k)     with k of the rows P is as good as W with all

so k always lies among sizes that were trained: W is read off its curve, P where it was measured
(and the other way round below 1). The interval holds every k at which the difference of the two
sides is not surely different from 0. The curve at x follows the measured means m by its slopes,

    de(x) = sum_i h_i(x) dm_i,   h(x) = g(x) (G'VG)^-1 G'V,   G, g: slopes in a, b, c; V: weights

so the difference has pseudo-values, sum_i h_i(x) y_W[i] - y_P, of which `stats.estimate` says how
sure it is, over seeds and rows. That is Fieller's way of putting an interval around a ratio: ends
that the data do not tell stay open.

Notation

    K   sizes, the first one all rows     S, J   seeds, groups of rows
    y   [K, S, J] pseudo-values of an error; its means over S and J are the errors m

Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically", for power laws of error
in rows; Viering & Loog 2022, "The Shape of Learning Curves: a Review", for how well three numbers
fit them, and where they do not. Fieller 1954, "Some problems in interval estimation".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from shrinkage.evidence import stats

FEWEST_SIZES = 3
"""With fewer there is no curve."""

LEAST_C, MOST_C = 0.01, 3.0
_CS = np.geomspace(LEAST_C, MOST_C, 60)

_STEPS = 160
"""Of the search for the ends of an interval, on each side of 1."""


@dataclass(frozen=True, eq=False)
class Curve:
    """a + b x^-c. free: which of a, b, c the fit was free to choose. shares, weights: [K]."""

    a: float
    b: float
    c: float
    free: tuple[bool, bool, bool]
    shares: np.ndarray
    weights: np.ndarray

    def at(self, share: Any) -> Any:
        """The error with this share of the rows."""
        return self.a + self.b * np.asarray(share, float) ** -self.c

    def pulls(self, shares: Any) -> np.ndarray:
        """[n, K]: by how much the curve at each share follows each measured mean."""
        left, right = (self._slopes(np.atleast_1d(x)) for x in (self.shares, shares))
        root = np.sqrt(self.weights)[:, None]
        # Slopes that are nearly alike (a and b where c is small) tell the same: pinv shares it out.
        return right @ np.linalg.pinv(root * left, rcond=1e-8) * root[:, 0]

    def _slopes(self, x: np.ndarray) -> np.ndarray:
        power = np.asarray(x, float) ** -self.c
        all_ = np.stack([np.ones_like(power), power, -self.b * power * np.log(x)], 1)
        return all_[:, list(self.free)]


def fitted(shares: Sequence[float], y: np.ndarray, least: float = 0.0) -> Curve:
    """The curve nearest to the means of y [K, S, J], by weighted least squares.

    least: the least error there can be, -inf where nobody knows. Of three sizes a is `least`, or
    where there is none c is 1/2, the rate of a mean's noise: three means do not tell three numbers.
    A size weighs by the noise it does not share with the others, 1 / (its variance + their mean).
    Raises ValueError below three sizes.
    """
    x, means = np.asarray(shares, float), y.mean((1, 2))
    if len(x) < FEWEST_SIZES:
        raise ValueError(f"expected three sizes or more, got {len(x)}")
    noise = np.array([_own_noise(stats.estimate(each)) for each in y])
    silent = noise.max() <= 1e-20 * np.square(means).max()  # up to what rounding makes
    weights = np.ones(len(x)) if silent else 1 / (noise + noise.mean())
    weights = weights / weights.mean()
    few = len(x) == FEWEST_SIZES
    floor = few and math.isfinite(least)

    def parts(c: float) -> tuple[float, float]:
        return _line(x**-c, means, weights, least, floor)

    def left(c: float) -> float:
        a, b = parts(c)
        return float((weights * (means - a - b * x**-c) ** 2).sum())

    c = 0.5
    if not few or floor:
        best = int(np.argmin([left(each) for each in _CS]))
        around = _CS[max(best - 1, 0)], _CS[min(best + 1, len(_CS) - 1)]
        near = minimize_scalar(left, bounds=around, method="bounded", options={"xatol": 1e-6})
        c = float(min((near.x, _CS[best]), key=left))
    a, b = parts(c)
    inside = b > 0 and _CS[0] < c < _CS[-1] and (not few or floor)
    return Curve(a, b, c, (not floor and a > least, b > 0, inside), x, weights)


def _own_noise(found: stats.Estimate) -> float:
    """Variance that a size does not share with others: rows are the same ones at all of them."""
    return found.of_seeds / found.seeds + found.of_both / (found.seeds * found.groups)


def _line(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, least: float, floor: bool
) -> tuple[float, float]:
    """a >= least (or a = least) and b >= 0 of the line a + b x nearest to y."""
    share = weights / weights.sum()
    middle, height = share @ x, share @ y
    spread = share @ (x - middle) ** 2
    b = float(share @ ((x - middle) * (y - height)) / spread) if spread > 0 else 0.0
    a = height - b * middle
    if floor or (a < least and b > 0):
        a = least
        b = float(share @ (x * (y - least)) / (share @ x**2))
    return (float(a), b) if b > 0 else (max(float(height), least), 0.0)


@dataclass(frozen=True)
class Worth:
    """times: how many times the rows; inf, 0: beyond all sizes that were trained.

    low, high: ends of the 95 % interval, 0 and inf where they are open. most: the largest that
    could have been seen; least: the smallest.
    """

    times: float
    low: float
    high: float
    least: float
    most: float

    def to_json(self) -> dict[str, Any]:
        """None stands for what is open, or not known because it is beyond "least" or "most"."""
        low, high = self.low or None, None if math.isinf(self.high) else self.high
        beyond = {0.0: "least", math.inf: "most"}.get(self.times)
        return {
            "times": None if beyond else self.times,
            "beyond": beyond,
            "interval": [low, high],
            "seen": [self.least, self.most],
        }


def worth(
    curve: Curve, y: np.ndarray, other: np.ndarray, beside: tuple[Curve, np.ndarray] | None = None
) -> Worth:
    """How many times the rows W is worth beside P.

    curve, y: of W, y [K, S, J]. other: [S, J], P with all rows.
    beside: P's own curve and y, for what lies below 1; without it everything there is "0".
    """
    k = np.geomspace(1, 1 / float(curve.shares.min()), _STEPS)
    found = _readings(curve, y, 1 / k, other)
    if beside is not None:
        below = np.geomspace(float(beside[0].shares.min()), 1, _STEPS)[:-1]
        k = np.concatenate([below, k])
        found = np.concatenate([_turned(_readings(*beside, below, y[0])), found])
    return _ends(k, found)


def _ends(k: np.ndarray, readings: np.ndarray) -> Worth:
    """Where a difference that rises with k is 0, and the k between which it may be.

    readings: [n, 3], the difference and the ends of its interval. Where it is surely below 0, so it
    is at all smaller k, and where surely above, at all larger ones, however noisy they are.
    """
    middle, low, high = readings.T
    middle, low = np.maximum.accumulate(middle), np.maximum.accumulate(low)
    high = np.minimum.accumulate(high[::-1])[::-1]
    least, most = float(k[0]), float(k[-1])
    ends = min(_crossing(k, high), most), max(_crossing(k, low), least)
    return Worth(_crossing(k, middle), *ends, least, most)


def _readings(curve: Curve, y: np.ndarray, shares: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[n, 3]: the curve at each share less the other's mean, and the ends of its 95 % interval."""
    values = np.tensordot(curve.pulls(shares), y, 1) - other
    middle = curve.at(shares) - other.mean()
    each = (
        replace(stats.estimate(v), mean=m) for v, m in zip(values, middle.tolist(), strict=True)
    )
    return np.array([(found.mean, *found.interval()) for found in each])


def _turned(readings: np.ndarray) -> np.ndarray:
    """Of the difference the other way round."""
    return -readings[:, [0, 2, 1]]


def _crossing(k: np.ndarray, rising: np.ndarray) -> float:
    """Where a rising function is 0, between the two k beside it; inf, 0 where it is never."""
    if rising[-1] < 0:
        return math.inf
    if rising[0] > 0:
        return 0.0
    after = int(np.argmax(rising >= 0))
    if after == 0 or rising[after] == 0:
        return float(k[after])
    a, b = rising[after - 1], rising[after]
    return float(k[after - 1] * (k[after] / k[after - 1]) ** (a / (a - b)))


def band(curve: Curve, y: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """[n, 2]: 95 % interval of the curve at each share."""
    return _readings(curve, y, shares, np.zeros(y.shape[1:]))[:, 1:]
