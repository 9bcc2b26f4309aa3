"""Minibatches: how many rows a step sees, and how often all rows are seen.

    order = a fresh permutation of the training rows each epoch, end to end
    batch t = rows t*B .. (t+1)*B - 1 of that endless order;   T = ceil(epochs * n / B) steps

Every row is seen exactly once an epoch; a batch may span two epochs, so all batches are full.

Source: Bottou 2009, "Curiously fast convergence of some stochastic gradient descent
algorithms", on fresh permutations.

Helps: small batches add gradient noise, large ones use the machine better.
Does nothing: above the number of rows, a batch is the whole set.
Conflicts: change batch_size and the learning rate together.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Structural, ingredient
from shrinkage.randomness import Draws


@ingredient
class Minibatch:
    """batch_size: rows a step. epochs: how often every row is seen."""

    batch_size: Annotated[int, Structural("[1, inf)", 32, 1024, "log", unit="rows")] = 256
    epochs: Annotated[int, Structural("[1, inf)", 20, 200, "log", unit="epochs")] = 100


def total_steps(rows: int, batch_size: int, epochs: int) -> int:
    """Steps of a whole training: ceil(epochs * rows / batch)."""
    return -(-epochs * rows // min(batch_size, rows))


def batch_positions(seed: int, rows: int, batch_size: int, step: int, count: int) -> Tensor:
    """Positions of the rows of steps step .. step+count-1, int64 [count, B], each in 0..rows-1.

    A pure function of its arguments: any step can be asked for on its own.
    """
    size = min(batch_size, rows)
    first, last = step * size, (step + count) * size
    epochs = range(first // rows, -(-last // rows))
    order = torch.cat([Draws((seed,), epoch).permutation("order", rows)[0] for epoch in epochs])
    start = first - epochs.start * rows
    return order[start : start + count * size].reshape(count, size)
