"""Which trials predict together, and with which shares.

    f = sum over t of  s_t f_t,     s >= 0,  sum s = 1,   probabilities f_t each at its temperature

Greedy selection: from the trial that leads, the trial that helps the mean of those chosen most
joins it, again and again, with replacement; s_t is how often t was chosen. All is decided on
out-of-fold predictions. A long greedy search learns their noise, so it is repeated in bags, each of
which sees half of the trials, and the shares are averaged. What is helped is the mean row loss that
orders models as the metric does (`scores.row_losses`): for AUC and a person's own function, which
are dear to compute or have none, it is the log loss or the squared error. Metrics that look at the
chosen class only have the log loss added (`scores.blending`).

Whether an ensemble is taken at all is decided on rows that its shares have not seen: validation
rows are cut into three groups, and shares chosen on two are judged on the third.

Source: Caruana et al. 2004, "Ensemble Selection from Libraries of Models"; Caruana et al. 2006,
"Getting the Most Out of Ensemble Selection" (bags, and more).
Differs from the paper: every bag begins with the trial that leads, so it has a share always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from shrinkage import scores
from shrinkage.calibration import tempered
from shrinkage.clusters import count, per_cluster, spread
from shrinkage.scores import Goal
from shrinkage.search.choose import Difference, gain_of
from shrinkage.search.contest import PLAIN, Finalist
from shrinkage.search.rows import Rows

CANDIDATES, LARGEST = 30, 8
"""The best so many trials may join; the largest so many shares predict, which bounds its cost."""

_BAGS, _STEPS, _ROWS, _JUDGES = 10, 15, 2000, 3


def shares(outputs: np.ndarray, target: np.ndarray, metric: Goal, seed: int) -> np.ndarray:
    """The share of each trial [T], 0 for most; above 0 for the first, which leads.

    outputs: out-of-fold probabilities [T, n, C] or numbers [T, n]; target: [n].
    """
    random = np.random.default_rng(seed)
    if len(target) > _ROWS:
        some = np.sort(random.choice(len(target), _ROWS, replace=False))
        outputs, target = outputs[:, some], target[some]
    predictions, y = torch.from_numpy(outputs), torch.from_numpy(target)
    metric = scores.blending(metric)
    losses = _losses(predictions, y, metric)
    others = [int(t) for t in np.argsort(losses, kind="stable") if t != 0][: CANDIDATES - 1]
    total = np.zeros(len(outputs))
    for _ in range(_BAGS):
        half = random.permutation(others)[: (len(others) + 1) // 2]
        bag = np.append(0, np.sort(half)).astype(int)
        total[bag] += _greedy(predictions[bag], y, metric)
    kept = np.argsort(-total, kind="stable")[:LARGEST]
    if 0 not in kept:
        kept[-1] = 0
    found = np.zeros(len(outputs))
    found[kept] = total[kept] / total[kept].sum()
    return found


def _greedy(predictions: torch.Tensor, target: torch.Tensor, metric: Goal) -> np.ndarray:
    """How often each trial is chosen, up to the best length of the search; the first once; [T]."""
    chosen = [0]
    total = predictions[0].clone()
    values = [_losses(predictions[:1], target, metric)[0]]
    for step in range(1, _STEPS):
        tried = (total + predictions) / (step + 1)
        found = _losses(tried, target, metric)
        at = int(np.argmin(found))
        chosen.append(at)
        values.append(found[at])
        total = total + predictions[at]
    length = 1 + int(np.argmin(values))
    return np.bincount(chosen[:length], minlength=len(predictions)) / length


def _losses(predictions: torch.Tensor, target: torch.Tensor, metric: Goal) -> np.ndarray:
    """The mean row loss of each, [T]. A NaN is worse than all."""
    found = scores.mean_losses(metric, predictions, target).numpy()
    return np.where(np.isnan(found), np.inf, found)


class Blend(NamedTuple):
    """Which trials predict together.

    shares: by trial, that of the lead first, then the largest. gain: over the lead, in the metric's
    mean loss a row, by shares that have not seen the row; positive is better, None where there is
    nothing to join. unseen: what such shares predict on the validation rows of each fold; None
    where the lead predicts alone.
    """

    shares: dict[int, float]
    gain: Difference | None = None
    unseen: list[np.ndarray] | None = None


def of_trials(found: dict[int, Finalist], lead: int, rows: Rows, metric: Goal, seed: int) -> Blend:
    """Those whose shares predict best, and what that gains.

    Only the lead predicts where nothing is gained in what shares are chosen by, where together they
    validate worse than the plain network, with one trial, or on one row (or rows that all belong
    together).
    """
    alone = {lead: 1.0}
    clusters = rows.clusters_of(rows.validated)
    if len(found) < 2 or count(clusters, len(rows.validated)) < 2:
        return Blend(alone)
    numbers = [lead, *(number for number in found if number != lead)]
    parts = [[found[number].judged[k] for number in numbers] for k in range(len(rows.folds))]
    target = rows.target(rows.train)
    targets = [target[fold.validation] for fold in rows.folds]
    judged = [np.empty(part[0].shape) for part in parts]
    for judges in _judges(rows, seed):
        lengths = map(len, targets)
        keep = [np.delete(np.arange(n), at) for n, at in zip(lengths, judges, strict=True)]
        seen = [np.stack(part)[:, at] for part, at in zip(parts, keep, strict=True)]
        y = np.concatenate([own[at] for own, at in zip(targets, keep, strict=True)])
        chosen = shares(np.concatenate(seen, 1), y, metric, seed)
        for k, at in enumerate(judges):
            judged[k][at] = np.tensordot(chosen, np.stack(parts[k])[:, at], 1)
    every = np.concatenate(targets)
    y = torch.from_numpy(every)

    def losses(outputs: Sequence[np.ndarray], goal: Goal) -> np.ndarray:
        of = torch.from_numpy(np.concatenate(outputs))
        return per_cluster(rows.by_row(scores.row_losses(goal, of, y).numpy()), clusters)

    def gained(over: int, goal: Goal) -> Difference:
        return gain_of(losses(found[over].judged, goal), losses(judged, goal))

    gain = gained(lead, metric)
    worse_than_plain = PLAIN in found and gained(PLAIN, metric).mean < 0
    if worse_than_plain or not gained(lead, scores.blending(metric)).mean > 0:
        return Blend(alone, gain)
    whole = np.concatenate([np.stack(part) for part in parts], 1)
    chosen = shares(whole, every, metric, seed)
    order = [0, *(1 + np.argsort(-chosen[1:], kind="stable"))]
    joined = {numbers[at]: float(chosen[at]) for at in order if chosen[at] > 0}
    return Blend(joined, gain, judged if len(joined) > 1 else None)


def _judges(rows: Rows, seed: int) -> list[list[np.ndarray]]:
    """By group, by fold: positions among its validation rows that the group judges, each once.

    Groups are of rows: one that repeats validate again is judged by one group in all of them, and
    so are rows that belong together.
    """
    validated, random = rows.validated, np.random.default_rng(seed)
    if (clusters := rows.clusters_of(validated)) is None:
        groups = np.array_split(random.permutation(validated), _JUDGES)
    else:
        part = spread(np.zeros(len(validated), int), clusters, _JUDGES, random)
        groups = [validated[part == number] for number in range(_JUDGES)]
    return [
        [np.flatnonzero(np.isin(fold.validation, group)) for fold in rows.folds] for group in groups
    ]


def blended(
    found: dict[int, Finalist], shares: dict[int, float], temperatures: Sequence[float]
) -> list[np.ndarray]:
    """What these trials predict together on the validation rows of each fold.

    temperatures: of what each says before it is blended, in the order of the shares.
    """
    each = [
        [share * tempered(part, heat) for part in found[number].parts]
        for (number, share), heat in zip(shares.items(), temperatures, strict=True)
    ]
    return [np.sum(parts, 0) for parts in zip(*each, strict=True)]
