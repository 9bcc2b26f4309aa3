"""Adadelta: steps as large as past steps were, relative to past gradients.

    v <- rho v + (1 - rho) g^2
    u  = g * sqrt(d + eps) / sqrt(v + eps)
    d <- rho d + (1 - rho) u^2
    w <- w - lr * u

Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1; equals
torch.optim.Adadelta. The paper has no lr: it is 1 there.

Helps: where no rate is known; u has the unit of a weight, so lr = 1 is a fair start.
Does nothing: to the scale of a loss; multiplied by any factor it trains alike, but for eps.
Conflicts: the first steps are as small as sqrt(eps), so short training ends too early; eps is
the rate in disguise.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Adadelta:
    """lr: factor on the step. rho: decay of both running means. eps: added within both roots."""

    lr: Annotated[float, Member("(0, inf)", 0.1, 3.0, "log")] = 1.0
    rho: Annotated[float, Member("[0, 1)", 0.8, 0.99, "complement")] = 0.9
    eps: Annotated[float, Member("(0, inf)", 1e-8, 1e-4, "log")] = 1e-6


def adadelta(
    grad: Tensor, slots: Slots, step: Step, rho: Tensor, eps: Tensor
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: square, change [M, P], consumed; rho, eps: [M].

    Returns the direction [M, P] and new slots.
    """
    rest, eps = 1 - rho[:, None], eps[:, None]
    square = slots["square"].lerp_(grad.square(), rest)
    change = slots["change"]
    direction = change.add(eps).div_(square + eps).sqrt_().mul_(grad)
    return direction, {"square": square, "change": change.lerp_(direction.square(), rest)}
