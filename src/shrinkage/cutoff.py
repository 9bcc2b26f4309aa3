"""From probabilities to a class, where the metric does not ask for the most probable one.

Notation

    p   probability of class 1 [n]      y   0 or 1 [n]      c   cutoff in (0, 1)
    n   rows                            L   loss of a row by (its class, the class chosen)

With two classes, class 1 is chosen where p > c. The best cutoff for accuracy is 1/2, for balanced
accuracy the share of class 1, for F1 half the best F1 (Lipton et al. 2014): all where p is
calibrated, which is why it is tuned on rows that the networks have not seen.

Few rows make a ragged curve, whose highest point is luck. So the middle is taken of all cutoffs
that are worse by no more than one standard error: on 150 rows with a fifth of class 1 that loses
.009 of F1 against the best cutoff, where the highest point loses .036 (docs/log.md).

With more classes, the balanced accuracy is best served by the largest p_c / prior_c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from shrinkage import scores
from shrinkage.calibration import apart
from shrinkage.clusters import Clusters, per_cluster
from shrinkage.uncertainty import mean_and_error

MOST_CANDIDATES = 199
"""Cutoffs that are tried, at equal shares of the rows."""


def weighted(
    probability: np.ndarray, cutoff: float | None, priors: Sequence[float] | None
) -> np.ndarray:
    """What the largest value of each row decides by: probabilities where there is no rule.

        two classes: [(1 - p) c, p (1 - c)]        more: p_c / prior_c

    probability: [n, C].   cutoff: c, or None.   priors: [C], above 0, or None.   Returns [n, C].
    """
    if cutoff is not None:
        return probability * np.array([cutoff, 1 - cutoff])
    return probability if priors is None else probability / np.asarray(priors)


def best_cutoff(score: np.ndarray, target: np.ndarray, metric: str) -> float:
    """The middle between the lowest and the highest cutoff that may be the best one.

    Those are the cutoffs that are worse than the best by no more than one standard error of the
    paired difference.

    score: [n] p.   target: [n] y.   metric: accuracy, balanced_accuracy or f1; another raises
    KeyError. 1/2 where all scores are equal.
    """
    candidates = _candidates(score)
    if not len(candidates):
        return 0.5
    chosen = Chosen.at(candidates, score, target)
    losses = LOSSES[metric](chosen)
    best = int(np.argmin(chosen.mean(losses)))
    worse, error = chosen.against(best, losses)
    level = candidates[worse <= error]
    return float(level[0] + level[-1]) / 2


@dataclass(frozen=True, eq=False)
class Chosen:
    """What k cutoffs choose, in counts: all that a metric of choices knows.

    hits, alarms: [k] rows of class 1, of class 0, that are given class 1.
    ones, zeros: rows of class 1, of class 0.
    Losses are arrays [4, k]: of hits, alarms, class 1 missed, class 0 left alone.
    """

    hits: np.ndarray
    alarms: np.ndarray
    ones: int
    zeros: int

    @classmethod
    def at(cls, cutoffs: np.ndarray, score: np.ndarray, target: np.ndarray) -> Chosen:
        ones, zeros = np.sort(score[target == 1]), np.sort(score[target == 0])
        hits, alarms = (
            len(rows) - np.searchsorted(rows, cutoffs, side="right") for rows in (ones, zeros)
        )
        return cls(hits, alarms, len(ones), len(zeros))

    @property
    def rows(self) -> int:
        return self.ones + self.zeros

    def mean(self, losses: np.ndarray) -> np.ndarray:
        """Mean loss of a row at each cutoff [k]."""
        left = self.ones - self.hits, self.zeros - self.alarms
        return (np.stack([self.hits, self.alarms, *left]) * losses).sum(0) / self.rows

    def against(self, best: int, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean paired difference to the cutoff at `best`, and its standard error, [k] each."""
        other = losses[:, [best]]
        total, squares = 0.0, 0.0
        for named, rows, yes, no in ((self.hits, self.ones, 0, 2), (self.alarms, self.zeros, 1, 3)):
            there = named[best]
            cells = (
                (np.minimum(named, there), yes, yes),
                (np.maximum(named - there, 0), yes, no),
                (np.maximum(there - named, 0), no, yes),
                (rows - np.maximum(named, there), no, no),
            )
            for count, here, was in cells:
                gap = losses[here] - other[was]
                total, squares = total + count * gap, squares + count * gap**2
        mean = total / self.rows
        variance = np.maximum(squares - self.rows * mean**2, 0) / max(self.rows - 1, 1)
        return np.asarray(mean), np.sqrt(variance / self.rows)


def _accuracy(chosen: Chosen) -> np.ndarray:
    return np.outer([0.0, 1.0, 1.0, 0.0], np.ones(len(chosen.hits)))


def _balanced_accuracy(chosen: Chosen) -> np.ndarray:
    classes = (chosen.ones > 0) + (chosen.zeros > 0)
    one, zero = (chosen.rows / (classes * max(n, 1)) for n in (chosen.ones, chosen.zeros))
    return np.outer([0.0, zero, one, 0.0], np.ones(len(chosen.hits)))


def _f1(chosen: Chosen) -> np.ndarray:
    named = np.maximum(chosen.hits + chosen.alarms + chosen.ones, 1)
    value, mean = 2 * chosen.hits / named, named / chosen.rows
    rest = 1 - value
    wrong = rest + value / mean
    return np.stack([rest - 2 * rest / mean, wrong, wrong, rest])


LOSSES: dict[str, Callable[[Chosen], np.ndarray]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
}
"""`scores.row_losses` of each metric, [4, k], from counts; their mean is 1 - metric."""


@dataclass(frozen=True)
class Decision:
    """cutoff (two classes) or priors (more), None where the rule does not help.

    found: the cutoff that the rows said, helpful or not.
    gain, error: of the mean loss (1 - metric) by rows that did not choose the rule, paired.
    """

    cutoff: float | None
    priors: tuple[float, ...] | None
    found: float | None
    gain: float
    error: float
    rows: int


NOTHING = Decision(None, None, None, 0.0, 0.0, 0)
"""Nothing to decide: the most probable class is chosen."""


def fit_cutoff(
    probability: np.ndarray,
    target: np.ndarray,
    group: np.ndarray,
    metric: str,
    clusters: Clusters = None,
) -> Decision:
    """The cutoff by all rows, if cutoffs by the other groups' rows help each group's rows.

    probability: [n, 2], of networks that have not seen the rows.   target: [n].
    group: [n], two or more different values.   metric: accuracy, balanced_accuracy or f1.
    clusters: [n], of rows that belong together; each lies in one group.
    The gain must be larger than its standard error over rows or clusters, else there is no cutoff.
    Raises ValueError where all rows are in one group.
    """
    score = probability[:, 1]
    named = np.empty(len(score), dtype=bool)
    for here, rest in apart(group):
        named[here] = score[here] > best_cutoff(score[rest], target[rest], metric)
    before, after = (_losses(each, target, metric) for each in (score > 0.5, named))
    gain, error = mean_and_error(per_cluster(before - after, clusters))
    found = best_cutoff(score, target, metric)
    return Decision(found if gain > error else None, None, found, gain, error, len(score))


def try_priors(
    probability: np.ndarray,
    target: np.ndarray,
    priors: Sequence[float],
    metric: str,
    clusters: Clusters = None,
) -> Decision:
    """Whether the largest p_c / prior_c is a better choice than the largest p_c.

    probability: [n, C], of networks that have not seen the rows.   target: [n].
    priors: [C] shares of the classes, above 0; they are not fitted here, so no groups are needed.
    """
    y = torch.from_numpy(target)
    before, after = (
        scores.row_losses(metric, torch.from_numpy(each), y).numpy()
        for each in (probability, weighted(probability, None, priors))
    )
    gain, error = mean_and_error(per_cluster(before - after, clusters))
    kept = tuple(map(float, priors)) if gain > error else None
    return Decision(None, kept, None, gain, error, len(target))


def _candidates(score: np.ndarray) -> np.ndarray:
    """Middles between neighbouring scores, [k]; of many, those at equal shares of the rows."""
    distinct = np.unique(score)
    if len(distinct) > MOST_CANDIDATES + 1:
        shares = np.linspace(0, 1, MOST_CANDIDATES + 1)
        distinct = np.unique(np.quantile(score, shares, method="nearest"))
    return (distinct[1:] + distinct[:-1]) / 2


def _losses(named: np.ndarray, target: np.ndarray, metric: str) -> np.ndarray:
    return scores.row_losses(metric, _certain(named), torch.from_numpy(target)).numpy()


def _certain(named: np.ndarray) -> torch.Tensor:
    """[n, 2] with a 1 for the class chosen."""
    one = torch.from_numpy(named)
    return torch.stack([~one, one], 1).double()
