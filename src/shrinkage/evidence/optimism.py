"""Optimism: how much the winner's validation score overstates, because it was chosen by it.

    w      = rule(all rows)                              the winner
    t_s    = rule(rows outside fold s)                   who would have won without these rows
    c      = m(w; all rows) + mean_s [ m(t_s; fold s) - m(w; fold s) ]     by rows of the folds
    optimism = m(w; all rows) - c,  or c - m where smaller is better

Rows are cut into K = 5 folds, over and over. On the rows of fold s the trial t_s was not chosen
by its luck, so what it loses there against w is what luck gave w. Where all trials are equally
good this is exact in the mean; where few are better it errs a little on the low side, as 4/5 of
the rows choose less well than all of them. With one trial, t_s = w and the optimism is 0.
The interval holds the 2.5 to 97.5 % quantiles of m(w) over bootstrap samples of the rows, moved
by the optimism and widened by the noise of the correction:

    each side reaches sqrt(q^2 + (z e)^2),   q = distance of that quantile from m(w)
    z = 1.96,   e^2 = mean over partitions of (variance over folds of m(t_s) - m(w)) / K

`m` is the study's metric itself, `rule` the study's own (`search.choose`). Not seen here, so not
corrected, both by scores on these rows: trials that were dropped before their end (in simulations
a fifth of the bias stays where 3 of 27 pass a rung, next to nothing where 9 do; docs/log.md has a
correction that fails), and epochs chosen by early stopping (what they owe to luck at most is told
beside it, see `evidence.epochs`). Nor are the networks trained on all rows, which have no
validation score.

Notation

    T   trials that could win     R   repeats of the folds that gave the predictions
    n   validation rows           P   partitions of the rows into K folds;  S = P K
    G   clusters of rows that belong together, n where none do: folds and samples are of these

Burman 1989, "A comparative study of ordinary cross-validation, v-fold cross-validation and the
repeated learning-testing methods", for the resampling; Tsamardinos, Greasidou & Borboudakis 2018,
"Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", for
resampling a choice without training anew.
Differs from the paper: folds in place of bootstrap samples. A bootstrap sample lacks 37 % of the
rows, holds others twice, and chooses worse than 4/5 of the rows: where few trials are better, its
correction was further off (docs/log.md, benchmarks/optimism.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from shrinkage import scores
from shrinkage.clusters import Clusters, of_clusters, spread
from shrinkage.evidence.epochs import chooses, luck
from shrinkage.evidence.interval import flawless, limits
from shrinkage.scores import Goal
from shrinkage.search.choose import choose_each
from shrinkage.search.contest import DEFAULT, PLAIN, Finalist, row_losses
from shrinkage.search.rows import Rows, repeats_of
from shrinkage.uncertainty import Z95, t95

FOLDS = 5

_SCORED = 200_000
"""Rows that all partitions together hold: 40 partitions of 5,000 rows, at least 4 of more. The
number of resamples falls for large tables, not that of rows, so nothing needs rescaling."""
_DRAWN = 2_000_000
"""The same for bootstrap samples: 400 of 5,000 rows, at least 100 of more."""
SLOW_S = 0.01
"""Where one score takes longer (the AUC of many classes, a person's own function), there are as few
of both as of a large table: a study's last seconds are counted."""


@dataclass(frozen=True, eq=False)
class Contest:
    """All that decided who won, and how each trial predicted.

    losses: [T, n], row losses as `search.choose` is given them.   target: [n].
    outputs: by trial and repeat, [n_r, C] probabilities or [n_r] predictions.
    places: by repeat, [n_r]: which of the n rows these are; no row twice.
    default, plain: positions in 0..T-1.
    clusters: [n], of rows that belong together; None: strangers.
    """

    metric: scores.Metric
    target: np.ndarray
    losses: np.ndarray
    outputs: Sequence[Sequence[np.ndarray]]
    places: Sequence[np.ndarray]
    default: int = 0
    plain: int | None = None
    clusters: Clusters = None

    @cached_property
    def winner(self) -> int:
        return int(self.chosen(np.ones((1, self.count)))[0])

    def chosen(self, counts: np.ndarray) -> np.ndarray:
        """Positions [S] of the winners on resamples [S, G] of the clusters."""
        its = None if self.clusters is None else self.cluster
        return choose_each(self.losses, counts, self.default, self.plain, its)

    @property
    def count(self) -> int:
        """G."""
        return int(self.cluster.max()) + 1

    @cached_property
    def cluster(self) -> np.ndarray:
        """[n], in 0..G-1: the one that each row belongs to."""
        if self.clusters is None:
            return np.arange(len(self.target))
        return np.unique(self.clusters, return_inverse=True)[1]

    def score(self, trial: int, rows: np.ndarray) -> float:
        """The metric of a trial on these rows, which may repeat; averaged over repeats.

        NaN where it is not defined there.
        """
        found = []
        for output, where in zip(self.outputs[trial], self._where, strict=True):
            at = where[rows]
            present = at >= 0
            if present.any():
                values = torch.from_numpy(output[at[present]])[None]
                y = torch.from_numpy(self.target[rows[present]])
                found.append(float(self.metric.on_part(values, y)[0]))
        return _mean(found)

    @cached_property
    def _where(self) -> list[np.ndarray]:
        """By repeat: position of each of the n rows in its predictions, -1 where it has none."""
        found = []
        for places in self.places:
            where = np.full(len(self.target), -1)
            where[places] = np.arange(len(places))
            found.append(where)
        return found


@dataclass(frozen=True)
class Optimism:
    """In the metric's own unit; `optimism` is positive where the validation score flatters."""

    validation: float
    corrected: float
    optimism: float
    interval: tuple[float, float]
    trials: int
    rows: int


def optimism(contest: Contest, seed: int) -> Optimism:
    """The winner's validation score, corrected for having been chosen; the same for a seed.

    Numbers are NaN where the metric is: an AUC of one class.
    """
    partition, sample = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1))
    n = len(contest.target)
    codes = contest.target if contest.metric.task == "classification" else np.zeros(n, int)
    validation, slow = _timed(contest)
    times = 4 if slow else int(np.clip(_SCORED // n, 4, 40))
    samples = 100 if slow else int(np.clip(_DRAWN // n, 100, 400))
    kinds = codes if contest.clusters is None else of_clusters(codes, contest.clusters)[0]
    found = correction(contest, partitions(kinds, times, partition))
    corrected = validation + found.mean
    better = contest.metric.greater_is_better
    reach = corrected + _deviations(contest, validation, found.error, samples, sample)
    low, high = np.clip(reach, *limits(contest.metric))
    return Optimism(
        validation,
        corrected,
        (validation - corrected) * (1 if better else -1),
        (float(low), float(high)),
        len(contest.losses),
        n,
    )


@dataclass(frozen=True)
class Correction:
    """A mean over folds, and its standard error as far as folds tell it."""

    mean: float
    error: float


def correction(contest: Contest, parts: np.ndarray) -> Correction:
    """What to add to the winner's validation score.

        mean_s [ m(t_s; fold s) - m(w; fold s) ]

    parts: [P, G], each cluster's fold in 0..K-1, from `partitions`. A fold on which the metric is
    not defined is left out.
    """
    if parts.shape[1] < 2:
        return Correction(0.0, 0.0)
    winner, folds = contest.winner, np.arange(parts.max() + 1)
    held = parts[:, None, :] == folds[:, None]
    chosen = contest.chosen((~held).reshape(-1, parts.shape[1]).astype(np.float64))
    found = np.zeros(held.shape[:2])
    sizes = held.sum(2) if contest.clusters is None else held @ np.bincount(contest.cluster)
    for place, trial in zip(np.ndindex(found.shape), chosen, strict=True):
        if trial != winner:
            rows = np.flatnonzero(held[place][contest.cluster])
            found[place] = contest.score(int(trial), rows) - contest.score(winner, rows)
    squares = []
    for partition in range(len(found)):
        known = found[partition][np.isfinite(found[partition])]
        if len(known) > 1:
            squares.append(float(known.var(ddof=1)) / len(known))
    known = np.isfinite(found) & (sizes > 0)
    mean = float(np.average(found[known], weights=sizes[known])) if known.any() else float("nan")
    return Correction(mean, float(np.sqrt(_mean(squares))))


def partitions(codes: np.ndarray, times: int, random: np.random.Generator) -> np.ndarray:
    """[P, G] folds of the clusters (the rows, where none belong together), P = times.

    codes: [G], classes, which are spread evenly; all the same for a regression.
    """
    folds = min(FOLDS, len(codes))
    return np.stack([spread(codes, None, folds, random) for _ in range(times)])


def _timed(contest: Contest) -> tuple[float, bool]:
    """The winner's score, and whether one takes long; a first call may, so a second one decides."""
    score, every = 0.0, np.arange(len(contest.target))
    for _ in range(2):
        began = time.perf_counter()
        score = contest.score(contest.winner, every)
        if time.perf_counter() - began < SLOW_S:
            return score, False
    return score, True


def _deviations(
    contest: Contest, validation: float, error: float, samples: int, random: np.random.Generator
) -> np.ndarray:
    """[2]: how far the interval reaches below and above its score.   samples: of the bootstrap.

    Samples of a score without an error are all the same: there it is Wilson's.
    """
    count, every = contest.count, np.arange(len(contest.target))
    if count < 2 and contest.clusters is not None:
        return np.full(2, np.nan)
    found = np.empty(samples)
    for sample in range(samples):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        drawn = np.repeat(every, times[contest.cluster])
        found[sample] = contest.score(contest.winner, drawn)
    found = found[np.isfinite(found)]
    if not len(found):
        return np.full(2, np.nan)
    ends = flawless(contest.metric, validation, contest.target, contest.clusters)
    reach = np.subtract(ends or np.quantile(found, (0.025, 0.975)), validation)
    if contest.clusters is not None and not ends:  # they may be few
        reach = reach * (t95(count) / Z95 * np.sqrt(count / (count - 1)))
    return np.hypot(reach, Z95 * error) * (-1, 1)


def _mean(found: Sequence[float] | np.ndarray) -> float:
    """Of the numbers among them; NaN where there is none."""
    numbers = [value for value in found if np.isfinite(value)]
    return float(np.mean(numbers)) if numbers else float("nan")


def of_study(
    found: Mapping[int, Finalist], rows: Rows, metric: Goal, seed: int, validation: float
) -> dict[str, Any] | None:
    """What result.json says of the winner's optimism; None where the metric is not defined.

    validation: its score as it is delivered. Trials are compared at the best temperature of each,
    and calibration does without one that is not sure to help: what luck gave is the same.
    """
    contest = contest_of(found, rows, metric)
    asked = _at(validation, optimism(contest, seed), contest.metric)
    if not np.isfinite([asked.validation, asked.corrected, *asked.interval]).all():
        return None
    winner = list(found.values())[contest.winner]
    chosen = None
    if winner.epochs is not None and chooses(winner.recipe):
        chosen = luck(winner.epochs, repeats_of(rows))
    epochs = chosen and {**vars(chosen), "interval": list(chosen.interval)}
    return {**vars(asked), "interval": list(asked.interval), "epochs": epochs}


def _at(validation: float, found: Optimism, metric: scores.Metric) -> Optimism:
    """The same correction of another validation score."""
    moved = validation - found.validation
    low, high = np.clip(np.add(found.interval, moved), *limits(metric))
    ends = float(low), float(high)
    return replace(found, validation=validation, corrected=found.corrected + moved, interval=ends)


def contest_of(found: Mapping[int, Finalist], rows: Rows, metric: Goal) -> Contest:
    """The contest that `search.contest.leading` decides."""
    numbers = list(found)
    validated = rows.validated
    repeats = repeats_of(rows)
    places = [np.concatenate([rows.folds[k].validation for k in folds]) for folds in repeats]
    default = DEFAULT if DEFAULT in found else min(found)
    return Contest(
        scores.find(metric),
        rows.target(rows.train)[validated],
        np.stack([row_losses(finalist, rows, metric) for finalist in found.values()]),
        [
            [np.concatenate([finalist.judged[k] for k in folds]) for folds in repeats]
            for finalist in found.values()
        ],
        [np.searchsorted(validated, each) for each in places],
        numbers.index(default),
        numbers.index(PLAIN) if PLAIN in found else None,
        rows.clusters_of(validated),
    )
