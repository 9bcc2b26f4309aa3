"""Early stopping: keep the weights with the best validation score, stop when it stays worse.

    s_e  = (score_e + b score_(e-1) + b^2 score_(e-2) + ...) / (1 + b + b^2 + ...),   b = smoothing
    best <- weights at the last epoch of the best s;  stop after `patience` epochs without one

Prechelt 1998, "Early Stopping - But When?". For gradient descent on least squares it filters
the same directions as ridge regression, with 1/(lr * t) in the role of the penalty
(Goodfellow et al. 2016, section 7.8).

The smoothed score is a moving average with the bias of its start taken out, as in Adam.

Helps: networks that overfit before the last epoch; saves time.
Measured: patience 30 on 200 rows, 10 columns, two classes, a quarter of the training labels
flipped, both with 30 % of the rows set aside: log loss 1.35 without, 0.669 with it (difference
-0.686, 95 % -0.815 to -0.556, 20 draws).
Does nothing: infinite patience is off: the last weights are kept. A patience of 1e9, as in the
default recipe, never stops but keeps the best epoch; tables call it unlimited.
Conflicts: schedules whose gain comes in the last epochs; small validation parts, whose best
epoch is partly luck (smoothing takes some of it out, but is late by 1 / (1 - smoothing) epochs).
"""

from __future__ import annotations

from math import inf
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class EarlyStopping:
    """patience: epochs without a better score before a member stops; infinity is off.

    smoothing: share of the earlier epochs in the score that is compared; 0 is the score itself.
    """

    patience: Annotated[
        float, Member("(0, inf]", 5.0, 100.0, "log", neutral=inf, unit="epochs")
    ] = inf
    smoothing: Annotated[float, Member("[0, 1)", 0.0, 0.9)] = 0.0


def smoothed(
    score: Tensor, total: Tensor, weight: Tensor, smoothing: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The score to compare, and the sums it is made of brought up to date; all [M].

    total, weight: weighted sums of earlier scores and of ones, 0 before the first epoch.
    An epoch whose score is not finite leaves the sums as they were, and keeps its own score.
    """
    finite = torch.isfinite(score)
    total = torch.where(finite, smoothing * total + (1 - smoothing) * score, total)
    weight = torch.where(finite, smoothing * weight + (1 - smoothing), weight)
    return torch.where(finite, total / weight, score), total, weight


def improved(score: Tensor, best: Tensor) -> Tensor:
    """Whether each member's score [M] (larger is better) is as good as its best so far; bool [M].

    Of equally good epochs the last counts: on few validation rows scores tie often, and more
    training is the better guess. A score of minus infinity is never good.
    """
    return (score >= best) & (score > -torch.inf)


def exhausted(epoch: int, best_epoch: Tensor, patience: Tensor) -> Tensor:
    """Whether each member's patience is used up; best_epoch, patience: [M]; bool [M]."""
    return epoch - best_epoch >= patience
