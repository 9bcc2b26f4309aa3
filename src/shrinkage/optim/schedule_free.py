"""Schedule-free AdamW: no schedule; the average of all steps takes its place.

    y_t     = (1 - beta1) z_t + beta1 x_t               the point trained at: its gradient is g
    v_t+1   = beta2 v_t + (1 - beta2) g^2,              v^ = v_t+1 / (1 - beta2^(t+1))
    z_t+1   = z_t - rate (g / (sqrt(v^) + eps) + weight_decay * y_t)
    c_t+1   = (max rate so far)^2 / sum of such squares so far
    x_t+1   = (1 - c_t+1) x_t + c_t+1 z_t+1             the point that is shown: their average

Defazio et al. 2024, "The Road Less Scheduled", algorithm 1. With a constant rate c_t is 1 / t;
steps of a warmup count less.

Differs from the paper, as its authors' package does: sqrt(1 - beta2^t) corrects v alone and is no
part of the rate, so that decay and c do not feel it; c takes the largest rate so far, so that
steps of a falling schedule do not count less.

The weights in training are y; validation and prediction use x. weight_decay acts where `decay`
would; x, y and z hold together only if nothing else moves y, so `decay`, `max_norm`,
`layer_rates`, `ema`, `swa` and `lookahead` are refused beside it.

Helps: training without a known end; may be stopped at any time.
Does nothing: beta1 = 0 is Adam without momentum, shown at the mean of its steps (Polyak).
Conflicts: a falling schedule, whose work it does already; a short `warmup` helps. Running
statistics of batch norm are taken at y while x is shown.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step, copies, zeros


@ingredient
class ScheduleFree:
    """lr: step size. beta1: how far y lies from z towards the average x. beta2: decay of the mean
    of squares. eps: added to the root. weight_decay: share taken off per unit of rate.
    """

    lr: Annotated[float, Member("(0, inf)", 3e-4, 3e-2, "log")] = 2.5e-3
    beta1: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.9
    beta2: Annotated[float, Member("[0, 1)", 0.9, 0.9999, "complement")] = 0.999
    eps: Annotated[float, Member("(0, inf)", 1e-10, 1e-4, "log")] = 1e-8
    weight_decay: Annotated[float, Member("[0, inf)", 1e-4, 1.0, "log")] = 0.0


def points(weights: Tensor, **numbers: Any) -> Slots:
    """x and z at the initial weights; the mean of squares; largest rate, sum of squares [M, 1]."""
    sums = zeros("largest", "total")(weights[:, :1])
    return {**copies("average", "fast")(weights), **zeros("square")(weights), **sums}


def schedule_free(
    grad: Tensor,
    slots: Slots,
    step: Step,
    weights: Tensor,
    mask: Tensor,
    rate: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    weight_decay: Tensor,
) -> tuple[Tensor, Slots]:
    """grad, weights (at y): [M, P]; slots: average (x), fast (z), square [M, P], largest, total
    [M, 1], consumed; mask: [P], 1 where decay acts; step counts from 0; the rest [M].

    Returns the direction [M, P], from this y to the next, and new slots.
    """
    rate, beta1, beta2, eps, pull = (x[:, None] for x in (rate, beta1, beta2, eps, weight_decay))
    square = slots["square"].lerp_(grad.square(), 1 - beta2)
    root = (square / (1 - beta2 ** (step + 1))).sqrt_().add_(eps)
    move = torch.div(grad, root, out=root).addcmul_(weights * mask, pull)
    fast = slots["fast"].addcmul_(move, rate, value=-1)
    largest = torch.maximum(slots["largest"], rate)
    total = slots["total"] + largest.square()
    share = torch.where(total > 0, largest.square() / total, 0.0)  # no rate so far: no average
    average = slots["average"].lerp_(fast, share)
    # The step multiplies by the rate again. At rate 0 the weights wait; later steps catch up.
    direction = (weights - fast.lerp(average, beta1)).div_(torch.where(rate > 0, rate, 1.0))
    new = {"average": average, "fast": fast, "square": square}
    return direction, new | {"largest": largest, "total": total}


def average_point(weights: Tensor, slots: Slots, **numbers: Any) -> Tensor:
    """x, the average [M, P]."""
    return slots["average"]
