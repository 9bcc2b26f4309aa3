"""How sure a mean, a rate or a difference is of which rows tell: errors and 95 % intervals.

Rows that belong together tell less than as many strangers: see `clusters`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from shrinkage.clusters import Clusters, per_cluster

Z95 = 1.959963984540054
"""Of a normal distribution, 95 % lie within +- Z95 standard deviations."""


def t95(rows: int) -> float:
    """The same of Student's t, for a mean over `rows` whose variance is known from them alone."""
    return float(stdtrit(rows - 1, 0.975)) if rows > 1 else np.inf


def mean_and_error(gains: np.ndarray) -> tuple[float, float]:
    """Mean and standard error of gains [n]; the error of one row is infinite."""
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
    return float(gains.mean()), float(error)


def effective(v: np.ndarray, clusters: Clusters) -> float:
    """How many independent rows would tell as much of the mean of v [n].

        n* = var(v) / se^2,   se^2 = var(V) / G (t_{G-1} / z)^2,   V, G: see `clusters`

    n where no rows belong together, and never more; G where v does not vary.

    Korn & Graubard 1998, "Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data".
    """
    if clusters is None:
        return float(len(v))
    its = per_cluster(v, clusters)
    if len(its) < 2:
        return 1.0
    square = its.var(ddof=1) / len(its) * (t95(len(its)) / Z95) ** 2
    spread = v.var()
    if not spread > 0 or not square > 0:
        return float(len(its))
    return float(min(spread / square, len(v)))


def wilson(hits: float, count: float) -> tuple[float, float]:
    """The 95 % interval of a rate, hits of count: within [0, 1], fair for few rows too.

        (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

    Of rows that belong together, count is how many independent ones they are (`effective`).

    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    rate, share = hits / count, Z95**2 / count
    middle = rate + share / 2
    reach = Z95 * np.sqrt(rate * (1 - rate) / count + share / (4 * count))
    low, high = (middle - reach) / (1 + share), (middle + reach) / (1 + share)
    return max(0.0, float(low)), min(1.0, float(high))


def matched(delta: np.ndarray, square: float = 1.0) -> tuple[float, float]:
    """(centre, standard error) of a mean difference of decisions on the same rows.

        m = sum d / n',   se^2 = ((sum d^2 + square) / n' - m^2) / n',   n' = n + 2

    delta: [n], d, how much less wrong a row is decided. Where nearly all are decided alike they
    show no variance though there is some: half a row more is counted in each of the four cells.
    square: of the size that a changed decision has, 1 for hits.

    Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions".
    """
    n = len(delta) + 2
    centre = float(delta.sum()) / n
    squares = (float(np.square(delta).sum()) + square) / n
    return centre, float(np.sqrt((squares - centre**2) / n))
