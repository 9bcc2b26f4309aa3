"""Number columns of which single values mean something of their own, as names do.

Where one value holds most rows, the others are often sums that a rule makes common, or signs such
as 99999. A network is smooth in a number: what two neighbouring sums say it can hardly tell apart.
Such a column is read as categories, too, where its single values say more of the target than their
neighbours do. Among the n' rows of n that do not hold the common value, class by class:

    own_i  = (sum of y over the other rows with that value + 3 near_i) / (their number + 3)
    near_i = mean of y over rows just below the value of row i and just above it, on each side as
             many as have the value, at least 20: else near would be the noisier one of the two.
             A row there counts as the mean of its value, so the order of rows is nothing
    g_i    = (y_i - near_i)^2 - (y_i - own_i)^2, 0 for values that are too rare to be coded, summed
             over classes

    read as categories:   sum g > 0.02 n Var y   and   sum g > 3 sd(g) sqrt(n')

| symbol | meaning | shape |
|---|---|---|
| x | the column | [n] |
| y | 1 for rows of a class and 0 for others, for each class; or the number to predict | [n] |

Rows that repeat an earlier one are left out: they would make any value speak. So are, of rows that
belong together, all but the first. Of more than 50,000
rows so many are looked at. Fewer than 24 values a network tells apart by itself. The rule is a
guard: read so without it, columns of 24 tables cost as much as they bought; docs/log.md has the
numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from shrinkage.clusters import Clusters
from shrinkage.data.schema import Schema
from shrinkage.data.tabular import FIRST, MOST

COMMON, VALUES = 0.5, 24
"""Of a column that is looked at: one value holds more than this share; its fewest values."""

FEWEST = 5
"""Rows of a value that speaks: of three folds each has about three of them to train on."""

_NEAR, _PRIOR, _GAIN, _ERRORS, _ROWS = 20, 3, 0.02, 3.0, 50_000


def coded(
    frame: pd.DataFrame,
    schema: Schema,
    target: np.ndarray,
    seed: int = 0,
    clusters: Clusters = None,
) -> tuple[str, ...]:
    """The number columns that are read as categories, too.

    frame: rows with their target.   target: [n] class codes, or numbers.   seed: of the rows that
    are looked at, where they are many.   clusters: [n], of rows that belong together.
    """
    found = [
        name for name in schema.numbers if common(frame[name].to_numpy(np.float64)) is not None
    ]
    if not found:
        return ()
    repeated = frame.duplicated().to_numpy()
    if clusters is not None:
        repeated = repeated | pd.Series(clusters).duplicated().to_numpy()
    rows = np.flatnonzero(~repeated)
    if len(rows) > _ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _ROWS, replace=False))
    y, some = target[rows], frame.iloc[rows]
    return tuple(n for n in found if speaks(some[n].to_numpy(np.float64), columns(y, schema)))


def columns(target: np.ndarray, schema: Schema) -> Iterable[np.ndarray]:
    """y of each class, or of the number."""
    if schema.classes is None:
        return [target]
    return ((target == k).astype(np.float64) for k in range(len(schema.classes)))


def common(x: np.ndarray) -> float | None:
    """The value that most rows hold; None where there is none, or few others. NaN is missing."""
    values, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    if len(values) < VALUES or counts.max() <= COMMON * len(x):
        return None
    return values[counts.argmax()]


def speaks(x: np.ndarray, ys: Iterable[np.ndarray]) -> bool:
    """Whether single values of x say more than their neighbours. ys: y of each class [n]."""
    if (usual := common(x)) is None:
        return False
    rare = ~np.isnan(x) & (x != usual)
    near, gains, variance = _Neighbours(x[rare]), np.zeros(rare.sum()), 0.0
    for y in ys:
        gains += near.gains(y[rare] - y.mean())
        variance += y.var()
    bars = _GAIN * len(x) * variance, _ERRORS * gains.std() * np.sqrt(len(gains))
    return bool(gains.sum() > max(bars))


class _Neighbours:
    """Rows in the order of x [n]: where each value begins, and which rows are just beside it."""

    def __init__(self, x: np.ndarray) -> None:
        self.order = np.argsort(x, kind="stable")
        _, self.first, self.value, self.count = np.unique(
            x[self.order], return_index=True, return_inverse=True, return_counts=True
        )
        self.last, each = self.first + self.count, np.maximum(self.count, _NEAR)
        self.below = np.maximum(self.first - each, 0)
        self.above = np.minimum(self.last + each, len(x))
        often = np.argsort(-self.count, kind="stable")[: MOST - FIRST - 1]
        self.spoken = np.zeros(len(self.count), dtype=bool)
        self.spoken[often] = self.count[often] >= FEWEST

    def gains(self, y: np.ndarray) -> np.ndarray:
        """g of each row for one y [n], in the order of the rows."""
        sums = np.add.reduceat(y[self.order], self.first)
        total = np.append(0.0, np.cumsum((sums / self.count)[self.value]))
        rows = self.first - self.below + self.above - self.last
        near = total[self.first] - total[self.below] + total[self.above] - total[self.last]
        near = near / np.maximum(rows, 1)
        own = sums[self.value] - y[self.order] + _PRIOR * near[self.value]
        own /= self.count[self.value] - 1 + _PRIOR
        gains = np.square(y[self.order] - near[self.value]) - np.square(y[self.order] - own)
        found = np.empty(len(y))
        found[self.order] = np.where(self.spoken[self.value], gains, 0.0)
        return found
