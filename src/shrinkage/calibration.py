"""Calibration: does a class that is given 80 % occur in 80 of 100 such rows?

Notation

    n   rows          p   probabilities [n, C], rows sum to 1      T   temperature > 0
    C   classes       y   classes [n] int64, in 0..C-1             u   log T

Temperature scaling mends what is too sure (T > 1) or too timid (T < 1), by one number:

    p_T[c] = p[c]^(1/T) / sum_k p[k]^(1/T)

T = 1 is the identity, T > 0 never changes which class is the most probable. It is fitted on
rows that the networks have not seen, by the log loss, which is convex in 1/T.

Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

from shrinkage.clusters import Clusters, count, per_cluster
from shrinkage.measures import EPS, HOTTEST
from shrinkage.uncertainty import effective, mean_and_error, wilson


def tempered(probability: np.ndarray, temperature: float) -> np.ndarray:
    """p_T. probability: [n, C].   temperature: T > 0.   Returns [n, C], rows sum to 1.

    A probability below float32's EPS counts as EPS, as in the log loss; T = 1 changes nothing.
    Raises ValueError for T <= 0.
    """
    if not temperature > 0:
        raise ValueError(f"expected a temperature above 0, got {temperature}")
    if temperature == 1:
        return probability
    return softmax(_logs(probability) / temperature, axis=1)


def tempered_losses(probability: np.ndarray, target: np.ndarray, log_t: float) -> np.ndarray:
    """-log p_T[y] of each row [n], in nats. probability: [n, C].   target: [n].   log_t: u."""
    z = log_softmax(_logs(probability) * np.exp(-log_t), axis=1)
    return -z[np.arange(len(z)), target]


def slope(probability: np.ndarray, target: np.ndarray, log_t: float) -> float:
    """d/du of the mean loss: (mean z[y] - mean sum_c p_T[c] z[c]) / T, with z = log p."""
    z, heat = _logs(probability), np.exp(-log_t)
    expected = (softmax(z * heat, axis=1) * z).sum(1)
    return float(heat * (z[np.arange(len(z)), target] - expected).mean())


def with_one_wrong(
    probability: np.ndarray, target: np.ndarray, clusters: Clusters = None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows, and one more, of middling confidence, whose class is the second most probable.

    Rows that are all right do not make anyone certain: without it T falls to its end, and the first
    mistake costs as much as a logarithm can. Among n rows it weighs 1/(n + 1); among G clusters of
    rows that belong together about 1/(G + 1), being as many as a cluster has.
    """
    middle = probability[np.argsort(probability.max(1), kind="stable")[len(probability) // 2]]
    second = np.argsort(middle, kind="stable")[-2]
    times = max(1, round(len(target) / max(1, count(clusters, len(target)))))
    more = np.repeat(middle[None], times, 0), np.repeat(second, times)
    return np.concatenate([probability, more[0]]), np.concatenate([target, more[1]])


def best_temperature(probability: np.ndarray, target: np.ndarray) -> float:
    """The T in [1/HOTTEST, HOTTEST] with the least mean loss, to 1e-6 of its logarithm.

    probability: [n, C].   target: [n].   The loss is convex in 1/T, so its slope has one sign
    change (Brent's method finds it) or none (the end where the loss is lower).
    """
    end = float(np.log(HOTTEST))
    low, high = (slope(probability, target, u) for u in (-end, end))
    if low >= 0:
        return 1 / HOTTEST
    if high <= 0:
        return HOTTEST
    root = brentq(lambda u: slope(probability, target, u), -end, end, xtol=1e-6)
    return float(np.exp(root))  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Temperature:
    """value: T, 1 where it does not help. found: what the rows said, helpful or not.

    before, after: mean log loss without T and with each row's T from other rows.
    error: standard error of their paired difference.
    """

    value: float
    found: float
    before: float
    after: float
    error: float
    rows: int


def fit_temperature(
    probability: np.ndarray, target: np.ndarray, group: np.ndarray, clusters: Clusters = None
) -> Temperature:
    """T by all rows, if T by the other groups' rows lowers the loss of each group's rows.

    probability: [n, C], of networks that have not seen the rows.   target: [n].
    group: [n], two or more different values; rows of one group judge a T from all others.
    clusters: [n], of rows that belong together; each lies in one group.
    The gain must be larger than its standard error over rows or clusters, else T = 1.
    Raises ValueError where all rows are in one group.
    """
    before = tempered_losses(probability, target, 0.0)
    after = np.empty_like(before)
    for here, rest in apart(group):
        its = None if clusters is None else clusters[rest]
        given = with_one_wrong(probability[rest], target[rest], its)
        log_t = float(np.log(best_temperature(*given)))
        after[here] = tempered_losses(probability[here], target[here], log_t)
    gain, error = mean_and_error(per_cluster(before - after, clusters))
    found = best_temperature(*with_one_wrong(probability, target, clusters))
    value = found if gain > error else 1.0
    return Temperature(value, found, float(before.mean()), float(after.mean()), error, len(before))


def pool_temperature(one: float, few: float, rows_by: int, networks: float) -> float:
    """T of the mean of many networks, from T of one, and of the mean of the few that are unseen.

        log T_m = log T_r - (log T_1 - log T_r) (1/r - 1/m) / (1 - 1/r)

    A mean is less sure than its networks: where they need to be softened, it does less so.
    log T is taken to be linear in 1/m, the share of the networks' own noise in a mean of m.

    one: T_1.   few: T_r.   rows_by: r, networks that have not seen a row.   networks: m; of a
    weighted mean, how many it equals.
    Returns T_m, not below 1, for T_r above 1; with r = 1 < m nothing is known of it: 1. A T_r
    below 1 stays as it is: more networks can only need more sharpening.
    """
    if few <= 1 or networks <= rows_by:
        return few
    if rows_by == 1:
        return 1.0
    share = (1 / rows_by - 1 / networks) / (1 - 1 / rows_by)
    return max(1.0, few * (few / one) ** share)


@dataclass(frozen=True)
class Bin:
    """count rows, said to be right with `confidence` on average, right at `rate`.

    low, high: Wilson's 95 % interval around the rate. known: how many independent rows they are.
    """

    count: int
    confidence: float
    rate: float
    low: float
    high: float
    known: float = 0.0


def reliability(
    score: np.ndarray, event: np.ndarray, bins: int = 10, clusters: Clusters = None
) -> list[Bin]:
    """The reliability table: rows in bins of about equal counts, by their score.

    score: [n] probabilities of the event.   event: [n] bool.   Returns at most `bins` bins, by
    growing score; equal scores share a bin, and a bin without rows is left out.
    clusters: [n], of rows that belong together, as intervals see them.
    The bins are those of scikit-learn's calibration_curve(strategy="quantile").
    """
    edges = np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(edges, score)
    found = []
    for k in np.unique(place):
        here = place == k
        rate = float(event[here].mean())
        known = effective(event[here], None if clusters is None else clusters[here])
        ends = wilson(rate * known, known)
        found.append(Bin(int(here.sum()), float(score[here].mean()), rate, *ends, known))
    return found


def calibration_error(table: list[Bin]) -> float:
    """Expected calibration error: sum over bins of count/n |rate - confidence|.

    It is above 0 for perfect probabilities, too, as rates of few rows scatter: compare it with
    `error_by_chance`. Within a bin, errors of both signs cancel: it may also say too little.
    """
    counts = np.array([b.count for b in table])
    gaps = np.array([abs(b.rate - b.confidence) for b in table])
    return float((counts * gaps).sum() / counts.sum())


def error_by_chance(table: list[Bin]) -> float:
    """About the calibration error that perfect probabilities would show with these bins.

        sum_b count_b/n sqrt(2/pi) sqrt(c_b (1 - c_b) / known_b),   c_b: the bin's confidence

    known_b: count_b, or how many independent rows these are. The mean of a normal's absolute
    value, for a rate's scatter; too large by what confidences differ within a bin.
    """
    counts = np.array([b.count for b in table])
    means = np.array([b.confidence for b in table])
    known = np.array([b.known or b.count for b in table])
    scatter = np.sqrt(2 / np.pi * means * (1 - means) / known)
    return float((counts * scatter).sum() / counts.sum())


def top_class(probability: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the probability of the most probable class [n], whether it is the row's class [n])."""
    return probability.max(1), probability.argmax(1) == target


def apart(group: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows of a group, all others) as masks, a group at a time."""
    groups = np.unique(group)
    if len(groups) < 2:
        raise ValueError("expected rows of two or more groups: one group cannot judge itself")
    return [(group == g, group != g) for g in groups]


def _logs(probability: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probability, EPS))
