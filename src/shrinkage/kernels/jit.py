"""How kernels are compiled, and the exponential they share.

Kernels keep NaN: a member that diverges must be seen to. So min and max are spelled out as
comparisons that let it through, and of fast math only the fusing of products and sums is on.
Loops touch few arrays and index them by loop counters alone (`x[b, h]`, or a slice's `row[h]`, but
not `x[b * units + h]`, whose sign LLVM would have to prove): only then do they become vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

from shrinkage.kernels import folder

f32, i32 = np.float32, np.int32

Function = Callable[..., Any]


def kernel(function: Function) -> Any:
    """Compiled when it is first called, once a machine, and kept on disk."""
    with _kept():
        return numba.njit(cache=True, fastmath={"contract"}, **_COMMON)(function)


def summing(function: Function) -> Any:
    """As `kernel`; sums along a row may change their order, so that they become vectors."""
    with _kept():
        return numba.njit(cache=True, fastmath={"contract", "reassoc"}, **_COMMON)(function)


def inlined(function: Function) -> Any:
    """A part of kernels."""
    return numba.njit(inline="always", fastmath={"contract"}, **_COMMON)(function)


_COMMON = {"nogil": True, "error_model": "numpy"}


@contextmanager
def _kept():
    """Kernels are kept by the contents of all these files.

    Numba by itself looks at the file of a function alone, and would go on with the old form of
    another that it calls.
    """
    before = numba.config.CACHE_DIR  # pyright: ignore
    numba.config.CACHE_DIR = str(folder() or before)  # pyright: ignore
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before  # pyright: ignore


_LOG2E = f32(1.44269504)
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)
_ROUND = f32(12582912.0)
"""1.5 * 2^23: adding it leaves an integer in the low bits."""


@inlined
def exp(x):
    """e^x in float32, two units in the last place; within [-87, 88], as far as floats go.

    x = n ln 2 + r, |r| <= ln 2 / 2;  e^x = 2^n e^r, e^r by the polynomial of Cephes' expf.
    """
    x = f32(-87.0) if x < f32(-87.0) else x
    x = f32(88.0) if x > f32(88.0) else x
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    p = p * r * r + r + f32(1.0)
    bits = i32((f32(shifted).view(np.int32) << i32(23)) + i32(0x3F800000))
    return p * i32(bits).view(np.float32)


@inlined
def _sine_of_quarter(x):
    """sin(2 pi x) for |x| <= 1/4, by its series up to x^11; error below 1e-7."""
    x = x * f32(6.2831853)
    s = x * x
    p = f32(-2.5052108e-8) * s + f32(2.7557319e-6)
    p = p * s + f32(-1.9841270e-4)
    p = p * s + f32(8.3333333e-3)
    p = p * s + f32(-0.16666667)
    return x + x * s * p


@inlined
def cosine(turns):
    """cos(2 pi turns): exact whole turns off, then the quarter that it is the sine of."""
    shifted = f32(turns + _ROUND)
    rest = turns - (shifted - _ROUND)
    return _sine_of_quarter(f32(0.25) - abs(rest))
