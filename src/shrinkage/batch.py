"""A minibatch of a population: rows for every member.

| symbol | meaning | shape |
|---|---|---|
| inputs | named input arrays of the network | each [M, B, ...] |
| target | class probabilities, or numbers to predict | [M, B, C] |
| weight | how much each row counts in the mean loss | [M, B] |
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    inputs: Inputs
    target: Tensor
    weight: Tensor


def per_member(hyper: Tensor, like: Tensor) -> Tensor:
    """Shape a hyperparameter [M] so that it broadcasts against `like` [M, ...]."""
    return hyper.reshape(-1, *[1] * (like.dim() - 1))
