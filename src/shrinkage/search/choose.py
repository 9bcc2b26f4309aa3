"""Which trial wins, with the noise of its score taken into account.

    d_t  = mean over rows of (loss of the default - loss of t),   both out of fold, paired
    se_t = standard deviation of that difference over rows / sqrt(rows)

Where rows belong together each cluster of them has one value in their place (`clusters`).

A trial challenges the default with d_t - se_t: a gain smaller than its own noise is no gain.
The best challenger above 0 wins, else the default stays; and what is left must not validate
worse than the plain network, else the plain network is the answer.

This guards against one challenger, not against the best of many. One that differs from the default
by noise alone wins with probability P(d > se) = 16 %; one of m independent ones with 1 - 0.84^m, so
of twenty with 97 %. What the winner's score owes to having been chosen is not mended here, but
measured and said by `evidence.optimism`.

Breiman et al. 1984, "Classification and Regression Trees", section 3.4.3 (the one-standard-
error rule), applied to paired differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shrinkage.uncertainty import mean_and_error, t95


@dataclass(frozen=True)
class Difference:
    """A mean paired difference, its standard error, and over how many rows (or clusters)."""

    mean: float
    error: float
    rows: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, Student's t."""
        reach = t95(self.rows) * self.error if self.error else 0.0
        return self.mean - reach, self.mean + reach


def gain_of(worse: np.ndarray, better: np.ndarray) -> Difference:
    """How much smaller the losses [n] of `better` are; rows are paired. Positive is a gain."""
    return Difference(*mean_and_error(worse - better), len(worse))


def choose(losses: Mapping[int, np.ndarray], default: int, plain: int | None) -> int:
    """The winner's number. losses: out-of-fold loss of each row [n] by trial."""
    challenges = {
        number: gain_of(losses[default], rows)
        for number, rows in losses.items()
        if number != default
    }
    winner, lead = default, 0.0
    for number, found in challenges.items():
        if found.mean - found.error > lead:
            winner, lead = number, found.mean - found.error
    if plain is not None and plain in losses and gain_of(losses[plain], losses[winner]).mean < 0:
        return plain
    return winner


def choose_each(
    losses: np.ndarray,
    counts: np.ndarray,
    default: int,
    plain: int | None,
    cluster: np.ndarray | None = None,
) -> np.ndarray:
    """The winner on each of S resamples of the rows, all at once: what `choose` says of each.

    losses: [T, n], out-of-fold loss of each row, trials in the order `choose` would see them.
    cluster: [n], in 0..G-1, of rows that belong together and are drawn as one; None: G = n.
    counts: [S, G], how often each resample holds each cluster; no resample is empty.
    default, plain: positions in 0..T-1. Returns [S] positions.

    With g_c the sum of a trial's gains in cluster c, n_c its rows, k_c how often it was drawn, in
    all k times: d = sum k_c g_c / sum k_c n_c, and its standard error is
    sqrt(k / (k - 1) sum k_c (g_c - d n_c)^2) / sum k_c n_c (see `clusters`).
    """
    gains = losses[default] - losses
    if cluster is None:
        size = np.ones(losses.shape[1])
    else:
        size = np.bincount(cluster).astype(np.float64)
        gains = np.stack([np.bincount(cluster, each, len(size)) for each in gains])
    drawn, rows = counts.sum(1, keepdims=True), (counts @ size)[:, None]
    mean = counts @ gains.T / rows
    both, sizes = counts @ (gains * size).T, (counts @ np.square(size))[:, None]
    squares = counts @ np.square(gains).T - 2 * mean * both + np.square(mean) * sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.maximum(squares, 0) * drawn / (drawn - 1)) / rows
    lead = mean - np.where(drawn > 1, error, np.inf)
    lead[:, default] = 0
    every = np.arange(len(counts))
    winner = lead.argmax(1)
    winner = np.where(lead[every, winner] > 0, winner, default)
    if plain is None:
        return winner
    return np.where(mean[:, plain] > mean[every, winner], plain, winner)
