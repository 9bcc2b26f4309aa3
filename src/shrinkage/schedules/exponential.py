"""Exponential schedule: the rate falls by the same ratio at every step.

    factor(t) = final ^ (t / T)

Source: Darken & Moody 1990, "Note on Learning Rate Schedules", is an early comparison of
falling rates. Equals torch's ExponentialLR of gamma = final^(1/T).

Helps: fixed-length training in which the best rate is not known within a factor of ten.
Does nothing: final 1 is a constant rate.
Conflicts: a small final leaves the last steps without effect; decay, which is multiplied by
the rate, ends with it.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class Exponential:
    """final: share of the rate that is left at the end."""

    final: Annotated[float, Member("(0, 1]", 1e-3, 0.3, "log")] = 0.01


def exponential(step: Tensor, total: int, final: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    return final ** (step / total)
