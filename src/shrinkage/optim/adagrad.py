"""Adagrad: each weight's rate falls with the sum of all squared gradients it has seen.

    s <- s + g^2                                s_0 = initial_accumulator
    w <- w - lr * g / (sqrt(s) + eps)

Duchi et al. 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization", section 1.1 (the diagonal form); equals torch.optim.Adagrad.

Differs from torch: no lr_decay, since a falling rate is a schedule's business.

Helps: rare features, whose weights keep a large rate; convex problems.
Does nothing: momentum it has none; see `adam`.
Conflicts: s never falls, so on constant gradients the rate goes as 1/sqrt(t) and long training
of a network stands still; a falling schedule on top makes that worse.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step


@ingredient
class Adagrad:
    """lr: step size. eps: added to the root. initial_accumulator: of s, damps the first steps."""

    lr: Annotated[float, Member("(0, inf)", 1e-3, 0.3, "log")] = 1e-2
    eps: Annotated[float, Member("(0, inf)", 1e-12, 1e-4, "log")] = 1e-10
    initial_accumulator: Annotated[float, Member("[0, inf)", 0.0, 1.0)] = 0.0


def accumulators(weights: Tensor, initial_accumulator: Tensor, **numbers: Any) -> Slots:
    """weights: [M, P]; initial_accumulator: [M]. Returns the sum of squares before step 0."""
    return {"sum": initial_accumulator[:, None].expand_as(weights).clone()}


def adagrad(
    grad: Tensor, slots: Slots, step: Step, eps: Tensor, initial_accumulator: Tensor
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: sum [M, P], consumed; eps: [M].

    Returns the direction [M, P] and new slots.
    """
    total = slots["sum"].addcmul_(grad, grad)
    root = total.sqrt().add_(eps[:, None])
    return torch.div(grad, root, out=root), {"sum": total}
