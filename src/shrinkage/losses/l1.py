"""L1 penalty: pull every weight towards zero by the same amount.

    loss <- loss + weight * sum |w|,      g <- g + weight * sign(w)

Source: Tibshirani 1996, "Regression shrinkage and selection via the lasso".

Acts on weight matrices and embeddings; biases and norm parameters are left out.

Helps: many irrelevant columns.
Measured: weight 0.003 on 120 rows, 60 columns of which 3 matter, a number to predict, some noise:
rmse 1.4 without, 0.675 with it (difference -0.724, 95 % -0.785 to -0.664, 20 draws).
Does nothing: to the scale of a layer followed by batch norm, beyond its effective rate.
Conflicts: inside Adam the pull is divided by the gradient's size, as any loss gradient is.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient


@ingredient
class L1:
    """weight: strength of the penalty; 0 is the identity."""

    weight: Annotated[float, Member("[0, inf)", 1e-7, 1e-3, "log", neutral=0.0)] = 0.0


def l1(flat: Tensor, mask: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """flat: [M, P]; mask: [P], 1 where it acts; weight: [M].

    Returns the penalty [M] and its gradient [M, P].
    """
    masked = flat * mask
    return weight * masked.abs().sum(1), weight[:, None] * masked.sign()
