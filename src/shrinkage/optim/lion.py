"""Lion: the sign of a momentum, so every weight moves by exactly lr.

    u  = sign(beta1 m + (1 - beta1) g)
    m <- beta2 m + (1 - beta2) g
    w <- w - lr * u

Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", program 1; its weight decay,
lr * lambda * w, is `decay`.

Helps: large batches; half of Adam's memory.
Does nothing: to the size of gradients, so `clip_norm` changes only how they are averaged.
Conflicts: with a constant rate it never settles: steps stay of length lr, so use a falling
schedule. It wants a rate 3 to 10 times smaller than Adam's, and a `decay` larger by as much.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Lion:
    """lr: length of each weight's step. beta1: share of the momentum in the sign's argument.
    beta2: decay of the momentum.
    """

    lr: Annotated[float, Member("(0, inf)", 3e-5, 3e-3, "log")] = 3e-4
    beta1: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.9
    beta2: Annotated[float, Member("[0, 1)", 0.9, 0.999, "complement")] = 0.99


def lion(
    grad: Tensor, slots: Slots, step: Step, beta1: Tensor, beta2: Tensor
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: momentum [M, P], consumed; beta1, beta2: [M].

    Returns the direction [M, P] and new slots.
    """
    momentum = slots["momentum"]
    mixed = momentum.lerp(grad, 1 - beta1[:, None])
    # torch's sign of NaN is 0, and a member that has gone wrong would stand still unseen.
    direction = torch.where(mixed.isnan(), mixed, mixed.sign())
    return direction, {"momentum": momentum.lerp_(grad, 1 - beta2[:, None])}
