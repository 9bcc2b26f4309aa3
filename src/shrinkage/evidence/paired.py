"""A score on test rows, and the paired difference between two, each with a 95 % interval.

    v_j   values whose mean is the metric, a row's own or the pseudo-value of a group of rows
    score      mean v                 +- q sd(v) / sqrt(J)
    difference mean (v' - v)          +- q sd(v' - v) / sqrt(J)

Accuracy, balanced accuracy, F1, log loss, MAE and quantile losses are means over rows: v is what
`scores.row_losses` says, q = 1.96, and the interval is that of result.json. Of RMSE, R2 and AUC,
which are no means, v_j = J m(all) - (J - 1) m(without group j), the jackknife's pseudo-values of
J groups, and q is Student's with J - 1 degrees of freedom (Tukey 1958; Miller 1974, "The
jackknife - a review"). Accuracy alone gets Wilson's interval, which stays within [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from shrinkage import scores
from shrinkage.calibration import Z95, wilson

GROUPS = 30
"""Of test rows; of a jackknife."""

_MEANS = frozenset({"accuracy", "balanced_accuracy", "f1", "log_loss", "mae"})


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
    groups = min(GROUPS, len(y))
    place = torch.arange(len(y)) % groups
    whole = _score(metric, o, y)
    without = [_score(metric, o[place != j], y[place != j]) for j in range(groups)]
    return groups * whole - (groups - 1) * np.array(without)


def difference(value: float, one: np.ndarray, other: np.ndarray, rows: int) -> Interval | None:
    """`value` is one's score less the other's. one, other: `values` on the same test rows.

    None where it is not defined: too few rows, or an AUC of one class.
    """
    return _around(value, one - other, rows)


def score(metric: scores.Metric, value: float, own: np.ndarray, rows: int) -> Interval | None:
    """A score's interval. own: `values` on the test rows."""
    if metric.name == "accuracy":
        return Interval(value, *wilson(round(value * rows), rows))
    found = _around(value, own, rows)
    if found is None:
        return None
    ends = np.clip((found.low, found.high), *limits(metric))
    return Interval(value, float(ends[0]), float(ends[1]))


def limits(metric: scores.Metric) -> tuple[float, float]:
    """No metric of ours is above 1 where more is the goal, or below 0 where less is."""
    return (-np.inf, 1.0) if metric.greater_is_better else (0.0, np.inf)


def _around(value: float, v: np.ndarray, rows: int) -> Interval | None:
    if len(v) < 2 or not np.isfinite(v).all() or not np.isfinite(value):
        return None
    q = Z95 if len(v) == rows else float(stats.t.ppf(0.975, len(v) - 1))
    reach = q * float(v.std(ddof=1)) / np.sqrt(len(v))
    return Interval(float(value), float(value - reach), float(value + reach))


def _score(metric: scores.Metric, output: torch.Tensor, target: torch.Tensor) -> float:
    return float(metric.function(output[None], target)[0])
