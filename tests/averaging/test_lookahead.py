"""Lookahead: its equation, its limit, and a population against a loop written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from population.samples import cohort_of, stepped, table, trained
from shrinkage.averaging.lookahead import Lookahead, lookahead, slow_weights
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

K, ALPHA = [1, 5, 7, 4], [0.5, 0.5, 0.9, 1.0]
NUMBERS = tuple(torch.tensor(x, dtype=torch.float64) for x in (K, ALPHA))


def _moves(steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(steps, 4, 6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("member", range(4))
def test_weights_follow_the_equation_step_by_step(member: int) -> None:
    weights = torch.ones(4, 6, dtype=torch.float64)
    slots, fast, slow = {"slow": weights.clone()}, weights[member], weights[member]
    for t, move in enumerate(_moves(60)):
        weights, slots = lookahead(weights + move, slots, t, *NUMBERS)
        fast = fast + move[member]
        if (t + 1) % K[member] == 0:
            slow = slow + ALPHA[member] * (fast - slow)
            fast = slow
        torch.testing.assert_close(weights[member], fast, rtol=0, atol=1e-12)
        shown = slow_weights(weights, slots, *NUMBERS)[member]
        expected = fast if ALPHA[member] == 1 else slow
        torch.testing.assert_close(shown, expected, rtol=0, atol=1e-12)


def test_alpha_one_is_the_identity_bit_for_bit() -> None:
    weights = torch.ones(4, 6, dtype=torch.float64)
    slots, plain = {"slow": weights.clone()}, weights[3]
    for t, move in enumerate(_moves(30)):
        weights, slots = lookahead(weights + move, slots, t, *NUMBERS)
        plain = plain + move[3]
        assert torch.equal(weights[3], plain)
        assert torch.equal(slow_weights(weights, slots, *NUMBERS)[3], plain)


FIXED = (Minibatch(batch_size=20, epochs=20), Mlp(width=6), Adam(lr=0.03))
PLAIN = Recipe(*FIXED).for_task("classification")


@pytest.mark.parametrize("steps", [10, 12])
def test_a_population_equals_a_loop_around_its_optimizer(steps: int) -> None:
    k, alpha = 5, 0.4
    dataset = table()
    batch = dataset.batch(torch.zeros(1, dtype=torch.int64), torch.arange(60)[None])
    ours = cohort_of([Member(PLAIN.using(Lookahead(k=k, alpha=alpha)))], dataset)
    plain = cohort_of([Member(PLAIN)], dataset)
    state = start(plain)
    slow = state.weights.clone()
    for t in range(steps):
        state, _ = step(plain, state, batch)
        if (t + 1) % k == 0:
            slow = slow + alpha * (state.weights - slow)
            state = replace(state, weights=slow.clone())
    ended = stepped(ours, batch, steps)
    torch.testing.assert_close(ended.weights, state.weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(ended.slots["lookahead"]["slow"], slow, rtol=0, atol=1e-12)


def test_a_population_presents_the_slow_weights_and_leaves_others_alone() -> None:
    on = Member(PLAIN.using(Lookahead(k=5, alpha=0.4)))
    ended = trained(cohort_of([on, Member(PLAIN)], table()), 12)
    beside = trained(cohort_of([Member(PLAIN), Member(PLAIN)], table()), 12)
    assert torch.equal(ended.outcome(0).weights[0], ended.state.slots["lookahead"]["slow"][0])
    assert not torch.equal(ended.outcome(0).weights[0], ended.state.weights[0])
    assert torch.equal(ended.outcome(1).weights, beside.outcome(1).weights)
    assert torch.equal(ended.outcome(1).weights[0], ended.state.weights[1])
