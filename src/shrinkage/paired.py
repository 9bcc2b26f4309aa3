"""Values of test rows whose mean is a metric, and the paired difference between two models.

    v_i         values whose mean is the metric, a row's own or its pseudo-value
    difference  mean (v' - v)     +- t sd(v' - v) / sqrt(n)

t is Student's with n - 1 degrees of freedom, n being the rows of the rarest class for an AUC, whose
variance hangs on them. A score's own interval is `evidence.interval`'s.

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
`uncertainty.matched`): of a balanced accuracy class by class, as a recall is of its class's rows
alone, and the variances of K recalls add to K^2 times that of their mean.

Where rows belong together each cluster of them has one value in their place (`clusters`), and n is
the number of clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import stats

from shrinkage import scores
from shrinkage.clusters import Clusters, count, per_cluster
from shrinkage.uncertainty import Z95, matched, mean_and_error, t95

_MEANS = frozenset({"accuracy", "f1", "log_loss", "mae"})


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


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model said of test rows, as its score sees it.

    output: [n, C] or [n].   target: [n].   clusters: [n], of rows that belong together.
    """

    metric: scores.Metric
    output: np.ndarray
    target: np.ndarray
    clusters: Clusters = None

    @cached_property
    def by_row(self) -> np.ndarray:
        """v [n]."""
        return values(self.metric, self.output, self.target)

    @cached_property
    def v(self) -> np.ndarray:
        """The same, one a cluster where rows belong together."""
        return per_cluster(self.by_row, self.clusters)

    @cached_property
    def step(self) -> float:
        """How far a changed decision moves its row's v; 0 where the metric sees no decisions."""
        given = torch.from_numpy(self.output), torch.from_numpy(self.target)
        return scores.step_of(self.metric, *given)

    @cached_property
    def hit(self) -> np.ndarray:
        """[n] bool, of probabilities."""
        return self.output.argmax(1) == self.target


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


def fewest(target: np.ndarray, clusters: Clusters = None, classes: int | None = None) -> int:
    """Rows of the rarest class, those that belong together being one.

    classes: how many there are; None: those that have a row.
    """
    among = np.unique(target) if classes is None else range(classes)
    its = [target == c for c in among]
    return min(count(None if clusters is None else clusters[at], int(at.sum())) for at in its)


def effect(value: float, one: Answers, other: Answers) -> tuple[float, float, float]:
    """(centre, standard error, degrees of freedom) of one's score less the other's.

    value: that difference, which is the centre but for decisions: they are counted with rows more,
    and their error is a normal distribution's, of endless degrees.
    """
    delta = one.v - other.v
    if not one.metric.decides:
        known = fewest(one.target, one.clusters) if one.metric.name == "roc_auc" else len(delta)
        return value, mean_and_error(delta)[1], max(2, known) - 1
    if one.metric.name == "balanced_accuracy" and one.clusters is None:
        hits = one.hit.astype(float) - other.hit
        found = np.array([matched(hits[one.target == c]) for c in np.unique(one.target)])
        centre, error = found[:, 0].mean(), np.sqrt(np.square(found[:, 1]).sum()) / len(found)
        return float(centre), float(error), np.inf
    return (*matched(delta, one.step * other.step), np.inf)


def difference(value: float, one: Answers, other: Answers) -> Interval | None:
    """`value` is one's score less the other's, both on the same test rows, by the same metric.

    None where it is not defined: too few rows, or an AUC of one class.
    """
    if len(one.v) < 2 or not np.isfinite([value, *one.v, *other.v]).all():
        return None
    centre, error, degrees = effect(value, one, other)
    reach = (Z95 if np.isinf(degrees) else t95(int(degrees) + 1)) * error
    return Interval(float(value), centre - reach, centre + reach)


def is_mean(metric: scores.Metric) -> bool:
    """Whether it is the mean of what its rows cost, `scores.row_losses`, or 1 less that."""
    return _of_rows(metric) or metric.name == "balanced_accuracy"


def _of_rows(metric: scores.Metric) -> bool:
    """The same, where the counts of classes are of no matter."""
    return metric.name in _MEANS or scores.quantile_of(metric) is not None


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
