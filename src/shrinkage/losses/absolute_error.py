"""Absolute error: its minimizer is the conditional median.

    loss = mean_c |z_c - y_c|

Source: Koenker & Bassett 1978, "Regression Quantiles" (the median); equals torch's L1Loss.

Helps: when the metric is MAE, or targets have heavy tails.
Measured: 200 rows of a linear function; one target in twenty is off by 20 deviations: rmse 12
without, 5.97 with it (difference -6.02, 95 % -7.19 to -4.85, 20 draws).
Conflicts: its gradient does not shrink near the optimum; let the learning rate fall to 0.
"""

from __future__ import annotations

from torch import Tensor

from shrinkage.ingredient import ingredient


@ingredient
class AbsoluteError:
    """No hyperparameters."""


def absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """output, target: [M, B, C]. Returns one loss a row [M, B]."""
    return (output - target).abs().mean(-1)
