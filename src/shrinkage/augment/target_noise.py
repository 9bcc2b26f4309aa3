"""Target noise: add Gaussian noise to the numbers a network learns to predict.

    y <- y + std * z,    z ~ N(0, 1), anew for each row and step

An 1996, "The Effects of Adding Noise During Backpropagation Training on a Generalization
Performance".

Under squared error the expected gradient is that of the clean targets: the noise only adds
variance to each step, as a smaller batch does. Other losses have another minimizer.

Helps: long training on few rows, together with a rate that falls.
Measured: std 0.5 on 100 rows, 8 columns, a smooth function and as much noise as signal: rmse 1.05
without, 0.993 with it (difference -0.0534, 95 % -0.0696 to -0.0372, 20 draws).
Does nothing: to classes; see label_noise. Over many steps at a small rate it averages out.
Conflicts: a small batch or a large rate is noise already; under huber or absolute_error it
widens what counts as a small residual.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from torch import Tensor

from shrinkage.batch import Batch, per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class TargetNoise:
    """std: deviation of the noise, in deviations of the target; 0 is the identity."""

    std: Annotated[
        float,
        Member("[0, inf)", 0.003, 0.3, "log", neutral=0.0, unit="standard deviations"),
    ] = 0.0


def target_noise(batch: Batch, draws: Draws, std: Tensor) -> Batch:
    """Add noise to the target [M, B, C], which is standardized; std: [M]."""
    y = batch.target
    z = draws.normal("target_noise", tuple(y.shape[1:])).to(y.dtype)
    return replace(batch, target=y + per_member(std, y) * z)
