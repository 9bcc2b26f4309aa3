"""Dropout within a kernel: the draws of `randomness.Draws`, without storing them.

| symbol | meaning | shape |
|---|---|---|
| keys | the two 32-bit words of each member's stream at a step | uint32 [M, 2] |
| threshold | 2^24 rate, rounded up: a draw of 24 bits that reaches it is kept | [M] |
| factor | 1 / (1 - rate) | [M] |
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from shrinkage.kernels.jit import f32, inlined, kernel
from shrinkage.randomness import Draws

_FIRST, _SECOND = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_15, _16, _8 = np.uint32(15), np.uint32(16), np.uint32(8)


@inlined
def _mix(x):
    """lowbias32, as in `randomness`."""
    x = np.uint32(x ^ (x >> _16))
    x = np.uint32(x * _FIRST)
    x = np.uint32(x ^ (x >> _15))
    x = np.uint32(x * _SECOND)
    return np.uint32(x ^ (x >> _16))


@kernel
def thin(key, at, threshold, factor, y, slope) -> None:
    """Keep y and slope [n], which are activations number `at` and on, or make them 0."""
    first, second = key[0], key[1]
    for i in range(y.shape[0]):
        bits = _mix(np.uint32(_mix(np.uint32(np.uint32(at + i) ^ first)) + second))
        kept = factor if np.int32(bits >> _8) >= threshold else f32(0.0)
        y[i] *= kept
        slope[i] *= kept


class Noise(NamedTuple):
    """See the table above."""

    keys: np.ndarray
    threshold: np.ndarray
    factor: np.ndarray


def noise(draws: Draws, stream: str, rate: Tensor | None) -> Noise:
    """The dropout of a stream; rate: [M], None for none."""
    keys = np.array(draws.keys(stream), np.uint32)[list(draws.sources)]
    return Noise(keys, *thresholds(rate, len(keys)))


def thresholds(rate: Tensor | None, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and factor [M] of each member."""
    if rate is None:
        return np.zeros(members, np.int32), np.ones(members, f32)
    threshold = np.ceil(rate.double().numpy() * 2**24).astype(np.int32)
    return threshold, (1 / (1 - rate)).float().numpy()
