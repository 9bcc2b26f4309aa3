"""Instance norm: standardize each channel of each row over its positions, then scale and shift.

    y = gamma_c (x - mean_c) / sqrt(var_c + 1e-5) + beta_c,    c the channel

Ulyanov et al. 2016, "Instance Normalization"; equals torch.nn.InstanceNorm1d(affine=True).
Differs from the paper: an image's channel spreads over pixels, a unit of a table's network over
nothing, and the norm of one number is always zero. So a layer of H units is read as H / L
channels of L = `positions` units side by side. Where `positions` does not divide the width, the
next larger L that does takes its place.

Helps: signals, whose neighbouring units are positions of one channel.
Does nothing: that group norm with H / L groups does not, but for its scale and shift: one a
channel here, one a unit there.
Conflicts: few positions lose what tells rows apart; a table's units have no neighbours.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from shrinkage.ingredient import Structural, ingredient

EPS = 1e-5


@ingredient
class InstanceNorm:
    """positions: units of a layer that make one channel."""

    positions: Annotated[int, Structural("[2, 65536]", 4, 64, "log", unit="units")] = 16


def channels_within(positions: int, width: int) -> int:
    """Channels of a layer of this width: of the fewest units, from `positions` on, that fit."""
    fitting = (length for length in range(min(positions, width), width + 1) if width % length == 0)
    return width // next(fitting)


def instance_norm(x: Tensor, scale: Tensor, shift: Tensor, positions: int) -> Tensor:
    """x: [M, B, H]; scale, shift: [M, H / L], L units a channel. Returns [M, B, H]."""
    channels = x.unflatten(-1, (channels_within(positions, x.shape[-1]), -1))
    standardized = functional.layer_norm(channels, channels.shape[-1:], eps=EPS)
    scale, shift = scale[:, None, :, None], shift[:, None, :, None]
    return torch.addcmul(shift, standardized, scale).flatten(-2)
