"""What an ingredient remembers between steps: named buffers, one row a member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Slots = dict[str, Tensor]

Step = int | Tensor
"""The number of a step, from 0; in a captured step a float64 tensor without axes."""

Remember = Callable[..., Slots]
"""(initial weights [M, P], the ingredient's numbers by name) to its slots before step 0."""


def zeros(*names: str) -> Remember:
    """Slots of the weights' shape that start at zero."""

    def remember(weights: Tensor, **numbers: Any) -> Slots:
        return {name: torch.zeros_like(weights) for name in names}

    return remember


def copies(*names: str) -> Remember:
    """Slots that start as the weights."""

    def remember(weights: Tensor, **numbers: Any) -> Slots:
        return {name: weights.clone() for name in names}

    return remember
