"""Mean loss of a batch and its gradient by the network's output, in one pass.

    cross-entropy:  q = (1 - eps) target + eps / C,   l_b = -sum_c q_c log softmax(z_b)_c
    squared error:  l_b = mean_c (z_bc - target_bc)^2
    loss = sum_b weight_b l_b / sum_b weight_b

Equals `losses.label_smoothing`, `losses.cross_entropy` or `losses.squared_error`, and the weighted
mean of the step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from shrinkage.kernels.jit import exp, f32, kernel


@kernel
def cross_entropy_of(output, target, weight, eps, grad) -> np.float32:
    """One member: output, target, grad: [B, C]; weight: [B]. Returns the loss, writes grad."""
    rows, classes = output.shape
    loss, weights = f32(0.0), f32(0.0)
    keep, even = f32(1.0) - eps, eps / f32(classes)
    for b in range(rows):
        weights += weight[b]
    for b in range(rows):
        largest = output[b, 0]
        for c in range(1, classes):
            largest = output[b, c] if output[b, c] > largest else largest
        mass = f32(0.0)
        for c in range(classes):
            grad[b, c] = exp(output[b, c] - largest)
            mass += grad[b, c]
        whole, product = f32(0.0), f32(0.0)
        for c in range(classes):
            q = keep * target[b, c] + even
            whole += q
            product += q * (output[b, c] - largest)
        share = weight[b] / weights
        for c in range(classes):
            grad[b, c] = share * (grad[b, c] / mass * whole - keep * target[b, c] - even)
        loss += share * (whole * np.log(mass) - product)
    return loss


@kernel
def squared_error_of(output, target, weight, grad) -> np.float32:
    """As `cross_entropy_of`, for numbers."""
    rows, numbers = output.shape
    loss, weights = f32(0.0), f32(0.0)
    for b in range(rows):
        weights += weight[b]
    for b in range(rows):
        share = weight[b] / (weights * f32(numbers))
        for c in range(numbers):
            gap = output[b, c] - target[b, c]
            loss += share * gap * gap
            grad[b, c] = f32(2.0) * share * gap
    return loss


@kernel
def _cross_entropy(output, target, weight, eps, loss, grad) -> None:
    for m in range(output.shape[0]):
        loss[m] = cross_entropy_of(output[m], target[m], weight[m], eps[m], grad[m])


@kernel
def _squared_error(output, target, weight, loss, grad) -> None:
    for m in range(output.shape[0]):
        loss[m] = squared_error_of(output[m], target[m], weight[m], grad[m])


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, output, target, weight, eps):
        loss, grad = output.new_empty(len(output)), torch.empty_like(output)
        given = [x.detach().contiguous().numpy() for x in (output, target, weight)]
        made = loss.numpy(), grad.numpy()
        if eps is None:
            _squared_error(*given, *made)
        else:
            _cross_entropy(*given, eps.numpy(), *made)
        ctx.save_for_backward(grad)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        (slopes,) = ctx.saved_tensors
        return slopes * grad[:, None, None], None, None, None


def cross_entropy(output: Tensor, target: Tensor, weight: Tensor, eps: Tensor) -> Tensor:
    """output, target: [M, B, C]; weight: [M, B]; eps: [M], label smoothing. Returns [M]."""
    return _Loss.apply(output, target, weight, eps)  # pyright: ignore


def squared_error(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """As `cross_entropy`, for numbers."""
    return _Loss.apply(output, target, weight, None)  # pyright: ignore
