"""Activations and their slopes, one row at a time; they equal those of `nets.activation`."""

from __future__ import annotations

from typing import Any

from shrinkage.kernels import ACTIVATIONS
from shrinkage.kernels.jit import exp, f32, inlined, kernel

CODES = {name: code for code, name in enumerate(ACTIVATIONS)}
"""Kernels are given the activation as one of these numbers."""


def coded(name: str, numbers: dict[str, Any]) -> tuple[int, float]:
    """(code, its one number) of an activation."""
    (number,) = numbers.values() or (0.0,)
    return CODES[name], float(number)


@inlined
def _relu(u, number):
    below = u <= f32(0.0)
    return f32(0.0) if below else u, f32(0.0) if below else f32(1.0)


@inlined
def _leaky_relu(u, number):
    slope = number if u <= f32(0.0) else f32(1.0)
    return u * slope, slope


@inlined
def _elu(u, number):
    e = exp(u)
    below = number * (e - f32(1.0))
    # Near zero e^u - 1 loses its digits; its series does not.
    if abs(u) < f32(0.02):
        below = number * u * (f32(1.0) + u * (f32(0.5) + u * f32(1.0 / 6.0)))
    negative = u <= f32(0.0)
    return below if negative else u, number * e if negative else f32(1.0)


@inlined
def _tanh(u, number):
    e = exp(f32(-2.0) * abs(u))
    y = (f32(1.0) - e) / (f32(1.0) + e)
    square = u * u
    if square < f32(0.01):
        y = abs(u) * (f32(1.0) + square * (f32(-1.0 / 3.0) + square * f32(2.0 / 15.0)))
    y = -y if u < f32(0.0) else y
    return y, f32(1.0) - y * y


@inlined
def _sigmoid(u, number):
    y = f32(1.0) / (f32(1.0) + exp(-u))
    return y, y * (f32(1.0) - y)


@inlined
def _gelu(u, number):
    """u Phi(u); Phi by Abramowitz & Stegun 1964, 7.1.26, whose error is below 1.5e-7."""
    size = abs(u) * f32(0.70710678)
    e = exp(-size * size)
    k = f32(1.0) / (f32(1.0) + f32(0.3275911) * size)
    tail = k * f32(1.061405429) + f32(-1.453152027)
    tail = tail * k + f32(1.421413741)
    tail = tail * k + f32(-0.284496736)
    tail = tail * k + f32(0.254829592)
    tail = f32(0.5) * tail * k * e
    phi = f32(1.0) - tail if u > f32(0.0) else tail
    return u * phi, phi + u * e * f32(0.39894228)


@inlined
def _mish(u, number):
    """tanh(log(1 + e^u)) = n / (n + 1), n = e^u + e^2u / 2; from 30 on it is 1."""
    e = exp(f32(30.0) if u > f32(30.0) else u)
    n = e + f32(0.5) * e * e
    inverse = f32(1.0) / (n + f32(1.0))
    gate = n * inverse
    return u * gate, gate + u * (e + e * e) * inverse * inverse


@kernel
def activate(code, number, y, slope):
    """y: [H], in place; slope: [H], written."""
    if code == 0:
        for h in range(y.shape[0]):
            y[h], slope[h] = _relu(y[h], number)
    elif code == 1:
        for h in range(y.shape[0]):
            y[h], slope[h] = _leaky_relu(y[h], number)
    elif code == 2:
        for h in range(y.shape[0]):
            y[h], slope[h] = _elu(y[h], number)
    elif code == 3:
        for h in range(y.shape[0]):
            y[h], slope[h] = _tanh(y[h], number)
    elif code == 4:
        for h in range(y.shape[0]):
            y[h], slope[h] = _sigmoid(y[h], number)
    elif code == 5:
        for h in range(y.shape[0]):
            y[h], slope[h] = _gelu(y[h], number)
    else:
        for h in range(y.shape[0]):
            y[h], slope[h] = _mish(y[h], number)
