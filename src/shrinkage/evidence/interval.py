"""The 95 % interval of a score on test rows.

    accuracy        Wilson's
    balanced        of K recalls' Wilson's intervals, their reaches squared and added, over K
    F1              Wilson's of J = hits / (hits + both kinds of errors); F1 = 2 J / (1 + J)
    losses, 1 - R2  Student's, of the logarithm
    AUC             of two classes, of strangers: where A is z standard errors away (Newcombe 2006)
                    else Student's of log(A / (1 - A)), with the degrees of its rarest class
    other shares    Student's, cut to [0, 1]: F1 of more classes; recalls where rows belong together

Values are skewed where rows, or those of a class, are few: an interval that is as long on both
sides holds the truth less often there. A share without a single error has values that do not vary:
it is as sure as the rows of its rarest class are (`flawless`).

Where rows belong together each cluster of them has one value in their place (`clusters`), and
Wilson's intervals are of `uncertainty.effective` rows.

The variance of an AUC near 1 is known from its few wrong pairs less well than from itself: Hanley &
McNeil 1982 have it for exponential scores, which Newcombe solves for the ends,

    V(A) = A (1 - A) (1 + (N - 1) ((1 - A) / (2 - A) + A / (1 + A))) / (n_1 n_0),   N = n / 2

Newcombe 2006, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic.
Part 2", method 5.
Wilson 1927, "Probable inference, the law of succession, and statistical inference"; Newcombe 1998,
"Interval estimation for the difference between independent proportions", method 10, for squares.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from shrinkage import scores
from shrinkage.clusters import Clusters, count
from shrinkage.paired import Answers, Interval, fewest
from shrinkage.uncertainty import Z95, effective, mean_and_error, t95, wilson

_ROUNDING = 1e-9
"""A mean of recalls that are all 1 may miss 1 by its rounding; no single error is so small."""


def score(value: float, of: Answers) -> Interval | None:
    """Of a score, `value`, in its own unit. None where it is not defined, or rows are too few."""
    if len(of.v) < 2 or not np.isfinite([value, *of.v]).all():
        return None
    metric = of.metric
    if metric.name == "accuracy":
        rows = effective(of.by_row, of.clusters)
        return Interval(value, *wilson(value * rows, rows))
    if metric.name == "balanced_accuracy" and of.clusters is None:
        return _balanced(value, of)
    if metric.name == "roc_auc" and of.output.shape[1] == 2 and of.clusters is None:
        return Interval(value, *area_ends(value, *np.bincount(of.target, minlength=2)))
    if ends := flawless(metric, value, of.target, of.clusters):
        return Interval(value, *ends)
    if metric.name == "f1" and of.output.shape[1] == 2:
        return _f1(value, of)
    if metric.name == "roc_auc":
        return _area(value, of)
    if metric.task == "classification" and metric.greater_is_better:
        return _student(value, of)
    return _below(value, of)


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
    rows = count(clusters, len(target))
    rows = rows if metric.name == "accuracy" else fewest(target, clusters)
    return wilson(rows * round(value), rows)


def limits(metric: scores.Metric) -> tuple[float, float]:
    """Shares are within 0 and 1, R2 is at most 1, and no loss of ours is below 0.

    What a person's own function may give is not known.
    """
    if metric.name.startswith(scores.OWN):
        return (-np.inf, np.inf)
    if metric.greater_is_better:
        return (0.0 if metric.task == "classification" else -np.inf, 1.0)
    return (0.0, np.inf)


def _below(value: float, of: Answers) -> Interval:
    """Of a loss, or of 1 - R2: Student's t of its logarithm."""
    top = 1.0 if of.metric.greater_is_better else 0.0
    loss = abs(top - value)
    if not loss > 0:
        return Interval(value, value, value)
    with np.errstate(over="ignore"):
        reach = np.exp(t95(len(of.v)) * mean_and_error(of.v)[1] / loss)
    ends = top - loss * reach, top - loss / reach
    return Interval(value, *ends) if top else Interval(value, -float(ends[1]), -float(ends[0]))


def _area(value: float, of: Answers) -> Interval:
    """One row of a class tells nothing of its variance: as little is then known as of two."""
    rows = max(2, fewest(of.target, of.clusters))
    reach = t95(rows) * mean_and_error(of.v)[1] / (value * (1 - value))
    with np.errstate(over="ignore"):
        odds = value / (1 - value) * np.exp((-reach, reach))
    low, high = 1 - 1 / (1 + odds)
    return Interval(value, float(low), float(high))


def area_ends(area: float, one: int, other: int) -> tuple[float, float]:
    """Newcombe's ends of an AUC. one, other: rows of each class, more than none."""

    def away(truth: float) -> float:
        more = (1 - truth) / (2 - truth) + truth / (1 + truth)
        square = truth * (1 - truth) * (1 + ((one + other) / 2 - 1) * more) / (one * other)
        return np.square(area - truth) - Z95**2 * square

    # It is below 0 at the area itself (beside it, where that is 0 or 1) and above it at 0 and 1.
    low = brentq(away, 0, min(area, 1 - _ROUNDING)) if area > 0 else 0.0
    high = brentq(away, max(area, _ROUNDING), 1) if area < 1 else 1.0
    return float(low), float(high)  # pyright: ignore[reportArgumentType]


def _balanced(value: float, of: Answers) -> Interval:
    kinds = [of.target == c for c in np.unique(of.target)]
    recall = np.array([of.hit[kind].mean() for kind in kinds])
    counts = [int(kind.sum()) for kind in kinds]
    ends = np.array([wilson(r * n, n) for r, n in zip(recall, counts, strict=True)])
    below, above = np.sqrt(np.square(ends.T - recall).sum(1)) / len(kinds)
    return Interval(value, float(value - below), float(value + above))


def _f1(value: float, of: Answers) -> Interval:
    """Of rows that are of class 1 or called so, those that are both are a share like any other."""
    called, there = of.output.argmax(1) == 1, of.target == 1
    among = called | there
    both = (called & there)[among]
    rows = effective(both.astype(float), None if of.clusters is None else of.clusters[among])
    ends = wilson(float(both.mean()) * rows, rows)
    return Interval(value, *(2 * j / (1 + j) for j in ends))


def _student(value: float, of: Answers) -> Interval:
    reach = t95(len(of.v)) * mean_and_error(of.v)[1]
    return Interval(value, max(0.0, value - reach), min(1.0, value + reach))
