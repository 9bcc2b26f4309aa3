"""Squared error: its minimizer is the conditional mean.

    loss = mean_c (z_c - y_c)^2

Source: Goodfellow et al. 2016, "Deep Learning", section 5.5.1; equals torch's MSELoss.

Helps: when the metric is RMSE or R².
Conflicts: a few wild targets dominate it; see huber and absolute_error.
"""

from __future__ import annotations

from torch import Tensor

from shrinkage.ingredient import ingredient


@ingredient
class SquaredError:
    """No hyperparameters."""


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """output, target: [M, B, C]. Returns one loss a row [M, B]."""
    return (output - target).square().mean(-1)
