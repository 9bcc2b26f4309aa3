"""Cross-entropy between target probabilities and the softmax of the output.

    loss = -sum_c q_c log softmax(z)_c

Source: Goodfellow et al. 2016, "Deep Learning", section 6.2.2; equals torch's CrossEntropyLoss.

Helps: classification; it is a proper score, so the probabilities mean something.
Conflicts: on separable data it pushes weights to infinity; decay, label smoothing or early
stopping hold them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shrinkage.ingredient import ingredient


@ingredient
class CrossEntropy:
    """No hyperparameters."""


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """output, target: [M, B, C]; target rows sum to 1. Returns one loss a row [M, B]."""
    return -(target * torch.log_softmax(output, dim=-1)).sum(-1)
