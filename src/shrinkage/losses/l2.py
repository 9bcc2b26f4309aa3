"""L2 penalty: pull every weight towards zero in proportion to its size.

    loss <- loss + weight / 2 * sum w^2,      g <- g + weight * w

Source: Hoerl & Kennard 1970, "Ridge regression"; torch's `weight_decay` in SGD and Adam.

Acts on weight matrices and embeddings; biases and norm parameters are left out. The gradient
goes through the optimizer: Adam divides it by the gradient's size, which `decay` avoids.

Helps: correlated columns, few rows, plain SGD.
Measured: weight 0.03 on 120 rows, 60 columns of which 3 matter, a number to predict, some noise:
rmse 1.4 without, 0.656 with it (difference -0.743, 95 % -0.8 to -0.686, 20 draws).
Does nothing: that `decay` would not, for SGD without momentum: both are the same.
Conflicts: ahead of batch norm or layer norm the function does not depend on the scale of a
weight matrix, so the pull does not make it simpler: smaller weights take larger steps, as under
a larger rate. Beside `decay` or elastic_net the weights are pulled twice; dropout acts like an L2
penalty of its own.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class L2:
    """weight: strength of the penalty; 0 is the identity."""

    weight: Annotated[float, Member("[0, inf)", 1e-6, 1e-1, "log", neutral=0.0)] = 0.0


def l2(flat: Tensor, mask: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """flat: [M, P]; mask: [P], 1 where it acts; weight: [M].

    Returns the penalty [M] and its gradient [M, P].
    """
    masked = flat * mask
    return weight / 2 * masked.square().sum(1), weight[:, None] * masked
