"""Input noise: add Gaussian noise to the numbers a network sees in training.

    x <- x + std * z,    z ~ N(0, 1)

For a linear model of one output with squared error it equals an L2 penalty of weight
2 std^2 on the weights (Bishop 1995, "Training with noise is equivalent to Tikhonov
regularization").

A scaled unit is a standard deviation under `standard` and `quantile`, the distance between the
quartiles (1.35 standard deviations of a normal column) under `robust` and `ranked`.

Helps: numeric columns measured with error, few rows.
Measured: std 0.5 on 120 rows, 60 columns of which 3 matter, a number to predict, some noise: rmse
1.4 without, 1.23 with it (difference -0.171, 95 % -0.23 to -0.113, 20 draws).
Does nothing: on category codes; on columns whose scale dwarfs it (scale the inputs first).
Conflicts: batch norm in the first layer partly absorbs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from torch import Tensor

from shrinkage.batch import Batch, per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class InputNoise:
    """std: standard deviation of the noise, in scaled units; 0 is the identity."""

    std: Annotated[
        float,
        Member("[0, inf)", 0.003, 0.3, "log", neutral=0.0, unit="scaled units"),
    ] = 0.0


def input_noise(batch: Batch, draws: Draws, std: Tensor) -> Batch:
    """Add noise to every floating input [M, B, ...]; std: [M]. Integer inputs pass unchanged."""
    inputs = dict(batch.inputs)
    for name, x in inputs.items():
        if x.is_floating_point():
            z = draws.normal(f"input_noise.{name}", tuple(x.shape[1:])).to(x.dtype)
            inputs[name] = x + per_member(std, x) * z
    return replace(batch, inputs=inputs)
