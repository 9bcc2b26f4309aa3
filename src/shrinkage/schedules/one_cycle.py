"""One cycle: rise to the full rate, then fall far below the rate of the start.

    factor rises from 1 / start_div to 1    over the first `peak` of the steps,
    falls from 1 to 1 / final_div           over the rest, both along half a cosine

Smith & Topin 2018, "Super-Convergence: Very Fast Training of Neural Networks Using Large
Learning Rates", section 3. Equals torch's OneCycleLR without its cycle of momentum, whose
final_div_factor is final_div / start_div.

Differs from the paper: half cosines in place of straight lines; momentum stays as it is.

Helps: short trainings at a rate that would diverge from the start.
Conflicts: `warmup` rises a second time; early stopping during the rise; the rate is the highest
one, not the first.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class OneCycle:
    """peak: share of the steps at which the rate is highest. start_div: the highest over the
    first rate. final_div: the highest over the last rate.
    """

    peak: Annotated[float, Member("(0, 1)", 0.05, 0.5, unit="share of steps")] = 0.3
    start_div: Annotated[float, Member("[1, inf)", 2.0, 100.0, "log")] = 25.0
    final_div: Annotated[float, Member("[1, inf)", 10.0, 1e6, "log")] = 1e4


def one_cycle(step: Tensor, total: int, peak: float, start_div: float, final_div: float) -> Tensor:
    """step: [T] in 0..total-1. Returns the factor [T]."""
    # The last step has the last rate, and counting from 0 takes one off; as in torch.
    top, end = max(0.0, peak * total - 1), max(1, total - 1)
    rising = (step / top).clamp(max=1) if top else torch.ones_like(step)
    falling = ((step - top) / (end - top)).clamp(0, 1)
    up = _half_cosine(1 / start_div, 1.0, rising)
    return torch.where(step < top, up, _half_cosine(1.0, 1 / final_div, falling))


def _half_cosine(start: float, end: float, share: Tensor) -> Tensor:
    return end + (start - end) * (1 + torch.cos(math.pi * share)) / 2
