"""What follows a matrix product in a hidden layer: bias, norm, activation, dropout, in one pass.

    z = x W,    u = norm(z + b),    y = activation(u) * [draw >= rate] / (1 - rate)

Equals `nets.batch_norm`, `layer_norm`, `group_norm` and `instance_norm` (or no norm), the functions
of `nets.activation` and `nets.dropout`, one after the other. The slope dy/du is kept, so that the
backward pass computes no activation and no draw again.

Batch norm takes the mean off, so the bias ahead of it moves nothing: its gradient is 0, where the
readable functions leave the rounding of a sum.

| symbol | meaning | shape |
|---|---|---|
| z, y, slope | of one member, row after row | [B * H] |
| bias, scale, shift | weights of the layer and its norm | [H] |
| groups | of units of a row that are normalized together; 0: batch norm; -1: no norm | |
| center, spread | batch norm: mean of z and variance of each unit | [H] |
| | norms of rows: mean of z + b and 1 / deviation of each row's groups | [B * G] |
"""

from __future__ import annotations

import numpy as np
import torch
from numpy import empty, float32, sqrt
from torch import Tensor

from shrinkage.kernels.activation import activate
from shrinkage.kernels.jit import f32, kernel, summing
from shrinkage.kernels.noise import Noise, thin

_EPS = f32(1e-5)
_BLOCK = 4096
"""Activations worked on at once: with their slopes they fit the first-level cache."""


@kernel
def sum_rows(x, units, total) -> None:
    """x: [B * H]; total: [H], the sum over rows. Four rows a turn, so that it is loaded less."""
    rows = x.shape[0] // units
    total[:] = 0
    whole = rows - rows % 4
    for b in range(0, whole, 4):
        first, second = b * units, (b + 1) * units
        third, fourth = (b + 2) * units, (b + 3) * units
        for h in range(units):
            total[h] += (x[first + h] + x[second + h]) + (x[third + h] + x[fourth + h])
    for b in range(whole, rows):
        for h in range(units):
            total[h] += x[b * units + h]


@kernel
def _sum_squares(x, units, center, total) -> None:
    """total: [H], the sum over rows of (x - center)^2."""
    rows = x.shape[0] // units
    total[:] = 0
    whole = rows - rows % 4
    for b in range(0, whole, 4):
        first, second = b * units, (b + 1) * units
        third, fourth = (b + 2) * units, (b + 3) * units
        for h in range(units):
            c = center[h]
            p, q = x[first + h] - c, x[second + h] - c
            r, s = x[third + h] - c, x[fourth + h] - c
            total[h] += (p * p + q * q) + (r * r + s * s)
    for b in range(whole, rows):
        for h in range(units):
            p = x[b * units + h] - center[h]
            total[h] += p * p


@kernel
def _sum_products(d, x, units, center, total) -> None:
    """total: [H], the sum over rows of d (x - center)."""
    rows = x.shape[0] // units
    total[:] = 0
    whole = rows - rows % 2
    for b in range(0, whole, 2):
        first, second = b * units, (b + 1) * units
        for h in range(units):
            c = center[h]
            total[h] += d[first + h] * (x[first + h] - c) + d[second + h] * (x[second + h] - c)
    for b in range(whole, rows):
        for h in range(units):
            total[h] += d[b * units + h] * (x[b * units + h] - center[h])


@kernel
def affine(x, gain, rest, y) -> None:
    """x, y: [B * H]; gain, rest: [H]. y = x gain + rest."""
    units = gain.shape[0]
    for start in range(0, x.shape[0], units):
        for h in range(units):
            y[start + h] = x[start + h] * gain[h] + rest[h]


@kernel
def _measured(z, units, bias, scale, shift, center, spread, gain, rest) -> None:
    """Batch norm as y = z gain + rest; center and spread are written."""
    rows = z.shape[0] // units
    sum_rows(z, units, center)
    for h in range(units):
        center[h] /= rows
    _sum_squares(z, units, center, spread)
    for h in range(units):
        spread[h] /= rows
        gain[h] = scale[h] / sqrt(spread[h] + _EPS)
    for h in range(units):
        rest[h] = shift[h] - center[h] * gain[h]


@summing
def _standardized(z, bias, scale, shift, groups, y, center, spread) -> None:
    """Norms of each row's groups of units."""
    units = bias.shape[0]
    length = units // groups
    for part in range(center.shape[0]):
        start, unit = part * length, part % groups * length
        total, square = f32(0.0), f32(0.0)
        for i in range(length):
            y[start + i] = z[start + i] + bias[unit + i]
        for i in range(length):
            total += y[start + i]
        mean = f32(total / length)
        for i in range(length):
            square += (y[start + i] - mean) * (y[start + i] - mean)
        inverse = f32(1.0) / sqrt(f32(square / length) + _EPS)
        for i in range(length):
            y[start + i] = (y[start + i] - mean) * inverse * scale[unit + i] + shift[unit + i]
        center[part], spread[part] = mean, inverse


@kernel
def forward(
    z, bias, scale, shift, groups, code, number, key, threshold, factor, y, slope, center, spread
) -> None:
    """One member: writes y, slope, center and spread."""
    units = bias.shape[0]
    if groups > 0:
        _standardized(z, bias, scale, shift, groups, y, center, spread)
        activate(code, number, y, slope)
        if threshold > 0:
            thin(key, 0, threshold, factor, y, slope)
        return
    gain, rest = empty(units, float32), empty(units, float32)
    if groups == 0:
        _measured(z, units, bias, scale, shift, center, spread, gain, rest)
    else:
        gain[:] = 1
        rest[:] = bias
    block = max(1, _BLOCK // units) * units
    for first in range(0, z.shape[0], block):
        last = min(first + block, z.shape[0])
        affine(z[first:last], gain, rest, y[first:last])
        activate(code, number, y[first:last], slope[first:last])
        if threshold > 0:
            thin(key, first, threshold, factor, y[first:last], slope[first:last])


@summing
def _back_through_rows(
    z, bias, center, spread, scale, groups, to_z, to_bias, to_scale, to_shift
) -> None:
    """The norms of rows; to_z holds the gradient by u and becomes that by z."""
    units = bias.shape[0]
    length = units // groups
    standard = empty(length, float32)
    to_scale[:] = 0
    sum_rows(to_z, units, to_shift)
    for part in range(center.shape[0]):
        start, unit = part * length, part % groups * length
        mean, inverse = center[part], spread[part]
        for i in range(length):
            standard[i] = (z[start + i] + bias[unit + i] - mean) * inverse
        for i in range(length):
            to_scale[unit + i] += to_z[start + i] * standard[i]
        for i in range(length):
            to_z[start + i] *= scale[unit + i]
        total, along = f32(0.0), f32(0.0)
        for i in range(length):
            total += to_z[start + i]
            along += to_z[start + i] * standard[i]
        total, along = f32(total / length), f32(along / length)
        for i in range(length):
            to_z[start + i] = (to_z[start + i] - total - standard[i] * along) * inverse
    sum_rows(to_z, units, to_bias)


@kernel
def backward(
    grad, z, slope, center, spread, bias, scale, groups, to_z, to_bias, to_scale, to_shift
) -> None:
    """One member: writes the gradients by z [B * H], and by bias, scale and shift [H]."""
    units = bias.shape[0]
    rows = z.shape[0] // units
    for i in range(z.shape[0]):
        to_z[i] = grad[i] * slope[i]
    if groups > 0:
        _back_through_rows(
            z, bias, center, spread, scale, groups, to_z, to_bias, to_scale, to_shift
        )
        return
    if groups < 0:
        sum_rows(to_z, units, to_bias)
        return
    inverse, steep, even = empty(units, float32), empty(units, float32), empty(units, float32)
    sum_rows(to_z, units, to_shift)
    _sum_products(to_z, z, units, center, to_scale)
    to_bias[:] = 0
    for h in range(units):
        inverse[h] = f32(1.0) / sqrt(spread[h] + _EPS)
        to_scale[h] *= inverse[h]
        steep[h] = inverse[h] * to_scale[h] / rows
    for h in range(units):
        even[h] = center[h] * steep[h] - to_shift[h] / rows
        inverse[h] *= scale[h]
    for start in range(0, z.shape[0], units):
        for h in range(units):
            to_z[start + h] = (to_z[start + h] + even[h] - z[start + h] * steep[h]) * inverse[h]


@kernel
def _forward_all(
    z, bias, scale, shift, groups, code, number, keys, threshold, factor, y, slope, center, spread
) -> None:
    for m in range(z.shape[0]):
        forward(
            z[m], bias[m], scale[m], shift[m], groups, code, number, keys[m], threshold[m],
            factor[m], y[m], slope[m], center[m], spread[m],
        )  # fmt: skip


@kernel
def _backward_all(
    grad, z, slope, center, spread, bias, scale, groups, to_z, to_bias, to_scale, to_shift
) -> None:
    for m in range(z.shape[0]):
        backward(
            grad[m], z[m], slope[m], center[m], spread[m], bias[m], scale[m], groups, to_z[m],
            to_bias[m], to_scale[m], to_shift[m],
        )  # fmt: skip


def hidden(
    z: Tensor,
    bias: Tensor,
    norm: tuple[Tensor, Tensor, int] | None,
    activation: tuple[int, float],
    noise: Noise,
) -> tuple[Tensor, Tensor, Tensor]:
    """All members, with gradients. z: [M, B, H]; bias: [M, H]; norm: scale and shift [M, H], and
    groups; activation: as `kernels.activation.coded` gives it.

    Returns y [M, B, H], and for batch norm center and spread [M, H].
    """
    scale, shift, groups = (bias, bias, -1) if norm is None else norm
    code, number = activation
    return _Hidden.apply(z, bias, scale, shift, groups, code, f32(number), noise)  # pyright: ignore


class _Hidden(torch.autograd.Function):
    """The kernels by torch's rules."""

    @staticmethod
    def forward(ctx, z, bias, scale, shift, groups, code, number, noise):
        members, rows, units = z.shape
        y, slope = torch.empty_like(z), torch.empty_like(z)
        center, spread = z.new_empty(2, members, rows * groups if groups > 0 else units)
        _forward_all(
            *map(_flat, (z, bias, scale, shift)), groups, code, number, *noise,
            *map(_flat, (y, slope, center, spread)),
        )  # fmt: skip
        ctx.save_for_backward(z, slope, center, spread, bias, scale)
        ctx.groups = groups
        ctx.mark_non_differentiable(center, spread)
        return y, center, spread

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad, *_):
        saved = ctx.saved_tensors
        z, bias = saved[0], saved[4]
        to_z, (to_bias, to_scale, to_shift) = torch.empty_like(z), bias.new_empty(3, *bias.shape)
        _backward_all(
            *map(_flat, (grad, *saved)), ctx.groups,
            *map(_flat, (to_z, to_bias, to_scale, to_shift)),
        )  # fmt: skip
        if ctx.groups < 0:
            to_scale = to_shift = None
        return to_z, to_bias, to_scale, to_shift, None, None, None, None


def _flat(x: Tensor) -> np.ndarray:
    """[M, ...] as an array [M, n], rows one after the other."""
    return x.detach().contiguous().view(len(x), -1).numpy()
