"""A score on test rows, and the paired difference between two, each with a 95 % interval.

    v_i   values whose mean is the metric, a row's own or its pseudo-value
    score      mean v                 +- t sd(v) / sqrt(n)
    difference mean (v' - v)          +- t sd(v' - v) / sqrt(n)

t is Student's with n - 1 degrees of freedom.

Accuracy, F1, log loss, MAE and quantile losses are means over rows: v is what `scores.row_losses`
says, and the interval is that of result.json. Balanced accuracy is a mean of the K
classes' recalls r_c, and the counts n_c of its rows are no news: v is r + n / (K n_c) (hit - r_c),
r being the mean recall. Of an AUC a row's value
is A + n/n_1 (V - A) for a positive, A + n/n_0 (V - A) for a negative, V being the share of the
other kind's rows that it is on the right side of (DeLong et al. 1988, "Comparing the Areas Under
Two or More Correlated Receiver Operating Characteristic Curves"; with more classes their mean).
Of RMSE and R2, v_i = n m(all) - (n - 1) m(without row i), the jackknife's pseudo-values (Miller
1974, "The jackknife - a review").
Of decisions half a row more is counted in each of the four cells of a difference (Agresti & Min;
`calibration.matched`). Accuracy gets Wilson's interval, which stays within [0, 1]. So does every
share without a single error, whose values do not vary: that of as many rows as the rarest class has
(`flawless`).

Where rows belong together each cluster of them has one value in their place (`clusters`), n is the
number of clusters, and accuracy is of `calibration.effective` rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from shrinkage import scores
from shrinkage.calibration import Z95, effective, matched, t95, wilson
from shrinkage.clusters import Clusters, per_cluster

_MEANS = frozenset({"accuracy", "f1", "log_loss", "mae"})
_ROUNDING = 1e-9
"""A mean of recalls that are all 1 may miss 1 by its rounding; no single error is so small."""


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval, in the metric's own unit and direction."""

    value: float
    low: float
    high: float

    @property
    def open(self) -> bool:
        """Whether the sign of the value is not sure."""
        return self.low <= 0 <= self.high


def values(metric: scores.Metric, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """v [n] of any metric but a person's own function. output: [n, C] or [n].   target: [n]."""
    if _of_rows(metric):
        o, y = torch.from_numpy(output), torch.from_numpy(target)
        losses = scores.row_losses(metric, o, y).numpy()
        return 1 - losses if metric.greater_is_better else losses
    if metric.name == "balanced_accuracy":
        return _recalls(output, target)
    if metric.name == "roc_auc":
        return _areas(output, target)
    return _without_each(metric.name, output, target)


def difference(
    metric: scores.Metric,
    value: float,
    one: np.ndarray,
    other: np.ndarray,
    step: float = 0.0,
    clusters: Clusters = None,
) -> Interval | None:
    """`value` is one's score less the other's. one, other: `values` on the same test rows.

    step: size of a changed decision, of both models together: the geometric mean of their
    `scores.step_of`.   clusters: [n], of rows that belong together.
    None where it is not defined: too few rows, or an AUC of one class.
    """
    delta = per_cluster(one - other, clusters)
    found = _around(value, delta)
    if found is None or not step:
        return found
    centre, error = matched(delta, step**2)
    return Interval(float(value), centre - Z95 * error, centre + Z95 * error)


def score(
    metric: scores.Metric,
    value: float,
    own: np.ndarray,
    target: np.ndarray,
    clusters: Clusters = None,
) -> Interval | None:
    """A score's interval. own: `values` on the test rows. target, clusters: [n], theirs."""
    if metric.name == "accuracy":
        rows = effective(own, clusters)
        return Interval(value, *wilson(value * rows, rows))
    if ends := flawless(metric, value, target, clusters):
        return Interval(value, *ends)
    found = _around(value, per_cluster(own, clusters))
    if found is None:
        return None
    ends = np.clip((found.low, found.high), *limits(metric))
    return Interval(value, float(ends[0]), float(ends[1]))


def flawless(
    metric: scores.Metric, value: float, target: np.ndarray, clusters: Clusters = None
) -> tuple[float, float] | None:
    """Wilson's ends of a share that is 1 or 0; None for others, and for what is no share.

    Rows that belong together count as one, of each class among them.
    """
    share = metric.task == "classification" and metric.greater_is_better
    if not share or metric.name.startswith(scores.OWN):
        return None
    if not (abs(value) < _ROUNDING or abs(value - 1) < _ROUNDING):
        return None
    if clusters is None:
        clusters = np.arange(len(target))
    fewest = len(np.unique(clusters))
    if metric.name != "accuracy":
        fewest = min(len(np.unique(clusters[target == c])) for c in np.unique(target))
    return wilson(fewest * round(value), fewest)


def limits(metric: scores.Metric) -> tuple[float, float]:
    """Shares are within 0 and 1, R2 is at most 1, and no loss of ours is below 0.

    What a person's own function may give is not known.
    """
    if metric.name.startswith(scores.OWN):
        return (-np.inf, np.inf)
    if metric.greater_is_better:
        return (0.0 if metric.task == "classification" else -np.inf, 1.0)
    return (0.0, np.inf)


def _of_rows(metric: scores.Metric) -> bool:
    """Whether it is a mean over rows."""
    return metric.name in _MEANS or scores.quantile_of(metric) is not None


def _around(value: float, v: np.ndarray) -> Interval | None:
    if len(v) < 2 or not np.isfinite(v).all() or not np.isfinite(value):
        return None
    reach = t95(len(v)) * float(v.std(ddof=1)) / np.sqrt(len(v))
    return Interval(float(value), float(value - reach), float(value + reach))


def _without_each(name: str, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[n] pseudo-values of an RMSE or an R2, in closed form."""
    n, squares = len(target), np.square(prediction - target)
    if n < 2 or (name == "r2" and np.ptp(target) == 0):
        return np.full(n, np.nan)
    total = squares.sum()
    if name == "rmse":
        whole, without = np.sqrt(total / n), np.sqrt(np.maximum(total - squares, 0) / (n - 1))
    else:
        away = np.square(target - target.mean())
        # Without row i the mean of the others is another one, too.
        left = np.maximum(away.sum() - away * n / (n - 1), np.finfo(float).tiny)
        whole, without = 1 - total / away.sum(), 1 - (total - squares) / left
    return n * whole - (n - 1) * without


def _recalls(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[n] values whose mean is the balanced accuracy; a class without a row is left out."""
    hit = (probability.argmax(1) == target).astype(float)
    counts = np.bincount(target)
    recall = np.bincount(target, hit) / np.maximum(counts, 1)
    classes = np.count_nonzero(counts)
    weight = len(target) / (classes * counts[target])
    return recall.sum() / classes + weight * (hit - recall[target])


def _areas(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[n] values whose mean is the AUC; a class without a row, or with all of them, is left out."""
    classes = range(probability.shape[1])
    each = [_area(probability[:, c], target == c) for c in ([1] if len(classes) == 2 else classes)]
    known = [v for v in each if v is not None]
    return np.mean(known, 0) if known else np.full(len(target), np.nan)


def _area(score: np.ndarray, event: np.ndarray) -> np.ndarray | None:
    n, n1 = len(event), int(event.sum())
    n0 = n - n1
    if not n0 or not n1:
        return None
    ranks = stats.rankdata(score)
    inside = np.empty(n)
    inside[event], inside[~event] = stats.rankdata(score[event]), stats.rankdata(score[~event])
    # Mid-ranks among all less those among its own kind: how many of the other kind lie below.
    below = ranks - inside
    right = np.where(event, below / n0, 1 - below / n1)
    area = right[event].mean()
    return area + n / np.where(event, n1, n0) * (right - area)
