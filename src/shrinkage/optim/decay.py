"""Decoupled weight decay: shrink the weights beside the gradient step, not through it.

    w <- w - lr * weight_decay * w        then the step of the optimizer

Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2, in torch's
convention: the decay is multiplied by the scheduled rate. The paper's own (1 - lambda) w, where
the schedule alone multiplies it, is `independent_decay`: its lambda is lr * weight_decay here.

Acts on weight matrices and embeddings; biases and norm parameters are left out.

Helps: nearly always a little with Adam; more with few rows and wide networks.
Measured: weight_decay 3 on 120 rows, 60 columns of which 3 matter, a number to predict, some
noise: rmse 1.4 without, 0.671 with it (difference -0.728, 95 % -0.796 to -0.66, 20 draws).
Does nothing: for plain SGD it equals `l2` of the same strength.
Conflicts: ahead of batch norm or layer norm the function does not depend on the scale of a
weight matrix: decay then holds that scale, and with it the effective rate, where it would have
grown. It is multiplied by the scheduled rate, so as the rate falls decay fades, and with a
smaller rate the same number does less. Beside l2 or elastic_net the weights are pulled twice.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class Decay:
    """weight_decay: share of each weight taken off per unit of rate; 0 is the identity."""

    weight_decay: Annotated[float, Member("[0, inf)", 1e-4, 1.0, "log", neutral=0.0)] = 0.0


def decay(weights: Tensor, mask: Tensor, rate: Tensor, weight_decay: Tensor) -> Tensor:
    """weights: [M, P], consumed; mask: [P], 1 where it acts; rate, weight_decay: [M]."""
    share = (rate * weight_decay)[:, None]
    return weights.mul_(torch.addcmul(weights.new_ones(()), share, mask, value=-1))
