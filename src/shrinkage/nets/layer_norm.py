"""Layer norm: standardize each row over its units, then scale and shift.

    y = gamma (x - mean_H) / sqrt(var_H + 1e-5) + beta

Ba et al. 2016, "Layer Normalization"; equals torch.nn.LayerNorm.

Helps: small batches; nothing is shared between rows, so inference equals training.
Does nothing: to the direction of the activations of a row beyond centring.
Conflicts: few units (width below 16) make its statistics noisy.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from shrinkage.ingredient import ingredient

EPS = 1e-5


@ingredient
class LayerNorm:
    """No hyperparameters."""


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """x: [M, B, H]; scale, shift: [M, H]. Returns [M, B, H]."""
    standardized = functional.layer_norm(x, x.shape[-1:], eps=EPS)
    return torch.addcmul(shift[:, None], standardized, scale[:, None])
