"""A score on test rows, and the paired difference between two, each with a 95 % interval.

    v_j   values whose mean is the metric, a row's own or the pseudo-value of a group of rows
    score      mean v                 +- q sd(v) / sqrt(J)
    difference mean (v' - v)          +- q sd(v' - v) / sqrt(J)

Accuracy, F1, log loss, MAE and quantile losses are means over rows: v is what `scores.row_losses`
says, q = 1.96, and the interval is that of result.json. Balanced accuracy is a mean of the K
classes' recalls r_c, and the counts n_c of its rows are no news: v is r + n / (K n_c) (hit - r_c),
r being the mean recall. Of an AUC a row's value
is A + n/n_1 (V - A) for a positive, A + n/n_0 (V - A) for a negative, V being the share of the
other kind's rows that it is on the right side of (DeLong et al. 1988, "Comparing the Areas Under
Two or More Correlated Receiver Operating Characteristic Curves"; with more classes their mean).
Of RMSE and R2, v_j = J m(all) - (J - 1) m(without group j), the jackknife's pseudo-values of J
groups, and q is Student's with J - 1 degrees of freedom (Miller 1974, "The jackknife - a review").
Of decisions half a row more is counted in each of the four cells of a difference (Agresti & Min;
`calibration.matched`). Accuracy gets Wilson's interval, which stays within [0, 1]. So does every
share without a single error, whose values do not vary: that of as many rows as the rarest class has
(`flawless`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from shrinkage import scores
from shrinkage.calibration import Z95, matched, wilson

GROUPS = 30
"""Of test rows, two or more each; of a jackknife."""

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


def values(metric: scores.Metric, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """v. output: [n, C] or [n].   target: [n].   Returns [n], or [J] pseudo-values."""
    o, y = torch.from_numpy(output), torch.from_numpy(target)
    if metric.name in _MEANS or scores.quantile_of(metric) is not None:
        losses = scores.row_losses(metric, o, y).numpy()
        return 1 - losses if metric.greater_is_better else losses
    if metric.name == "balanced_accuracy":
        return _recalls(output, target)
    if metric.name == "roc_auc":
        return _areas(output, target)
    groups = max(1, min(GROUPS, len(y) // 2))
    if len(y) < 2:
        return np.full(len(y), np.nan)
    place = torch.arange(len(y)) % groups
    whole = _score(metric, o, y)
    without = [_score(metric, o[place != j], y[place != j]) for j in range(groups)]
    return groups * whole - (groups - 1) * np.array(without)


def difference(
    value: float, one: np.ndarray, other: np.ndarray, rows: int, step: float = 0.0
) -> Interval | None:
    """`value` is one's score less the other's. one, other: `values` on the same test rows.

    step: size of a changed decision, `scores.step_of`.
    None where it is not defined: too few rows, or an AUC of one class.
    """
    found = _around(value, one - other, rows)
    if found is None or not step:
        return found
    centre, error = matched(one - other, step**2)
    return Interval(float(value), centre - Z95 * error, centre + Z95 * error)


def score(
    metric: scores.Metric, value: float, own: np.ndarray, target: np.ndarray
) -> Interval | None:
    """A score's interval. own: `values` on the test rows. target: [n], theirs."""
    rows = len(target)
    if metric.name == "accuracy":
        return Interval(value, *wilson(round(value * rows), rows))
    if ends := flawless(metric, value, target):
        return Interval(value, *ends)
    found = _around(value, own, rows)
    if found is None:
        return None
    ends = np.clip((found.low, found.high), *limits(metric))
    return Interval(value, float(ends[0]), float(ends[1]))


def flawless(metric: scores.Metric, value: float, target: np.ndarray) -> tuple[float, float] | None:
    """Wilson's ends of a share that is 1 or 0; None for others, and for what is no share."""
    share = metric.task == "classification" and metric.greater_is_better
    if not share or metric.name.startswith(scores.OWN) or value not in (0.0, 1.0):
        return None
    counts = np.bincount(target)
    fewest = len(target) if metric.name == "accuracy" else int(counts[counts > 0].min())
    return wilson(fewest if value else 0, fewest)


def limits(metric: scores.Metric) -> tuple[float, float]:
    """No metric of ours is above 1 where more is the goal, or below 0 where less is.

    What a person's own function may give is not known.
    """
    if metric.name.startswith(scores.OWN):
        return (-np.inf, np.inf)
    return (-np.inf, 1.0) if metric.greater_is_better else (0.0, np.inf)


def _around(value: float, v: np.ndarray, rows: int) -> Interval | None:
    if len(v) < 2 or not np.isfinite(v).all() or not np.isfinite(value):
        return None
    q = Z95 if len(v) == rows else float(stats.t.ppf(0.975, len(v) - 1))
    reach = q * float(v.std(ddof=1)) / np.sqrt(len(v))
    return Interval(float(value), float(value - reach), float(value + reach))


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


def _score(metric: scores.Metric, output: torch.Tensor, target: torch.Tensor) -> float:
    return float(metric.function(output[None], target)[0])
