"""Whole numbers on a device, made once: a copy to a GPU waits for it, and a graph can hold none."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def constant(numbers: tuple[int, ...], device: torch.device | str) -> Tensor:
    """The numbers as int64 [n], the same tensor at every call: read it, never write to it."""
    return torch.tensor(numbers, dtype=torch.int64, device=device)
