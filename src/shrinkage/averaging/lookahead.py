"""Lookahead: every k steps, go back part of the way to where these k steps began.

    every k steps:   slow <- slow + alpha (fast - slow);   fast <- slow

Zhang et al. 2019, "Lookahead Optimizer: k steps forward, 1 step back", algorithm 1. Fast are
the weights in training; validation and prediction use slow. Momentum is kept across a return,
as the paper does by default.

Helps: rates that are a little too high; less tuning of rate and momentum.
Measured: k 5 and alpha 0.5 on 200 rows, 10 columns, two classes, a quarter of the training labels
flipped, both beside Adam at rate 0.01: log loss 1.77 without, 1.47 with it (difference -0.3, 95 %
-0.356 to -0.245, 20 draws).
Does nothing: alpha 1 goes all the way forward, and k does not matter.
Conflicts: running statistics of batch norm are those of the fast weights; ema and swa average
the fast weights; progress a step is smaller, so a short training may end too early.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Lookahead:
    """k: steps between returns. alpha: share of the way forward that is kept; 1 is all of it."""

    k: Annotated[int, Member("[1, inf)", 5, 20, "log", unit="steps")] = 5
    alpha: Annotated[float, Member("(0, 1]", 0.3, 0.8, neutral=1.0)] = 1.0


def lookahead(
    weights: Tensor, slots: Slots, step: Step, k: Tensor, alpha: Tensor
) -> tuple[Tensor, Slots]:
    """weights: [M, P]; slots: slow [M, P], consumed; step counts from 0; k, alpha: [M].

    Returns the weights to train on from, and new slots.
    """
    returns = (step + 1) % k == 0
    slow = slots["slow"].lerp_(weights, torch.where(returns, alpha, 0)[:, None])
    return torch.where(returns[:, None], slow, weights), {"slow": slow}


def slow_weights(weights: Tensor, slots: Slots, k: Tensor, alpha: Tensor) -> Tensor:
    """The slow weights [M, P]; where all of each way forward is kept, what is given."""
    return torch.where((alpha == 1)[:, None], weights, slots["slow"])
