"""RAdam: Adam that waits until its second moment can be trusted.

    m^, v^ as in Adam,      rho_inf = 2 / (1 - beta2) - 1
    rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t)
    r_t   = sqrt((rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t))
    w <- w - lr * r_t m^ / (sqrt(v^) + eps')    where rho_t > 5,  w <- w - lr * m^   before that

Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond", algorithm 2.

Differs from the paper: the threshold is 5, not 4, and eps' = eps / sqrt(1 - beta2^t) stands
beside the root; both as in torch.optim.RAdam, which it equals.

Helps: training that is unsteady in the first steps, in place of a warmup by hand.
Does nothing: beyond Adam once t is several times 1 / (1 - beta2): r_t goes to 1.
Conflicts: the first few steps (five for beta2 = 0.999) are plain momentum, so their length is
lr times the gradient; with beta2 <= 2/3 it is never anything else. `warmup` on top warms up twice.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Radam:
    """lr: step size. beta1, beta2: decay of the two running means. eps: added to the root."""

    lr: Annotated[float, Member("(0, inf)", 1e-4, 3e-2, "log")] = 1e-3
    beta1: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.9
    beta2: Annotated[float, Member("[0, 1)", 0.9, 0.9999, "complement")] = 0.999
    eps: Annotated[float, Member("(0, inf)", 1e-10, 1e-4, "log")] = 1e-8


def rectification(beta2: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    """beta2: [M]; step counts from 0. Returns r_t [M], and whether it counts yet, bool [M].

    rho_t is a small difference of large numbers: in float32 it would be off by several.
    """
    beta, t = beta2.double(), step + 1
    most = 2 / (1 - beta) - 1
    now = most - 2 * t * beta**t / (1 - beta**t)
    r = ((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)).sqrt()
    return r.to(beta2.dtype), now > 5


def radam(
    grad: Tensor, slots: Slots, step: Step, beta1: Tensor, beta2: Tensor, eps: Tensor
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: mean and square [M, P], consumed; step counts from 0; the rest [M].

    Returns the direction [M, P] and new slots.
    """
    factor, ready = rectification(beta2, step)
    beta1, beta2 = beta1[:, None], beta2[:, None]
    mean = slots["mean"].lerp_(grad, 1 - beta1)
    square = slots["square"].lerp_(grad.square(), 1 - beta2)
    adaptive = factor[:, None] * (1 - beta2 ** (step + 1)).sqrt() / (square.sqrt() + eps[:, None])
    scale = torch.where(ready[:, None], adaptive, 1.0)
    direction = scale.mul_(mean).div_(1 - beta1 ** (step + 1))
    return direction, {"mean": mean, "square": square}
