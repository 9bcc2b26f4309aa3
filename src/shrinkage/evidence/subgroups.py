"""Groups of test rows: what the winner bought each of them, and whether it left one behind.

Notation

    g       a group of the test rows; the others: all test rows outside it
    m       the metric with the sign that makes larger better
    v       [n], row values whose mean is m; those of two models on the same rows are paired

    gain    d_g = m(winner; g) - m(plain; g)
    gap     a_g = m(g) - m(others), of one model; below 0 the group is served worse than the others
    change  a_g(winner) - a_g(plain) = d_g - d_others, a difference in differences

A mean of paired differences over n rows has the variance var / n and n - 1 degrees of freedom. A
group and the others share no row, so their variances add, with the degrees of Welch 1947. Decisions
are right or wrong: where two models decide alike on nearly all rows of a group, differences show no
variance though there is some. So half a row more is counted in each of the four cells (Agresti &
Min 2005, "Simple improved confidence intervals for comparing matched proportions"); for balanced
accuracy and F1 these have the size that a changed decision has there.

    values v    accuracy, log loss, MAE, quantile loss    the row's own
                F1, balanced accuracy                     linearized, F1 as in `scores.row_losses`
                ROC AUC, RMSE, R2                         as in `evidence.paired`

A model's own score on a group is skewed where rows are few, so its interval is made where it is
less so, and that of a gap from the intervals of both scores, which are independent:

    hits            Wilson's interval; of the mean recall, one a class, squares of reaches added
                    (Student's where rows belong together)
    F1              Wilson's of J = hits / (hits + both kinds of errors); F1 = 2 J / (1 + J)
    losses, 1 - R2  Student's, of the logarithm
    AUC             Student's, of log(A / (1 - A))
    gap a - b       low = a - b - sqrt((a - low_a)^2 + (high_b - b)^2), high likewise: Newcombe
                    1998, "Interval estimation for the difference between independent
                    proportions: comparison of eleven methods", method 10; Zou & Donner 2008

The networks are taken as they are: intervals are about rows yet to come, not about other seeds.

Where rows belong together, each cluster of them has one value in their place (`clusters`), and
Wilson's intervals are of `calibration.effective` rows. A cluster with rows in the group and among
the others makes both alike, which gaps and changes do not count: their intervals are then wider
than need be.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from scipy import stats as distributions

from shrinkage import scores
from shrinkage.calibration import effective, matched, wilson
from shrinkage.clusters import Clusters, count, per_cluster
from shrinkage.data.groups import FEWEST
from shrinkage.evidence import paired
from shrinkage.evidence.paired import Interval
from shrinkage.evidence.stats import LEVEL, Verdict, holm, t_interval, t_p_value, verdict

FEWEST_OF_CLASS = 10
"""Test rows of each class that a group needs for an AUC, an F1 or a balanced accuracy: with fewer
rows of a class its variance is not known."""

APART = "different groups of rows that belong together"

POWER = 0.8
"""How often a difference of the size that is called detectable would be found."""

Key = TypeVar("Key", bound=Hashable)

_BY_CLASS = frozenset({"roc_auc", "f1", "balanced_accuracy"})
_HITS = frozenset({"accuracy", "balanced_accuracy", "f1"})


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
    mine = [_values(metric, output, here) for output in (here.plain, here.winner)]
    if not all(map(_known, mine)):
        return Group(len(here), why="not defined on these rows")
    plain, winner = (_in_its_unit(metric, each.score) for each in mine)
    gain = _paired(metric, *mine)
    if why := _unknown(metric, others):
        return Group(len(here), plain, winner, gain, why=f"of all others: {why}")
    theirs = [_values(metric, output, others) for output in (others.plain, others.winner)]
    if not all(map(_known, theirs)):
        return Group(len(here), plain, winner, gain, why="not defined on all others")
    before, after = (_gap(a.score, b.score) for a, b in zip(mine, theirs, strict=True))
    change = _less(gain, _paired(metric, *theirs))
    return Group(len(here), plain, winner, gain, before, after, change)


def _unknown(metric: scores.Metric, said: Said) -> str:
    """Why nothing is said of these rows; "" where something is."""
    if len(said) < FEWEST:
        return f"fewer than {FEWEST} test rows"
    if count(said.clusters, len(said)) < FEWEST:
        return f"its test rows are of fewer than {FEWEST} {APART}"
    if metric.name in _BY_CLASS:
        rare = _fewest(said.target, said.clusters, said.plain.shape[1])
        if rare < FEWEST_OF_CLASS:
            what = "test rows" if said.clusters is None else APART
            return f"fewer than {FEWEST_OF_CLASS} {what} of a class"
    if metric.name == "r2" and np.ptp(said.target) == 0:
        return "its target is constant"
    return ""


@dataclass(frozen=True, eq=False)
class _Values:
    """Of one model on some rows, larger being better: its score, and v [n].

    step: how far a changed decision moves its row's v.
    """

    score: Interval
    v: np.ndarray
    step: float = 0.0


def _known(of: _Values) -> bool:
    return bool(np.isfinite([of.score.value, of.score.low, of.score.high, *of.v]).all())


def _values(metric: scores.Metric, output: np.ndarray, said: Said) -> _Values:
    target, clusters = said.target, said.clusters
    o, y = torch.from_numpy(output), torch.from_numpy(target)
    sign = 1.0 if metric.greater_is_better else -1.0
    score, step = float(metric.function(o[None], y)[0]), scores.step_of(metric, o, y)
    by_row = sign * paired.values(metric, output, target)
    v = per_cluster(by_row, clusters)
    match metric.name:
        case "accuracy":
            rows = effective(by_row, clusters)
            return _Values(Interval(score, *wilson(score * rows, rows)), v, step)
        case "balanced_accuracy":
            if clusters is not None:  # recalls of two classes may hang on the same clusters
                return _Values(_student(score, v), v, step)
            return _Values(_balanced(score, output, target), v, step)
        case "f1":
            return _Values(_f1(score, output, target, clusters, v), v, step)
        case "roc_auc":
            fewest = _fewest(target, clusters, output.shape[1])
            return _Values(_area(score, _error(v), fewest), v)
    # 1 - R2 is a loss, too.
    top = 1.0 if metric.name == "r2" else 0.0
    return _Values(_below(sign * score, top, _error(v), len(v) - 1), v)


def _fewest(target: np.ndarray, clusters: Clusters, classes: int) -> int:
    """Rows of the rarest class, those that belong together being one."""
    its = [target == c for c in range(classes)]
    return min(count(None if clusters is None else clusters[at], int(at.sum())) for at in its)


def _below(score: float, top: float, error: float, degrees: float) -> Interval:
    """Of a score that is at most `top`: Student's t of log(top - score)."""
    loss = top - score
    if not loss > 0:
        return Interval(score, score, score)
    with np.errstate(over="ignore"):
        reach = np.exp(float(distributions.t.ppf(0.975, degrees)) * error / loss)
    return Interval(score, float(top - loss * reach), float(top - loss / reach))


def _area(score: float, error: float, fewest: int) -> Interval:
    """Of an AUC; one without a single wrong pair is as sure as the rows of its rarest class are.

    fewest: of these.
    """
    if not 0 < score < 1:
        ends = wilson(fewest, fewest) if score else wilson(0, fewest)
        return Interval(score, *ends)
    reach = float(distributions.t.ppf(0.975, fewest - 1)) * error / (score * (1 - score))
    odds = score / (1 - score) * np.exp((-reach, reach))
    return Interval(score, *(float(each / (1 + each)) for each in odds))


def _share(event: np.ndarray, among: np.ndarray, clusters: Clusters) -> tuple[float, float]:
    """Wilson's ends of the share of the rows `among` that are an event, bool [n] both."""
    its = None if clusters is None else clusters[among]
    rows = effective(event[among].astype(float), its)
    return wilson(float(event[among].mean()) * rows, rows)


def _student(score: float, v: np.ndarray) -> Interval:
    """Of a share whose values are v, cut to [0, 1]."""
    reach = float(distributions.t.ppf(0.975, len(v) - 1)) * _error(v)
    return Interval(score, max(0.0, score - reach), min(1.0, score + reach))


def _balanced(score: float, output: np.ndarray, target: np.ndarray) -> Interval:
    """Ends by Wilson's interval of each class's recall."""
    hit = output.argmax(1) == target
    kinds = [target == c for c in range(output.shape[1])]
    recall = np.array([hit[kind].mean() for kind in kinds])
    ends = np.array([_share(hit, kind, None) for kind in kinds])
    below, above = np.sqrt(np.square(ends.T - recall).sum(1)) / len(kinds)
    return Interval(score, float(score - below), float(score + above))


def _f1(
    score: float, output: np.ndarray, target: np.ndarray, clusters: Clusters, v: np.ndarray
) -> Interval:
    """Of rows that are of class 1 or called so, the share that is both is a share like any other.

    Of more classes the interval is Student's.   v: values, one a row or a cluster.
    """
    if output.shape[1] > 2:
        return _student(score, v)
    called, there = output.argmax(1) == 1, target == 1
    ends = _share(called & there, called | there, clusters)
    return Interval(score, *(2 * j / (1 + j) for j in ends))


def _in_its_unit(metric: scores.Metric, score: Interval) -> Interval:
    return score if metric.greater_is_better else Interval(-score.value, -score.high, -score.low)


def _gap(a: Interval, b: Interval) -> Interval:
    """a - b, which share no row."""
    value = a.value - b.value
    below = np.hypot(a.value - a.low, b.high - b.value)
    above = np.hypot(a.high - a.value, b.value - b.low)
    return Interval(value, float(value - below), float(value + above))


def _paired(metric: scores.Metric, plain: _Values, winner: _Values) -> Effect:
    """The winner's score less the plain network's, on the same rows."""
    delta, mean = winner.v - plain.v, winner.score.value - plain.score.value
    if metric.name not in _HITS:
        return Effect(mean, mean, _error(delta), len(delta) - 1)
    return Effect(mean, *matched(delta, plain.step * winner.step), np.inf)


def _less(one: Effect, other: Effect) -> Effect:
    """The difference of two effects that share no row."""
    a, b = one.error**2, other.error**2
    bottom = a**2 / one.degrees + b**2 / other.degrees
    degrees = (a + b) ** 2 / bottom if bottom else np.inf
    return Effect(
        one.mean - other.mean, one.centre - other.centre, float(np.sqrt(a + b)), float(degrees)
    )


def _error(v: np.ndarray) -> float:
    return float(v.std(ddof=1) / np.sqrt(len(v)))
