"""What follows a matrix product in a hidden layer: bias, norm, activation, dropout, in one pass.

    z = x W,    u = norm(z + b),    y = activation(u) * [draw >= rate] / (1 - rate)

Equals `nets.batch_norm`, `layer_norm`, `group_norm` and `instance_norm` (or no norm), the functions
of `nets.activation` and `nets.dropout`, one after the other. The slope dy/du is kept, so that the
backward pass computes no activation and no draw again.

Batch norm takes the mean off, so the bias ahead of it moves nothing: its gradient is 0, where the
readable functions leave the rounding of a sum.

| symbol | meaning | shape |
|---|---|---|
| z, y, slope | of one member | [B, H] |
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
def add_rows(x, total) -> None:
    """total: [H], plus the sum over the rows of x. Four rows a turn: it is loaded less."""
    rows, units = x.shape
    whole = rows - rows % 4
    for b in range(0, whole, 4):
        for h in range(units):
            total[h] += (x[b, h] + x[b + 1, h]) + (x[b + 2, h] + x[b + 3, h])
    for b in range(whole, rows):
        for h in range(units):
            total[h] += x[b, h]


@kernel
def _add_moments(x, pilot, total, square) -> None:
    """total, square: [H], plus the sums over rows of x - pilot and of its square."""
    rows, units = x.shape
    whole = rows - rows % 4
    for b in range(0, whole, 4):
        for h in range(units):
            c = pilot[h]
            p, q, r, s = x[b, h] - c, x[b + 1, h] - c, x[b + 2, h] - c, x[b + 3, h] - c
            total[h] += (p + q) + (r + s)
            square[h] += (p * p + q * q) + (r * r + s * s)
    for b in range(whole, rows):
        for h in range(units):
            p = x[b, h] - pilot[h]
            total[h] += p
            square[h] += p * p


@kernel
def _add_products(d, x, center, total) -> None:
    """total: [H], plus the sum over rows of d (x - center)."""
    rows, units = x.shape
    whole = rows - rows % 2
    for b in range(0, whole, 2):
        for h in range(units):
            c = center[h]
            total[h] += d[b, h] * (x[b, h] - c) + d[b + 1, h] * (x[b + 1, h] - c)
    for b in range(whole, rows):
        for h in range(units):
            total[h] += d[b, h] * (x[b, h] - center[h])


@kernel
def affine(x, gain, rest, y) -> None:
    """y = x gain + rest."""
    for b in range(x.shape[0]):
        for h in range(x.shape[1]):
            y[b, h] = x[b, h] * gain[h] + rest[h]


@kernel
def _measured(z, scale, shift, center, spread, gain, rest) -> None:
    """Batch norm as y = z gain + rest; center and spread are written.

    One pass: squares are of distances to the first row. However far that lies from the mean, its
    own square is among them, so at most log10(B) digits of the variance are lost.
    """
    rows, pilot = f32(z.shape[0]), z[0]
    center[:] = 0
    spread[:] = 0
    _add_moments(z, pilot, center, spread)
    for h in range(z.shape[1]):
        center[h] /= rows
    for h in range(z.shape[1]):
        spread[h] = spread[h] / rows - center[h] * center[h]
    for h in range(z.shape[1]):
        spread[h] = f32(0.0) if spread[h] < f32(0.0) else spread[h]
        center[h] += pilot[h]
    for h in range(z.shape[1]):
        gain[h] = scale[h] / sqrt(spread[h] + _EPS)
    for h in range(z.shape[1]):
        rest[h] = shift[h] - center[h] * gain[h]


@summing
def _standardized(z, bias, scale, shift, y, center, spread) -> None:
    """Norms of each row's groups of units; center, spread: [B, G]."""
    rows, groups = center.shape
    length = z.shape[1] // groups
    for b in range(rows):
        for k in range(groups):
            first, last = k * length, (k + 1) * length
            row, out, own = z[b, first:last], y[b, first:last], bias[first:last]
            gain, rest = scale[first:last], shift[first:last]
            total, square = f32(0.0), f32(0.0)
            for i in range(length):
                out[i] = row[i] + own[i]
            for i in range(length):
                total += out[i]
            mean = f32(total / f32(length))
            for i in range(length):
                square += (out[i] - mean) * (out[i] - mean)
            inverse = f32(1.0) / sqrt(f32(square / f32(length)) + _EPS)
            for i in range(length):
                out[i] = (out[i] - mean) * inverse * gain[i] + rest[i]
            center[b, k], spread[b, k] = mean, inverse


@kernel
def forward(
    z, bias, scale, shift, groups, code, number, key, threshold, factor, y, slope, center, spread
) -> None:
    """One member: writes y, slope, center and spread."""
    rows, units = z.shape
    if groups > 0:
        parts = center.reshape(rows, groups), spread.reshape(rows, groups)
        _standardized(z, bias, scale, shift, y, parts[0], parts[1])
        activate(code, number, y.reshape(-1), slope.reshape(-1))
        if threshold > 0:
            thin(key, 0, threshold, factor, y.reshape(-1), slope.reshape(-1))
        return
    gain, rest = empty(units, float32), empty(units, float32)
    if groups == 0:
        _measured(z, scale, shift, center, spread, gain, rest)
    else:
        for h in range(units):
            gain[h], rest[h] = f32(1.0), bias[h]
    block = max(1, _BLOCK // units)
    for first in range(0, rows, block):
        last = min(first + block, rows)
        out, steep = y[first:last].reshape(-1), slope[first:last].reshape(-1)
        affine(z[first:last], gain, rest, y[first:last])
        activate(code, number, out, steep)
        if threshold > 0:
            thin(key, first * units, threshold, factor, out, steep)


@kernel
def infer(
    z, bias, scale, shift, mean, variance, groups, code, number, y, slope, center, spread
) -> None:
    """One member as it predicts: by batch norm's running statistics [H], and without dropout.

    Writes y; slope, center and spread are scratch, as in `forward`.
    """
    rows, units = z.shape
    if groups > 0:
        parts = center.reshape(rows, groups), spread.reshape(rows, groups)
        _standardized(z, bias, scale, shift, y, parts[0], parts[1])
    else:
        gain, rest = empty(units, float32), empty(units, float32)
        for h in range(units):
            gain[h], rest[h] = f32(1.0), bias[h]
        if groups == 0:
            for h in range(units):
                gain[h] = scale[h] / sqrt(variance[h] + _EPS)
            for h in range(units):
                rest[h] = shift[h] + (bias[h] - mean[h]) * gain[h]
        affine(z, gain, rest, y)
    activate(code, number, y.reshape(-1), slope.reshape(-1))


@summing
def _back_through_rows(z, bias, center, spread, scale, to_z, to_bias, to_scale, to_shift) -> None:
    """The norms of rows; to_z holds the gradient by u and becomes that by z."""
    rows, groups = center.shape
    length = z.shape[1] // groups
    standard = empty(length, float32)
    add_rows(to_z, to_shift)
    for b in range(rows):
        for k in range(groups):
            first, last = k * length, (k + 1) * length
            row, d, own = z[b, first:last], to_z[b, first:last], bias[first:last]
            gain, along_all = scale[first:last], to_scale[first:last]
            mean, inverse = center[b, k], spread[b, k]
            for i in range(length):
                standard[i] = (row[i] + own[i] - mean) * inverse
            for i in range(length):
                along_all[i] += d[i] * standard[i]
            for i in range(length):
                d[i] *= gain[i]
            total, along = f32(0.0), f32(0.0)
            for i in range(length):
                total += d[i]
                along += d[i] * standard[i]
            total, along = f32(total / f32(length)), f32(along / f32(length))
            for i in range(length):
                d[i] = (d[i] - total - standard[i] * along) * inverse
    add_rows(to_z, to_bias)


@kernel
def _product(x, y, out) -> None:
    for i in range(out.shape[0]):
        out[i] = x[i] * y[i]


@kernel
def backward(
    grad, z, slope, center, spread, bias, scale, groups, to_z, to_bias, to_scale, to_shift
) -> None:
    """One member: writes the gradients by z [B, H], and by bias, scale and shift [H]."""
    rows, units = z.shape
    to_bias[:] = 0
    if groups >= 0:
        to_shift[:] = 0
        to_scale[:] = 0
    if groups > 0:
        _product(grad.reshape(-1), slope.reshape(-1), to_z.reshape(-1))
        parts = center.reshape(rows, groups), spread.reshape(rows, groups)
        _back_through_rows(z, bias, parts[0], parts[1], scale, to_z, to_bias, to_scale, to_shift)
        return
    block = max(1, _BLOCK // units)
    for first in range(0, rows, block):
        last = min(first + block, rows)
        g, s, d = grad[first:last], slope[first:last], to_z[first:last]
        _product(g.reshape(-1), s.reshape(-1), d.reshape(-1))
        if groups < 0:
            add_rows(d, to_bias)
        else:
            add_rows(d, to_shift)
            _add_products(d, z[first:last], center, to_scale)
    if groups < 0:
        return
    inverse, steep, even = empty(units, float32), empty(units, float32), empty(units, float32)
    for h in range(units):
        inverse[h] = f32(1.0) / sqrt(spread[h] + _EPS)
    for h in range(units):
        to_scale[h] *= inverse[h]
    for h in range(units):
        steep[h] = inverse[h] * to_scale[h] / f32(rows)
    for h in range(units):
        even[h] = center[h] * steep[h] - to_shift[h] / f32(rows)
    for h in range(units):
        inverse[h] *= scale[h]
    for b in range(rows):
        for h in range(units):
            to_z[b, h] = (to_z[b, h] + even[h] - z[b, h] * steep[h]) * inverse[h]


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
            *map(_array, (z, bias, scale, shift)), groups, code, number, *noise,
            *map(_array, (y, slope, center, spread)),
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
            *map(_array, (grad, *saved)), ctx.groups,
            *map(_array, (to_z, to_bias, to_scale, to_shift)),
        )  # fmt: skip
        if ctx.groups < 0:
            to_scale = to_shift = None
        return to_z, to_bias, to_scale, to_shift, None, None, None, None


def _array(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().numpy()
