"""Schedules: where they start and end, and torch's own beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from population.samples import cohort_of, table
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.constant import Constant, constant
from shrinkage.schedules.cosine import Cosine, cosine
from shrinkage.schedules.flat_cosine import FlatCosine, flat_cosine
from shrinkage.schedules.warmup import Warmup, warmup

TOTAL = 200
STEP = torch.arange(TOTAL, dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    name: str
    factor: Callable[[Tensor], Tensor]
    first: float
    last: float  # the limit at step TOTAL
    falls: bool = True

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("constant", lambda t: constant(t, TOTAL), 1, 1),
    Case("cosine", lambda t: cosine(t, TOTAL, 0.0), 1, 0),
    Case("cosine with a floor", lambda t: cosine(t, TOTAL, 0.2), 1, 0.2),
    Case("cosine that stays", lambda t: cosine(t, TOTAL, 1.0), 1, 1),
    Case("flat cosine", lambda t: flat_cosine(t, TOTAL, 0.5), 1, 0),
    Case("flat cosine, mostly flat", lambda t: flat_cosine(t, TOTAL, 0.95), 1, 0),
    Case("warmup", lambda t: warmup(t, TOTAL, 0.1), 1 / 20, 1, falls=False),
    Case("warmup of everything", lambda t: warmup(t, TOTAL, 1.0), 1 / TOTAL, 1, falls=False),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_schedule_starts_ends_and_moves_one_way(case: Case) -> None:
    factor = case.factor(STEP)
    assert float(factor[0]) == pytest.approx(case.first)
    assert float(case.factor(STEP[-1:] + 1)) == pytest.approx(case.last, abs=1e-12)
    change = factor.diff() if case.falls else -factor.diff()
    assert (change <= 1e-15).all()
    assert factor.shape == STEP.shape


@pytest.mark.parametrize("floor", [0.0, 0.1, 0.7])
def test_cosine_equals_torch(floor: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, TOTAL, eta_min=0.3 * floor)
    rates = []
    for _ in range(TOTAL):
        rates.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    expected = torch.tensor(rates, dtype=torch.float64)
    torch.testing.assert_close(0.3 * cosine(STEP, TOTAL, floor), expected, rtol=0, atol=1e-12)


def test_flat_zero_is_the_cosine() -> None:
    torch.testing.assert_close(flat_cosine(STEP, TOTAL, 0.0), cosine(STEP, TOTAL, 0.0))


def test_flat_cosine_is_flat_for_its_share_then_a_whole_cosine() -> None:
    factor = flat_cosine(STEP, TOTAL, 0.25)
    assert (factor[:51] == 1).all()
    torch.testing.assert_close(factor[50:], cosine(STEP[:150], 150, 0.0))


def test_warmup_rises_by_equal_steps_to_one() -> None:
    factor = warmup(STEP, TOTAL, 0.1)
    torch.testing.assert_close(factor[:20], torch.arange(1, 21).double() / 20)
    assert (factor[20:] == 1).all()
    assert (warmup(STEP, TOTAL, 0.0) == 1).all()


def test_a_cohort_stacks_each_members_own_rates() -> None:
    """60 rows in batches of 20 for 10 epochs: 30 steps."""
    fixed = (Minibatch(batch_size=20, epochs=10), Mlp(width=4))
    own = [
        (Adam(lr=0.1), Constant()),
        (Adam(lr=0.2), Cosine(floor=0.1), Warmup(share=0.2)),
        (Adam(lr=0.3), FlatCosine(flat=0.4), Warmup(share=0.1)),
    ]
    members = [Member(Recipe(*fixed, *x).for_task("classification")) for x in own]
    rates = cohort_of(members, table()).rates
    t = torch.arange(30, dtype=torch.float64)
    expected = [
        0.1 * constant(t, 30),
        0.2 * cosine(t, 30, 0.1) * warmup(t, 30, 0.2),
        0.3 * flat_cosine(t, 30, 0.4) * warmup(t, 30, 0.1),
    ]
    torch.testing.assert_close(rates, torch.stack(expected, 1), rtol=0, atol=1e-15)
