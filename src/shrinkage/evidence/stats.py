"""What a paired comparison of two ways to train is worth: effect, interval, verdict.

Notation

    S   training seeds                J   groups of validation rows
    y   [S, J], what group j says of the difference at seed s; its mean is the difference

Seeds and rows are both samples: of what chance could have done in training, and of the rows that
could have come. They are crossed, as every seed is judged on all rows (readers and cases, in the
words of the field that knows this design best: radiologists and images). For any metric, even one
that is no mean over rows, group j is given its jackknife pseudo-value

    y[s, j] = J m(s; all rows) - (J - 1) m(s; rows outside group j)

and the mean of all y has, from the two-way analysis of variance of y without replication,

    variance = (MS_seeds + max(MS_rows - MS_both, 0)) / (S J)
    degrees  = (a + b)^2 / (a^2 / (S - 1) + b^2 / (J - 1)),   a, b: the two terms

The folds' networks are taken as they are: an interval is about networks trained on this table's
rows, judged on rows yet to come. What another table would have taught is not in it.

Dorfman, Berbaum & Metz 1992, "Receiver operating characteristic rating analysis: generalization
to the population of readers and patients with the jackknife method"; Hillis, Berbaum & Metz 2008,
"Recent developments in the Dorfman-Berbaum-Metz procedure for multireader ROC study analysis",
for never letting the second term be negative. Satterthwaite 1946 for the degrees of freedom.
Holm 1979, "A simple sequentially rejective multiple test procedure". Schuirmann 1987, "A
comparison of the two one-sided tests procedure", for being equivalent (here by the 95 % interval).
Differs from the papers: the degrees of freedom count both terms; and where all seeds have the same
mean, as an accuracy of few rows allows, MS_both, no larger in the mean, stands for MS_seeds.
docs/evidence.md compares this with a corrected resampled t (Nadeau & Bengio 2003) and other
intervals where the truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from scipy import stats

Verdict = Literal["helps", "hurts", "equivalent", "no evidence"]

LEVEL = 0.05
"""Share of false verdicts that is allowed, in all verdicts of one table together."""

MOST_SEEDS = 1000
"""Nobody trains more: where these do not suffice, seeds are not what is lacking."""

TIE = 1e-9
"""What is closer to 0 than this share of what it is made of is 0."""


def t_interval(
    mean: float, error: float, degrees: float, level: float = LEVEL
) -> tuple[float, float]:
    """mean -+ t_{1 - level/2} error, Student's t with these degrees of freedom."""
    half = error and float(stats.t.ppf(1 - level / 2, degrees)) * error
    return mean - half, mean + half


def t_p_value(mean: float, error: float, degrees: float) -> float:
    """Of a mean of 0, two-sided; 1 where the mean is 0 itself."""
    if mean == 0:
        return 1.0
    return float(2 * stats.t.sf(abs(mean) / error, degrees)) if error else 0.0


@dataclass(frozen=True)
class Estimate:
    """A mean difference, positive where it helps, and how sure it is.

    error: standard error. degrees: of freedom of Student's t.
    of_seeds, of_rows, of_both: variance components of one seed, one group of rows, one of each.
    """

    mean: float
    error: float
    degrees: float
    seeds: int
    groups: int
    of_seeds: float
    of_rows: float
    of_both: float

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Holds the truth in a share 1 - level of all ablations."""
        return t_interval(self.mean, self.error, self.degrees, level)

    @property
    def p_value(self) -> float:
        """Of no difference, two-sided; 1 where there is no difference at all."""
        return t_p_value(self.mean, self.error, self.degrees)

    def with_seeds(self, seeds: int) -> float:
        """The standard error that so many seeds would have, if variances are as they seem."""
        return float(
            np.sqrt(
                self.of_seeds / seeds
                + self.of_rows / self.groups
                + self.of_both / (seeds * self.groups)
            )
        )


def pseudo_values(scores: np.ndarray) -> np.ndarray:
    """[..., J] from [..., 1 + J]: the score on all rows, and without each group of rows.

    Quenouille 1956, Tukey 1958: the jackknife. Of a mean over rows they are the groups' own means.
    Their mean is moved to the score itself: the jackknife's correction of its bias is left out.
    """
    groups = scores.shape[-1] - 1
    values = groups * scores[..., :1] - (groups - 1) * scores[..., 1:]
    return values - values.mean(-1, keepdims=True) + scores[..., :1]


def estimate(y: np.ndarray) -> Estimate:
    """The mean of y [S, J] and its standard error. Raises ValueError below two of either."""
    seeds, groups = y.shape
    if seeds < 2 or groups < 2:
        raise ValueError(f"expected two seeds and two groups of rows or more, got {y.shape}")
    mean, by_seed, by_group = float(y.mean()), y.mean(1, keepdims=True), y.mean(0, keepdims=True)
    if abs(mean) < TIE * float(np.abs(y).max()):
        mean = 0.0
    left = y - by_seed - by_group + mean
    both = float(np.square(left).sum()) / ((seeds - 1) * (groups - 1))
    a = groups * float(by_seed.var(ddof=1))
    if a < TIE * both:
        a = both
    rows = seeds * float(by_group.var(ddof=1))
    b = max(rows - both, 0.0)
    bottom = a**2 / (seeds - 1) + b**2 / (groups - 1)
    return Estimate(
        mean,
        float(np.sqrt((a + b) / (seeds * groups))),
        (a + b) ** 2 / bottom if bottom else float(seeds - 1),
        seeds,
        groups,
        max(a - both, 0.0) / groups,
        b / seeds,
        both,
    )


def tuned(scores: np.ndarray) -> np.ndarray:
    """Which of R learning rates each seed is judged by on each part of the rows, [S, P].

        pick(s, p) = argmax_r  mean over parts q != p of scores[r, s, q]

    scores: [R, S, P], larger is better, NaN where training diverged. A rate at which a seed
    diverged on any part is its last choice: no row is needed to see that.
    A rate chosen on the rows that judge it flatters its arm, and the more so the closer its rates
    are; so each part is judged by the rate that the other parts chose (cross-fitting, Stone 1974).
    Each seed chooses for itself, so that how unsure the choice is shows between seeds, and enters
    the interval. Of equally good rates the first counts.
    """
    converged = np.isfinite(scores).all(2, keepdims=True)
    scores = np.where(converged, scores, -np.inf)
    parts = range(scores.shape[2])
    others = [np.delete(scores, part, axis=2).mean(2).argmax(0) for part in parts]
    return np.stack(others, 1)


def at_rates(scores: np.ndarray, picks: np.ndarray) -> np.ndarray:
    """[S, P, ...] of scores [R, S, P, ...] at the picked rates [S, P]."""
    seeds, parts = picks.shape
    return scores[picks, np.arange(seeds)[:, None], np.arange(parts)]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that in all of them together a false one is as rare as in one.

    p_(i) adjusted = max over j <= i of min(1, (m - j + 1) p_(j)),   p_(1) <= ... <= p_(m)
    """
    order = np.argsort(p_values, kind="stable")
    found, highest = [0.0] * len(order), 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[at]))
        found[at] = highest
    return found


class Uncertain(Protocol):
    """A mean with an interval."""

    @property
    def mean(self) -> float: ...

    def interval(self) -> tuple[float, float]: ...


def verdict(found: Uncertain, adjusted: float, margin: float = 0.0) -> Verdict:
    """What may be said; the rule is fixed before anything is trained.

        equivalent    the 95 % interval lies within +- margin
        helps, hurts  else, where the adjusted p-value is at most 5 %, by the sign
        no evidence   else

    margin: a difference that does not matter, in the metric's unit.
    """
    low, high = found.interval()
    if -margin <= low and high <= margin:
        return "equivalent"
    if adjusted <= LEVEL:
        return "helps" if found.mean > 0 else "hurts"
    return "no evidence"


def seeds_needed(found: Estimate, tests: int, margin: float = 0.0) -> int | None:
    """How many seeds in all a verdict would take if the effect is as it seems; None: seeds cannot.

    It counts a verdict where the interval at level 5 % / tests leaves 0, as Holm's first step asks,
    or the 95 % interval falls within +- margin. More rows are what lacks where seeds cannot.
    """

    def decides(seeds: int) -> bool:
        error, degrees = found.with_seeds(seeds), found.degrees * seeds / found.seeds
        one, all_ = (stats.t.ppf(1 - level / 2, degrees) for level in (LEVEL, LEVEL / tests))
        return bool(abs(found.mean) > all_ * error or abs(found.mean) + one * error <= margin)

    if not decides(MOST_SEEDS):
        return None
    low, high = found.seeds, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return low
