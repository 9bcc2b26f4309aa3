"""Minibatches: how many rows a step sees, in which order, and how often all rows are seen.

    order = n training rows each epoch, end to end:
        shuffled     a fresh permutation each epoch
        fixed        one permutation, every epoch the same
        replacement  n rows drawn independently
        stored       as they are stored
    batch t = rows t*B .. (t+1)*B - 1 of that endless order;   T = ceil(epochs * n / B) steps

A batch may span two epochs, so all batches are full. With replacement an epoch misses a row with
probability (1 - 1/n)^n, about 37 %; in all other orders it sees every row exactly once.

Source: Bottou 2009, "Curiously fast convergence of some stochastic gradient descent
algorithms", on these orders.

Helps: small batches add gradient noise, large ones use the machine better.
Does nothing: above the number of rows, a batch is the whole set, and the order is of no matter
but with replacement.
Conflicts: change batch_size and the learning rate together. Stored is there to be seen failing:
where a table is sorted by its target, the last batches of an epoch undo what the first have
learned.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from shrinkage.ingredient import MemberChoice, Structural, ingredient
from shrinkage.randomness import Draws

Order = Literal["shuffled", "fixed", "replacement", "stored"]


@ingredient
class Minibatch:
    """batch_size: rows a step. epochs: how often every row is seen. order: of the rows."""

    batch_size: Annotated[int, Structural("[1, inf)", 32, 1024, "log", unit="rows")] = 256
    epochs: Annotated[int, Structural("[1, inf)", 20, 200, "log", unit="epochs")] = 100
    order: Annotated[Order, MemberChoice()] = "shuffled"


def total_steps(rows: int, batch_size: int, epochs: int) -> int:
    """Steps of a whole training: ceil(epochs * rows / batch)."""
    return -(-epochs * rows // min(batch_size, rows))


Drawn = dict[tuple[int, int, Order, int], Tensor]
"""The order of an epoch, by (seed, rows, order, epoch)."""


def batch_positions(
    seed: int,
    rows: int,
    batch_size: int,
    step: int,
    count: int,
    order: Order = "shuffled",
    drawn: Drawn | None = None,
) -> Tensor:
    """Positions of the rows of steps step .. step+count-1, int64 [count, B], each in 0..rows-1.

    A pure function of its arguments: any step can be asked for on its own.   drawn: orders that
    were drawn before; those of these epochs are put there, and those of others taken out.
    """
    drawn = {} if drawn is None else drawn
    size = min(batch_size, rows)
    first, last = step * size, (step + count) * size
    epochs = range(first // rows, -(-last // rows))
    for key in [key for key in drawn if key[:3] == (seed, rows, order) and key[3] not in epochs]:
        del drawn[key]
    served = []
    for epoch in epochs:
        key = seed, rows, order, epoch
        if key not in drawn:
            drawn[key] = _epoch(*key)
        served.append(drawn[key][max(0, first - epoch * rows) : last - epoch * rows])
    return torch.cat(served).reshape(count, size)


def _epoch(seed: int, rows: int, order: Order, epoch: int) -> Tensor:
    """The rows of one epoch in the order in which they are served, int64 [rows]."""
    if order == "stored":
        return torch.arange(rows)
    if order == "replacement":
        # In float64, because a product in float32 may be rounded up to `rows` itself.
        return (Draws((seed,), epoch).uniform("order", (rows,))[0].double() * rows).long()
    return Draws((seed,), 0 if order == "fixed" else epoch).permutation("order", rows)[0]
