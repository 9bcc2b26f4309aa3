"""Early stopping: keep the weights with the best validation score, stop when it stays worse.

    best <- weights at the last epoch of the best score;  stop after `patience` epochs without one

Prechelt 1998, "Early Stopping - But When?". For gradient descent on least squares it filters
the same directions as ridge regression, with 1/(lr * t) in the role of the penalty
(Goodfellow et al. 2016, section 7.8).

Helps: networks that overfit before the last epoch; saves time.
Does nothing: infinite patience is off: the last weights are kept.
Conflicts: schedules whose gain comes in the last epochs; small validation parts, whose best
epoch is partly luck.
"""

from __future__ import annotations

from math import inf
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class EarlyStopping:
    """patience: epochs without a better score before a member stops; infinity is off."""

    patience: Annotated[
        float, Member("(0, inf]", 5.0, 100.0, "log", neutral=inf, unit="epochs")
    ] = inf


def improved(score: Tensor, best: Tensor) -> Tensor:
    """Whether each member's score [M] (larger is better) is as good as its best so far; bool [M].

    Of equally good epochs the last counts: on few validation rows scores tie often, and more
    training is the better guess. A score of minus infinity is never good.
    """
    return (score >= best) & (score > -torch.inf)


def exhausted(epoch: int, best_epoch: Tensor, patience: Tensor) -> Tensor:
    """Whether each member's patience is used up; best_epoch, patience: [M]; bool [M]."""
    return epoch - best_epoch >= patience
