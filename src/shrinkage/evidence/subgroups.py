"""Groups of test rows: what the winner bought each of them, and whether it left one behind.

Notation

    g       a group of the test rows; the others: all test rows outside it
    m       the metric with the sign that makes larger better
    v       [n], row values whose mean is m; those of two models on the same rows are paired

    gain    d_g = m(winner; g) - m(plain; g)
    gap     a_g = m(g) - m(others), of one model; below 0 the group is served worse than the others
    change  a_g(winner) - a_g(plain) = d_g - d_others, a difference in differences

A gain is a paired difference, with its standard error and degrees (`paired`). A group and
the others share no row, so their variances add, with the degrees of Welch 1947.

A model's own score on a group has the interval of `evidence.interval`, and that of a gap is made of
the intervals of both scores, which are independent:

    gap a - b       low = a - b - sqrt((a - low_a)^2 + (high_b - b)^2), high likewise: Newcombe
                    1998, "Interval estimation for the difference between independent
                    proportions: comparison of eleven methods", method 10; Zou & Donner 2008

The networks are taken as they are: intervals are about rows yet to come, not about other seeds.

Where rows belong together, each cluster of them has one value in their place (`clusters`). One with
rows in the group and among the others makes both alike, which gaps and changes do not count: their
intervals are then wider than need be.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from scipy import stats as distributions

from shrinkage import scores
from shrinkage.clusters import Clusters, count
from shrinkage.data.groups import FEWEST
from shrinkage.evidence.interval import score
from shrinkage.evidence.stats import LEVEL, Verdict, holm, t_interval, t_p_value, verdict
from shrinkage.paired import Answers, Interval, effect, fewest

FEWEST_OF_CLASS = 10
"""Test rows of each class that a group needs for an AUC, an F1 or a balanced accuracy: with fewer
rows of a class its variance is not known."""

APART = "different groups of rows that belong together"

POWER = 0.8
"""How often a difference of the size that is called detectable would be found."""

Key = TypeVar("Key", bound=Hashable)

_BY_CLASS = frozenset({"roc_auc", "f1", "balanced_accuracy"})


@dataclass(frozen=True)
class Effect:
    """A difference of two means.

    mean: as it is. centre, error, degrees: of Student's t around it; the centre is the mean but for
    decisions, which are counted with rows more.
    """

    mean: float
    centre: float
    error: float
    degrees: float

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        return t_interval(self.centre, self.error, self.degrees, level)

    @property
    def p_value(self) -> float:
        """Of no difference, two-sided; 1 where there is no difference at all."""
        return t_p_value(self.centre, self.error, self.degrees)

    def detectable(self, tests: int = 1) -> float:
        """The true difference that would be found in a share `POWER` of all such test parts.

        (t_{1 - level/2/tests} + t_{power}) error,   Holm's first step being the strictest
        """
        t = distributions.t.ppf((1 - LEVEL / 2 / max(1, tests), POWER), self.degrees)
        return float(t.sum()) * self.error


@dataclass(frozen=True)
class Judged:
    """An effect with what may be said of it among all that are asked for together."""

    effect: Effect
    p_adjusted: float
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class Said:
    """What both models said of some test rows. plain, winner: [n, C] or [n].   target: [n].

    clusters: [n], of rows that belong together; None: strangers.
    """

    target: np.ndarray
    plain: np.ndarray
    winner: np.ndarray
    clusters: Clusters = None

    def __len__(self) -> int:
        return len(self.target)

    def at(self, here: np.ndarray) -> Said:
        clusters = None if self.clusters is None else self.clusters[here]
        return Said(self.target[here], self.plain[here], self.winner[here], clusters)


@dataclass(frozen=True)
class Group:
    """What is known of one group. plain, winner: the metric in its own unit and direction.

    All but the rows is None where there are too few of them or the metric is not defined: `why`.
    gain, change: positive where the winner helps the group. gap_plain, gap_winner: positive where
    the model serves the group better than the others.
    """

    rows: int
    plain: Interval | None = None
    winner: Interval | None = None
    gain: Effect | None = None
    gap_plain: Interval | None = None
    gap_winner: Interval | None = None
    change: Effect | None = None
    why: str = ""


def compared(metric: scores.Metric, said: Said, codes: np.ndarray, count: int) -> list[Group]:
    """Each of `count` groups. codes: [n], the group of each row."""
    return [_group(metric, said.at(codes == code), said.at(codes != code)) for code in range(count)]


def verdicts(
    effects: Mapping[Key, Effect], same: Mapping[Key, Key] | None = None
) -> dict[Key, Judged]:
    """What may be said of each of a family; false verdicts are in 5 % of families (Holm).

    same: of keys whose effect is another's with the other sign, that other key: of two groups the
    gap is one, and is tested once.
    """
    of = {key: (same or {}).get(key, key) for key in effects}
    tests = list(dict.fromkeys(of.values()))
    adjusted = dict(zip(tests, holm([effects[t].p_value for t in tests]), strict=True))
    return {
        key: Judged(effect, adjusted[of[key]], verdict(effect, adjusted[of[key]]))
        for key, effect in effects.items()
    }


def _group(metric: scores.Metric, here: Said, others: Said) -> Group:
    if why := _unknown(metric, here):
        return Group(len(here), why=why)
    mine = _scored(metric, here)
    if mine is None:
        return Group(len(here), why="not defined on these rows")
    plain, winner = (each.score for each in mine)
    gain = _gain(metric, mine)
    if why := _unknown(metric, others):
        return Group(len(here), plain, winner, gain, why=f"of all others: {why}")
    theirs = _scored(metric, others)
    if theirs is None:
        return Group(len(here), plain, winner, gain, why="not defined on all others")
    before, after = (_gap(metric, a.score, b.score) for a, b in zip(mine, theirs, strict=True))
    change = _less(gain, _gain(metric, theirs))
    return Group(len(here), plain, winner, gain, before, after, change)


def _unknown(metric: scores.Metric, said: Said) -> str:
    """Why nothing is said of these rows; "" where something is."""
    if len(said) < FEWEST:
        return f"fewer than {FEWEST} test rows"
    if count(said.clusters, len(said)) < FEWEST:
        return f"its test rows are of fewer than {FEWEST} {APART}"
    if metric.name in _BY_CLASS:
        rare = fewest(said.target, said.clusters, said.plain.shape[1])
        if rare < FEWEST_OF_CLASS:
            what = "test rows" if said.clusters is None else APART
            return f"fewer than {FEWEST_OF_CLASS} {what} of a class"
    if metric.name == "r2" and np.ptp(said.target) == 0:
        return "its target is constant"
    return ""


@dataclass(frozen=True, eq=False)
class _Scored:
    """Of one model on some rows: its score, in the metric's own unit."""

    score: Interval
    answers: Answers


def _scored(metric: scores.Metric, said: Said) -> tuple[_Scored, _Scored] | None:
    """Plain and winner; None where a score is not defined."""
    found = []
    for output in (said.plain, said.winner):
        answers = Answers(metric, output, said.target, said.clusters)
        y = torch.from_numpy(said.target)
        value = float(metric.function(torch.from_numpy(output)[None], y)[0])
        its = score(value, answers)
        if its is None or not np.isfinite([its.low, its.high]).all():
            return None
        found.append(_Scored(its, answers))
    return found[0], found[1]


def _gap(metric: scores.Metric, a: Interval, b: Interval) -> Interval:
    """How much better the score a is than b; they share no row."""
    value = a.value - b.value
    below = np.hypot(a.value - a.low, b.high - b.value)
    above = np.hypot(a.high - a.value, b.value - b.low)
    low, high = float(value - below), float(value + above)
    return Interval(value, low, high) if metric.greater_is_better else Interval(-value, -high, -low)


def _gain(metric: scores.Metric, both: tuple[_Scored, _Scored]) -> Effect:
    """By how much the winner's score is better than the plain network's, on the same rows."""
    plain, winner = both
    sign = 1 if metric.greater_is_better else -1
    mean = winner.score.value - plain.score.value
    centre, error, degrees = effect(mean, winner.answers, plain.answers)
    return Effect(sign * mean, sign * centre, error, degrees)


def _less(one: Effect, other: Effect) -> Effect:
    """The difference of two effects that share no row."""
    a, b = one.error**2, other.error**2
    bottom = a**2 / one.degrees + b**2 / other.degrees
    degrees = (a + b) ** 2 / bottom if bottom else np.inf
    return Effect(
        one.mean - other.mean, one.centre - other.centre, float(np.sqrt(a + b)), float(degrees)
    )
