"""Exponential moving average of the weights.

    a <- d_t a + (1 - d_t) w,       d_t = min(decay, (1 + t) / (10 + t))

Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the rising
d_t, so that a short run is not stuck at its initial weights, is TensorFlow's.

Validation and prediction use a; training goes on from w. Running statistics of batch norm are
averages already and are not averaged again.

Helps: noisy last steps: small batches, large or constant rates, gradient_noise.
Measured: decay 0.99 on 200 rows, 10 columns, two classes, a quarter of the training labels
flipped, both beside Adam at rate 0.01: log loss 1.77 without, 1.72 with it (difference -0.0453,
95 % -0.0493 to -0.0413, 20 draws).
Does nothing: decay 0 is the last weights.
Conflicts: when a schedule has let the rate fall to zero there is little noise left to average.
It looks back about 1 / (1 - decay) steps: over a short training that reaches into the bad start,
and early stopping then stops on an average that lags behind. Batch norm's running statistics
belong to the last weights, not to the average.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Ema:
    """decay: share of the average kept at each step; 0 is the last weights."""

    decay: Annotated[float, Member("[0, 1)", 0.9, 0.9995, "complement", neutral=0.0)] = 0.0


def ema(weights: Tensor, slots: Slots, step: Step, decay: Tensor) -> tuple[Tensor, Slots]:
    """weights: [M, P]; slots: average [M, P], consumed; decay: [M]; step counts from 0.

    Returns the weights, as they were, and new slots.
    """
    now = decay.clamp(max=(1 + step) / (10 + step))
    return weights, {"average": slots["average"].lerp_(weights, (1 - now)[:, None])}


def averaged(weights: Tensor, slots: Slots, decay: Tensor) -> Tensor:
    """The average [M, P]; at decay 0, what is given."""
    return torch.where((decay == 0)[:, None], weights, slots["average"])
