"""Absolute error: its minimizer is the conditional median.

    loss = mean_c |z_c - y_c|

Source: Koenker & Bassett 1978, "Regression Quantiles" (the median); equals torch's L1Loss.

Helps: when the metric is MAE, or targets have heavy tails.
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
