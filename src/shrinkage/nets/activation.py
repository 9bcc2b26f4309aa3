"""Activations: what makes a network more than one linear map.

Source: Goodfellow et al. 2016, "Deep Learning", section 6.3, unless a class names another.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from shrinkage.ingredient import Structural, ingredient


@ingredient
class Relu:
    """Rectified linear unit.

        y = max(x, 0)

    Source: Nair & Hinton 2010.
    Helps: cheap, no saturation above zero.
    Conflicts: a unit whose input is always negative is dead: no gradient reaches it.
    """


@ingredient
class LeakyRelu:
    """Leaky rectified linear unit: a small slope below zero keeps gradients alive.

        y = max(slope * x, x),    0 <= slope < 1

    slope: the slope below zero.

    Source: Maas et al. 2013.
    Helps: deep networks with dead units.
    Does nothing: slope 0 is ReLU.
    """

    slope: Annotated[float, Structural("[0, 1)", 0.001, 0.3, "log")] = 0.01


@ingredient
class Elu:
    """Exponential linear unit: smooth, and negative values keep the mean near zero.

        y = x where x > 0,   alpha (e^x - 1) elsewhere

    alpha: the value reached at minus infinity, with its sign changed.

    Source: Clevert et al. 2016.
    Helps: networks without normalization.
    """

    alpha: Annotated[float, Structural("(0, inf)", 0.1, 2.0, "log")] = 1.0


@ingredient
class Tanh:
    """Hyperbolic tangent.

        y = (1 - e^(-2x)) / (1 + e^(-2x))

    Source: LeCun et al. 1998, "Efficient BackProp".
    Helps: smooth targets, small networks.
    Conflicts: saturates for large inputs; Kaiming initialization is too large for it.
    """


@ingredient
class Sigmoid:
    """Logistic sigmoid.

        y = 1 / (1 + e^(-x))

    Source: Rumelhart et al. 1986.
    Helps: gates; as a hidden activation mostly of historical interest.
    Conflicts: saturates, and its outputs are not centred; deep networks train slowly.
    """


@ingredient
class Gelu:
    """Gaussian error linear unit.

        y = x Phi(x),    Phi the standard normal distribution function

    Source: Hendrycks & Gimpel 2016.
    Helps: a smooth ReLU, common in transformers.
    """


@ingredient
class Mish:
    """Mish: smooth, not monotone near zero.

        y = x tanh(log(1 + e^x))

    Source: Misra 2019; RealMLP's choice for regression (Holzmüller et al. 2024).
    Helps: smooth targets.
    Conflicts: costs several times a ReLU.
    """


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    return functional.leaky_relu(x, slope)


def elu(x: Tensor, alpha: float) -> Tensor:
    return functional.elu(x, alpha)


def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


def gelu(x: Tensor) -> Tensor:
    return functional.gelu(x)


def mish(x: Tensor) -> Tensor:
    return _Mish.apply(x)  # pyright: ignore


class _Mish(torch.autograd.Function):
    """torch's mish, three times faster, by tanh(log(1 + e^x)) = n / (n + 1), n = e^x + e^2x / 2.

    y' = n / (n + 1) + x e^x (e^x + 1) / (n + 1)^2;    from x = 30 on, n / (n + 1) is 1.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        e = x.clamp(max=30).exp_()
        n = torch.addcmul(e, e, e, value=0.5)
        inverse = (n + 1).reciprocal_()
        gate = n.mul_(inverse)
        slope = e.addcmul_(e, e).mul_(inverse).mul_(inverse).mul_(x).add_(gate)
        ctx.save_for_backward(x, slope)
        return gate.mul_(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        x, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted
            return _by_torch(x, grad)
        return grad * slope


def _by_torch(x: Tensor, grad: Tensor) -> Tensor:
    return torch.autograd.grad(functional.mish(x), x, grad, create_graph=True)[0]
