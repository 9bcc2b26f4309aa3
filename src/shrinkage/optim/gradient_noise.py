"""Gradient noise: add Gaussian noise that fades to every gradient.

    g <- g + sqrt(eta / (1 + t)^gamma) * z,     z ~ N(0, 1),     t counts steps from 0

Neelakantan et al. 2015, "Adding Gradient Noise Improves Learning for Very Deep Networks",
section 3.

Acts after clipping, so its size is what it says.

Helps: deep or badly started networks that get stuck early.
Measured: eta 0.001 and gamma 0.55 on 60 rows of three overlapping classes in 20 columns, both
beside weights that start at zero and tanh: error rate 0.667 without, 0.0625 with it (difference
-0.604, 95 % -0.617 to -0.591, 20 draws).
Does nothing: late in training, once eta / (1 + t)^gamma is far below the batches' own noise.
Conflicts: small batches are noisy already. Adam divides by the gradient's size: weights with
small gradients then take steps of noise alone.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws
from shrinkage.slots import Step


@ingredient
class GradientNoise:
    """eta: variance of the noise at the first step; 0 is the identity. gamma: how fast it fades."""

    eta: Annotated[float, Member("[0, inf)", 1e-6, 1.0, "log", neutral=0.0)] = 0.0
    gamma: Annotated[float, Member("[0, inf)", 0.3, 1.0)] = 0.55


def gradient_noise(grad: Tensor, draws: Draws, step: Step, eta: Tensor, gamma: Tensor) -> Tensor:
    """grad: [M, P]; step counts from 0; eta, gamma: [M]."""
    std = (eta / (1 + step) ** gamma).sqrt()
    z = draws.normal("gradient_noise", (grad.shape[1],)).to(grad.dtype)
    return grad + std[:, None] * z
