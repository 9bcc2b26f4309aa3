"""Fused CPU kernels: what stands between the matrix products, in one pass and in cache.

Each file holds one kernel, compiled by Numba, and says which readable torch functions it equals;
`tests/kernels` steps both with random input. Without Numba, on a GPU, in float64 and for what no
kernel knows, the torch functions run; `SHRINKAGE_KERNELS=off` asks for them everywhere.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor


@cache
def available() -> bool:
    """Whether Numba is installed and not switched off."""
    return os.environ.get("SHRINKAGE_KERNELS", "") != "off" and find_spec("numba") is not None


def usable(x: Tensor) -> bool:
    """Whether kernels can take this tensor."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and available()
