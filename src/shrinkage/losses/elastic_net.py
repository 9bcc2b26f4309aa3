"""Elastic net: an L1 and an L2 penalty with one strength and one mixing number.

    loss <- loss + weight * (l1_ratio * sum |w| + (1 - l1_ratio) / 2 * sum w^2)
    g <- g + weight * (l1_ratio * sign(w) + (1 - l1_ratio) * w)

Zou & Hastie 2005, "Regularization and Variable Selection via the Elastic Net"; written as in
scikit-learn's ElasticNet, whose data term is half the mean squared error: under squared_error
weight is twice its alpha for the standardized target, l1_ratio the same.

Acts on weight matrices and embeddings; biases and norm parameters are left out. Equals l1 of
weight * l1_ratio and l2 of weight * (1 - l1_ratio), so the three may be on together and add up.

Helps: many irrelevant columns among correlated ones: L1 alone keeps one of a group by chance.
Measured: weight 0.006 and l1_ratio 0.5 on 120 rows, 60 columns of which 3 matter, a number to
predict, some noise: rmse 1.4 without, 0.611 with it (difference -0.788, 95 % -0.85 to -0.725, 20
draws).
Does nothing: to the scale of a layer followed by batch norm, beyond its effective rate.
Conflicts: inside Adam both pulls are divided by the gradient's size; l1 and l2 beside it are the
same penalty again. No weight becomes exactly 0 by gradient steps.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.losses.l1 import l1
from shrinkage.losses.l2 import l2


@ingredient
class ElasticNet:
    """weight: strength of the penalty; 0 is the identity. l1_ratio: share of it that is L1."""

    weight: Annotated[float, Member("[0, inf)", 1e-7, 1e-2, "log", neutral=0.0)] = 0.0
    l1_ratio: Annotated[float, Member("[0, 1]", 0.0, 1.0)] = 0.5


def elastic_net(
    flat: Tensor, mask: Tensor, weight: Tensor, l1_ratio: Tensor
) -> tuple[Tensor, Tensor]:
    """flat: [M, P]; mask: [P], 1 where it acts; weight, l1_ratio: [M].

    Returns the penalty [M] and its gradient [M, P].
    """
    size, sign = l1(flat, mask, weight * l1_ratio)
    square, pull = l2(flat, mask, weight * (1 - l1_ratio))
    return size + square, sign + pull
