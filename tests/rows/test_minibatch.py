"""Minibatches: every row once an epoch, in an order that any step can be asked for."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shrinkage.rows.minibatch import batch_positions, total_steps

ROWS, SIZES = st.integers(1, 60), st.integers(1, 80)


@settings(deadline=None, max_examples=60)
@given(ROWS, SIZES, st.integers(1, 4), st.integers(0, 2**40))
def test_every_row_is_seen_once_an_epoch(rows: int, size: int, epochs: int, seed: int) -> None:
    steps = total_steps(rows, size, epochs)
    order = batch_positions(seed, rows, size, 0, steps)
    assert order.shape == (steps, min(size, rows))
    assert order.numel() >= epochs * rows
    assert (steps - 1) * min(size, rows) < epochs * rows  # no step too many
    for epoch in order.flatten()[: epochs * rows].view(epochs, rows):
        assert epoch.sort().values.tolist() == list(range(rows))


@settings(deadline=None, max_examples=60)
@given(ROWS, SIZES, st.integers(0, 40), st.integers(1, 10), st.integers(0, 2**40))
def test_any_steps_can_be_asked_on_their_own(
    rows: int, size: int, step: int, count: int, seed: int
) -> None:
    whole = batch_positions(seed, rows, size, 0, step + count)
    assert torch.equal(batch_positions(seed, rows, size, step, count), whole[step:])
    assert torch.equal(batch_positions(seed, rows, size, step, 1)[0], whole[step])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    one, other = (batch_positions(seed, 50, 50, 0, 3) for seed in (1, 2))
    orders = [*one, *other]
    assert len({tuple(order.tolist()) for order in orders}) == 6
    assert all(order.tolist() != list(range(50)) for order in orders)


def test_a_batch_larger_than_the_table_is_the_whole_table() -> None:
    assert total_steps(10, 256, 7) == 7
    assert batch_positions(0, 10, 256, 3, 1).shape == (1, 10)
