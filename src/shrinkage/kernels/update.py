"""The whole update of a step in one pass over the flat buffers, block by block in cache.

    clip by value, by norm;  decay;  Adam, or SGD with momentum;  the moving average of the weights

Equals `optim.clip`, `optim.decay`, `optim.adam` or `optim.sgd`, and `averaging.ema`, in the step's
order. What a member does not use has its neutral value.

| symbol | meaning | shape |
|---|---|---|
| weights, grad, average | flat buffers; average is empty where there is none | [M, P], or [M, 0] |
| mask | 1 where decay acts | [P] |
| shrink | rate * weight_decay | [M] |
| follow | share of the new weights in the average | [M] |
| limit, bound | clip_norm's and clip_value's, infinite for none | [M] |
"""

from __future__ import annotations

import numpy as np
from numpy import sqrt

from shrinkage.kernels.jit import f32, kernel, summing

_BLOCK = 2048
"""Weights worked on at once: five buffers of them fit the first-level cache."""


@summing
def _norm(x) -> np.float32:
    total = np.float64(0.0)
    for start in range(0, x.shape[0], 1024):
        part = f32(0.0)
        for i in range(start, min(start + 1024, x.shape[0])):
            part += x[i] * x[i]
        total += part
    return f32(sqrt(total))


@kernel
def _clipped(grad, limit, bound) -> None:
    """grad: [P], in place. Comparisons let NaN through."""
    if bound < np.inf:
        for i in range(grad.shape[0]):
            g = grad[i]
            g = bound if g > bound else g
            grad[i] = -bound if g < -bound else g
    if limit < np.inf:
        share = limit / (_norm(grad) + f32(1e-6))
        if not share >= f32(1.0):
            for i in range(grad.shape[0]):
                grad[i] *= share


@kernel
def _stepped(weights, direction, mask, shrink, rate) -> None:
    if shrink == 0:
        for i in range(weights.shape[0]):
            weights[i] -= rate * direction[i]
    else:
        for i in range(weights.shape[0]):
            weights[i] = weights[i] * (f32(1.0) - shrink * mask[i]) - rate * direction[i]


@kernel
def _followed(average, weights, follow) -> None:
    for i in range(average.shape[0]):
        average[i] += follow * (weights[i] - average[i])


@kernel
def adam_of(
    weights, grad, mean, square, average, mask, rate, shrink, follow, limit, bound,
    beta1, beta2, eps, step,
) -> None:  # fmt: skip
    """One member: all buffers [P] change in place, grad too; step counts from 0."""
    direction = np.empty(_BLOCK, np.float32)
    _clipped(grad, limit, bound)
    root = sqrt(f32(1.0) - beta2 ** f32(step + 1))
    scale = root / (f32(1.0) - beta1 ** f32(step + 1))
    least, one, two = eps * root, f32(1.0) - beta1, f32(1.0) - beta2
    for first in range(0, weights.shape[0], _BLOCK):
        last = min(first + _BLOCK, weights.shape[0])
        g, u, v = grad[first:last], mean[first:last], square[first:last]
        d = direction[: last - first]
        for i in range(d.shape[0]):
            u[i] += one * (g[i] - u[i])
        for i in range(d.shape[0]):
            v[i] += two * (g[i] * g[i] - v[i])
        for i in range(d.shape[0]):
            d[i] = scale * u[i] / (sqrt(v[i]) + least)
        _stepped(weights[first:last], d, mask[first:last], shrink, rate)
        if average.shape[0]:
            _followed(average[first:last], weights[first:last], follow)


@kernel
def sgd_of(
    weights, grad, momenta, average, mask, rate, shrink, follow, limit, bound, momentum, nesterov
) -> None:
    """As `adam_of`."""
    _clipped(grad, limit, bound)
    for first in range(0, weights.shape[0], _BLOCK):
        last = min(first + _BLOCK, weights.shape[0])
        g, u, w = grad[first:last], momenta[first:last], weights[first:last]
        for i in range(g.shape[0]):
            u[i] = momentum * u[i] + g[i]
        if nesterov:
            for i in range(g.shape[0]):
                g[i] += momentum * u[i]
        _stepped(w, g if nesterov else u, mask[first:last], shrink, rate)
        if average.shape[0]:
            _followed(average[first:last], w, follow)


@kernel
def adam_update(
    weights, grad, mean, square, average, mask, rate, shrink, follow, limit, bound,
    beta1, beta2, eps, step,
) -> None:  # fmt: skip
    """All members: buffers [M, P], numbers [M]."""
    for m in range(weights.shape[0]):
        adam_of(
            weights[m], grad[m], mean[m], square[m], average[m], mask, rate[m], shrink[m],
            follow[m], limit[m], bound[m], beta1[m], beta2[m], eps[m], step,
        )  # fmt: skip


@kernel
def sgd_update(
    weights, grad, momenta, average, mask, rate, shrink, follow, limit, bound, momentum, nesterov
) -> None:
    """As `adam_update`."""
    for m in range(weights.shape[0]):
        sgd_of(
            weights[m], grad[m], momenta[m], average[m], mask, rate[m], shrink[m], follow[m],
            limit[m], bound[m], momentum[m], nesterov,
        )  # fmt: skip
