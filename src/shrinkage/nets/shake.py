"""A sum whose gradient is that of another: what shake_shake and shake_drop are made of."""

from __future__ import annotations

from torch import Tensor


def forward_backward(forward: Tensor, backward: Tensor) -> Tensor:
    """The value of `forward` with the gradient of `backward`; exact where the two are equal."""
    return backward + (forward - backward).detach()
