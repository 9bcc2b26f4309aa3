"""A minibatch of a population: rows for every member.

| symbol | meaning | shape |
|---|---|---|
| inputs | named input arrays of the network | each [M, B, ...] |
| target | class probabilities, or numbers to predict | [M, B, C] |
| weight | how much each row counts in the mean loss | [M, B] |
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    inputs: Inputs
    target: Tensor
    weight: Tensor


def one_network_each(output: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
    """Outputs [M, B, k, C] of k networks in one as [M, B * k, C], each with the row's target.

    So their mean loss is the mean of each network's own. Outputs [M, B, C] stay as they are.
    """
    if output.dim() == batch.target.dim():
        return output, batch
    k = output.shape[2]
    target, weight = (x.repeat_interleave(k, 1) for x in (batch.target, batch.weight))
    return output.flatten(1, 2), Batch(batch.inputs, target, weight)


def one_hot(codes: Tensor, classes: int, dtype: torch.dtype) -> Tensor:
    """codes: whole numbers [...]. Returns [..., classes], 1 at the code; asks no device to wait."""
    return (codes[..., None] == torch.arange(classes, device=codes.device)).to(dtype)


def per_member(hyper: Tensor, like: Tensor) -> Tensor:
    """Shape a hyperparameter [M] so that it broadcasts against `like` [M, ...]."""
    return hyper.reshape(-1, *[1] * (like.dim() - 1))
