"""Number columns of which single values mean something of their own, as names do.

Where one value holds most rows, the others are often sums that a rule makes common, or signs such
as 99999. A network is smooth in a number: what two neighbouring sums say it can hardly tell apart.
Such a column is read as categories, too, where its single values say more of the target than their
neighbours do. Among the n' rows of N that do not hold the common value, y centred:

    own_i  = (sum of y over the other rows with that value + 3 near_i) / (their number + 3)
    near_i = mean of y over rows just below the value of row i and just above it, on each side as
             many as have the value, at least 20: else near would be the noisier one of the two
    g_i    = |y_i - near_i|^2 - |y_i - own_i|^2,     0 for a value of fewer than three rows

    read as categories:   sum g >= 0.02 N Var y   and   sum g >= 3 sd(g) sqrt(n')

| symbol | meaning | shape |
|---|---|---|
| x | the column | [n] |
| y | a 1 for each row's class and 0 for the others, or the number to predict | [n, C], or [n, 1] |

Three standard errors, as many columns are looked at. Fewer than 24 values a network tells apart by
itself. The rule is a guard: read so without it, columns of 24 tables cost as much as they bought;
docs/log.md has the numbers.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from shrinkage.data.schema import Schema
from shrinkage.data.tabular import FEWEST

COMMON, VALUES = 0.5, 24
"""Of a column that is looked at: the share that one value holds at least, and its fewest values."""

_NEAR, _PRIOR, _GAIN, _ERRORS = 20, 3, 0.02, 3.0


def coded(frame: pd.DataFrame, schema: Schema, target: np.ndarray) -> tuple[str, ...]:
    """The number columns that are read as categories, too. target: [n] class codes, or numbers."""
    columns = {name: frame[name].to_numpy(np.float64) for name in schema.numbers}
    looked_at = {name: x for name, x in columns.items() if common(x) is not None}
    if not looked_at:
        return ()
    y = target[:, None] if schema.classes is None else np.eye(len(schema.classes))[target]
    return tuple(name for name, x in looked_at.items() if speaks(x, y))


def common(x: np.ndarray) -> float | None:
    """The value that most rows hold; None where there is none, or few others. NaN is missing."""
    values, counts = np.unique(x[~np.isnan(x)], return_counts=True)
    if len(values) < VALUES or counts.max() <= COMMON * len(x):
        return None
    return values[counts.argmax()]


def speaks(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether single values of x, which has a common one, say more of y than their neighbours."""
    rare = ~np.isnan(x) & (x != common(x))
    gains = _gains(x[rare], y[rare] - y.mean(0))
    enough = _GAIN * np.square(y - y.mean(0)).sum()
    return bool(gains.sum() >= max(enough, _ERRORS * gains.std() * np.sqrt(len(gains))))


def _gains(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """g of each row, in the order of x."""
    order = np.argsort(x, kind="stable")
    y, n = y[order], len(x)
    _, first, value, count = np.unique(
        x[order], return_index=True, return_inverse=True, return_counts=True
    )
    total = np.concatenate([np.zeros((1, y.shape[1])), np.cumsum(y, 0)])
    last = first + count
    each = np.maximum(count, _NEAR)
    below, above = np.maximum(first - each, 0), np.minimum(last + each, n)
    rows = first - below + above - last
    near = total[first] - total[below] + total[above] - total[last]
    near = (near / np.maximum(rows, 1)[:, None])[value]
    others = (total[last] - total[first])[value] - y
    own = (others + _PRIOR * near) / (count[value] - 1 + _PRIOR)[:, None]
    gains = (np.square(y - near) - np.square(y - own)).sum(1)
    return np.where(count[value] < FEWEST, 0.0, gains)
