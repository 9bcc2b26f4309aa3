"""Minibatches: which rows an epoch sees, in an order that any step can be asked for."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from population.samples import cohort_of, table, trained
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.population.serve import served
from shrinkage.recipe import Recipe
from shrinkage.rows import minibatch
from shrinkage.rows.minibatch import Minibatch, Order, batch_positions, total_steps

ROWS, SIZES = st.integers(1, 60), st.integers(1, 80)
ORDERS: tuple[Order, ...] = get_args(Order)
EVERY_ROW = [order for order in ORDERS if order != "replacement"]

each_order = pytest.mark.parametrize("order", ORDERS)


@pytest.mark.parametrize("kind", EVERY_ROW)
@settings(deadline=None, max_examples=60)
@given(ROWS, SIZES, st.integers(1, 4), st.integers(0, 2**40))
def test_every_row_is_seen_once_an_epoch(
    kind: Order, rows: int, size: int, epochs: int, seed: int
) -> None:
    steps = total_steps(rows, size, epochs)
    order = batch_positions(seed, rows, size, 0, steps, kind)
    assert order.shape == (steps, min(size, rows))
    assert order.numel() >= epochs * rows
    assert (steps - 1) * min(size, rows) < epochs * rows  # no step too many
    for epoch in order.flatten()[: epochs * rows].view(epochs, rows):
        assert epoch.sort().values.tolist() == list(range(rows))


@each_order
@settings(deadline=None, max_examples=60)
@given(ROWS, SIZES, st.integers(0, 40), st.integers(1, 10), st.integers(0, 2**40))
def test_any_steps_can_be_asked_on_their_own(
    order: Order, rows: int, size: int, step: int, count: int, seed: int
) -> None:
    whole = batch_positions(seed, rows, size, 0, step + count, order)
    assert torch.equal(batch_positions(seed, rows, size, step, count, order), whole[step:])
    assert torch.equal(batch_positions(seed, rows, size, step, 1, order)[0], whole[step])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    one, other = (batch_positions(seed, 50, 50, 0, 3) for seed in (1, 2))
    orders = [*one, *other]
    assert len({tuple(order.tolist()) for order in orders}) == 6
    assert all(order.tolist() != list(range(50)) for order in orders)


def _epochs(order: Order, seed: int = 3, rows: int = 50, epochs: int = 4) -> torch.Tensor:
    """Whole epochs, one a row; batches of 20 span two of them."""
    steps = total_steps(rows, 20, epochs)
    return (
        batch_positions(seed, rows, 20, 0, steps, order).flatten()[: epochs * rows].view(-1, rows)
    )


def test_orders_are_what_their_names_say() -> None:
    one, *others = _epochs("fixed")
    assert all(torch.equal(one, other) for other in others)
    assert torch.equal(one, _epochs("shuffled")[0])
    assert not torch.equal(one, _epochs("fixed", seed=4)[0])
    assert (_epochs("stored") == torch.arange(50)).all()
    assert len({tuple(epoch.tolist()) for epoch in _epochs("shuffled")}) == 4


def test_with_replacement_rows_are_drawn_uniformly_and_independently() -> None:
    """10 rows, 4000 epochs: each row 4000 times, each pair of neighbours 400 times."""
    drawn = _epochs("replacement", rows=10, epochs=4000).flatten()
    counts = torch.bincount(drawn, minlength=10)
    assert len(counts) == 10
    assert ((counts - 4000).abs() < 5 * (40000 * 0.1 * 0.9) ** 0.5).all()
    pairs = torch.bincount(10 * drawn[:-1] + drawn[1:], minlength=100)
    assert ((pairs - 400).abs() < 5 * (40000 * 0.01 * 0.99) ** 0.5).all()
    missed = [1 - len(epoch.unique()) / 10 for epoch in drawn.view(4000, 10)]
    assert sum(missed) / 4000 == pytest.approx(0.9**10, abs=0.01)


@pytest.mark.parametrize("rows", [1, 3, 10**6])
def test_with_replacement_no_row_beyond_the_last_is_drawn(rows: int) -> None:
    drawn = batch_positions(0, rows, rows, 0, 1, "replacement")
    assert drawn.min() >= 0
    assert drawn.max() < rows


def test_members_of_different_orders_share_a_population() -> None:
    def recipe(order: Order) -> Recipe:
        rows = Minibatch(batch_size=16, epochs=5, order=order)
        return Recipe(rows, Mlp(width=4), Adam(lr=0.03)).for_task("classification")

    members = [Member(recipe(order)) for order in ORDERS]
    together = trained(cohort_of(members, table(rows=50)), 15).state.weights
    for i, member in enumerate(members):
        alone = trained(cohort_of([member], table(rows=50)), 15).state.weights[0]
        torch.testing.assert_close(together[i], alone, rtol=0, atol=1e-10)
    assert torch.cdist(together, together).fill_diagonal_(torch.inf).min() > 1e-3


def test_a_batch_larger_than_the_table_is_the_whole_table() -> None:
    assert total_steps(10, 256, 7) == 7
    assert batch_positions(0, 10, 256, 3, 1).shape == (1, 10)


def test_an_epoch_is_drawn_once_for_all_that_ask_for_its_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight seeds in two epochs, some steps at a time; what is over is let go of."""
    drawn, real = [], minibatch._epoch

    def epoch(*asked: object) -> torch.Tensor:
        drawn.append(asked)
        return real(*asked)  # pyright: ignore

    monkeypatch.setattr(minibatch, "_epoch", epoch)
    recipe = Recipe(Minibatch(batch_size=16, epochs=5), Mlp(width=4)).for_task("classification")
    cohort = cohort_of([Member(recipe, seed=seed) for seed in range(8)], table(rows=50))
    calls = [served(cohort, first, 1) for first in range(6)]
    assert len(drawn) == len(set(drawn)) == 2 * 8
    assert {key[3] for key in cohort.drawn} == {1}
    monkeypatch.undo()
    assert torch.equal(torch.cat(calls), served(cohort, 0, 6))
