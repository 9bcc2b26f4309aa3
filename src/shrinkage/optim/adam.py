"""Adam: momentum divided by the root of a running mean of squared gradients.

    m <- beta1 m + (1 - beta1) g                m^ = m / (1 - beta1^t)
    v <- beta2 v + (1 - beta2) g^2              v^ = v / (1 - beta2^t)
    w <- w - lr * m^ / (sqrt(v^) + eps)

Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.

With `loss.l2` it is Adam + L2 (torch.optim.Adam's weight_decay); with `update.decay` it is
AdamW (Loshchilov & Hutter 2019). Both are numbers of a member, so the two share a population.

Helps: almost always a good start; weights with rare or tiny gradients.
Does nothing: to the direction of a gradient whose entries are all equal in size.
Conflicts: an L2 penalty is divided away for weights with large gradients; use `decay`.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Adam:
    """lr: step size. beta1, beta2: decay of the two running means. eps: added to the root."""

    lr: Annotated[float, Member("(0, inf)", 1e-4, 3e-2, "log")] = 1e-3
    beta1: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.9
    beta2: Annotated[float, Member("[0, 1)", 0.9, 0.9999, "complement")] = 0.999
    eps: Annotated[float, Member("(0, inf)", 1e-10, 1e-4, "log")] = 1e-8


def adam(
    grad: Tensor, slots: Slots, step: Step, beta1: Tensor, beta2: Tensor, eps: Tensor
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: mean and square [M, P], consumed; step counts from 0; the rest [M].

    Returns the direction [M, P] and new slots.
    """
    beta1, beta2, eps = beta1[:, None], beta2[:, None], eps[:, None]
    mean = slots["mean"].lerp_(grad, 1 - beta1)
    square = slots["square"].lerp_(grad.square(), 1 - beta2)
    # The bias corrections are folded into one coefficient and eps, to spare two passes.
    root = (1 - beta2 ** (step + 1)).sqrt()
    denominator = square.sqrt().add_(eps * root)
    direction = torch.div(mean, denominator, out=denominator)
    return direction.mul_(root / (1 - beta1 ** (step + 1))), {"mean": mean, "square": square}
