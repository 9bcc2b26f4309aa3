"""Inverse time: the rate falls as one over the time that has passed.

    factor(t) = half / (half + t/T)

Robbins & Monro 1951, "A Stochastic Approximation Method": rates of this order sum to infinity
and their squares do not, so that noisy steps still end at the optimum. In the common form
lr = 1 / (C + t), C is half * T steps, and the rate is rescaled to lr at step 0.

Helps: convex losses, long training of which the end is not known beforehand.
Does nothing: a half far above 1 is nearly a constant rate.
Conflicts: noise is still high at the last step, where cosine has taken it to zero; an average
(ema, swa) takes out what is left.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class InverseTime:
    """half: share of the steps after which the rate has halved."""

    half: Annotated[float, Member("(0, inf)", 0.01, 1.0, "log", unit="share of steps")] = 0.1


def inverse_time(step: Tensor, total: int, half: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    return half / (half + step / total)
