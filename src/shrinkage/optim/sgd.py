"""Stochastic gradient descent, with momentum and Nesterov's look-ahead.

    m <- momentum * m + g
    u  = m                      or, with Nesterov,   u = g + momentum * m
    w <- w - lr * u

Sources: Polyak 1964; Nesterov 1983; Sutskever et al. 2013, "On the importance of
initialization and momentum"; the form is torch.optim.SGD's.

Helps: large sets and long training, where it often ends in flatter minima than Adam.
Does nothing: momentum 0 is plain SGD.
Conflicts: unscaled inputs; without them scaled, one rate cannot fit all weights.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Sgd:
    """lr: step size. momentum: share of the last step kept. nesterov: look ahead."""

    lr: Annotated[float, Member("(0, inf)", 1e-3, 1.0, "log")] = 0.1
    momentum: Annotated[float, Member("[0, 1)", 0.0, 0.98, neutral=0.0)] = 0.0
    nesterov: bool = False


def sgd(
    grad: Tensor, slots: Slots, step: Step, momentum: Tensor, nesterov: bool
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: momentum [M, P], consumed; momentum: [M].

    Returns the direction [M, P] and new slots.
    """
    decay = momentum[:, None]
    buffer = slots["momentum"].mul_(decay).add_(grad)
    direction = torch.addcmul(grad, buffer, decay) if nesterov else buffer
    return direction, {"momentum": buffer}
