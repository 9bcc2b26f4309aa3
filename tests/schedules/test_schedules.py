"""Schedules: where they start and end, and torch's own beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.optim import lr_scheduler as schedulers

from population.samples import cohort_of, table
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.constant import Constant, constant
from shrinkage.schedules.cosine import Cosine, cosine
from shrinkage.schedules.cosine_restarts import CosineRestarts, cosine_restarts, cycle_edges
from shrinkage.schedules.exponential import exponential
from shrinkage.schedules.flat_cosine import FlatCosine, flat_cosine
from shrinkage.schedules.inverse_time import InverseTime, inverse_time
from shrinkage.schedules.one_cycle import one_cycle
from shrinkage.schedules.step_decay import step_decay
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
    Case("inverse time", lambda t: inverse_time(t, TOTAL, 0.25), 1, 0.2),
    Case("step decay", lambda t: step_decay(t, TOTAL, 0.25, 0.5), 1, 1 / 16),
    Case("step decay that never drops", lambda t: step_decay(t, TOTAL, 0.1, 1.0), 1, 1),
    Case("exponential", lambda t: exponential(t, TOTAL, 0.03), 1, 0.03),
    Case("restarts, one cycle", lambda t: cosine_restarts(t, TOTAL, 1, 2.0, 0.2), 1, 0.2),
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


@dataclass(frozen=True)
class Twin:
    """A schedule and torch's scheduler of the same rates, for an optimizer of rate `LR`."""

    name: str
    factor: Callable[[Tensor], Tensor]
    torch: Callable[[torch.optim.Optimizer], schedulers.LRScheduler]

    def __str__(self) -> str:
        return self.name


LR = 0.3


def _cosine(floor: float) -> Twin:
    return Twin(
        f"cosine {floor}",
        lambda t: cosine(t, TOTAL, floor),
        lambda o: schedulers.CosineAnnealingLR(o, TOTAL, eta_min=LR * floor),
    )


def _restarts(cycles: int, growth: int, first: int, floor: float) -> Twin:
    return Twin(
        f"cosine with {cycles} cycles that grow by {growth}",
        lambda t: cosine_restarts(t, TOTAL, cycles, float(growth), floor),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, first, growth, eta_min=LR * floor),
    )


def _one_cycle(peak: float, start_div: float, final_div: float) -> Twin:
    return Twin(
        f"one cycle {peak} {start_div} {final_div}",
        lambda t: one_cycle(t, TOTAL, peak, start_div, final_div),
        lambda o: schedulers.OneCycleLR(
            o,
            LR,
            total_steps=TOTAL,
            pct_start=peak,
            div_factor=start_div,
            final_div_factor=final_div / start_div,
            cycle_momentum=False,
        ),
    )


TWINS = [
    *(_cosine(floor) for floor in (0.0, 0.1, 0.7)),
    # 8 cycles of 25 steps; 40 + 160 steps.
    _restarts(8, 1, 25, 0.0),
    _restarts(2, 4, 40, 0.1),
    *(_one_cycle(*own) for own in ((0.3, 25.0, 1e4), (0.01, 4.0, 10.0), (0.07, 1.0, 4.0))),
    *(
        Twin(
            f"step decay {every} {drop}",
            lambda t, every=every, drop=drop: step_decay(t, TOTAL, every, drop),
            lambda o, every=every, drop=drop: schedulers.StepLR(o, round(every * TOTAL), drop),
        )
        for every, drop in ((0.3, 0.1), (0.07, 0.5), (0.29, 0.2))
    ),
    Twin(
        "exponential",
        lambda t: exponential(t, TOTAL, 0.02),
        lambda o: schedulers.ExponentialLR(o, 0.02 ** (1 / TOTAL)),
    ),
    Twin(
        "inverse time",
        lambda t: inverse_time(t, TOTAL, 0.15),
        lambda o: schedulers.LambdaLR(o, lambda t: 30 / (30 + t)),
    ),
]


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_schedule_equals_torch(twin: Twin) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    theirs = twin.torch(optimizer)
    rates = []
    for _ in range(TOTAL):
        rates.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step() if len(rates) < TOTAL else None
    expected = torch.tensor(rates, dtype=torch.float64)
    torch.testing.assert_close(LR * twin.factor(STEP), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("cycles", "growth"), [(1, 1.0), (3, 1.0), (5, 1.7), (40, 3.0), (500, 1.0)]
)
def test_cycles_begin_at_whole_steps_and_end_with_the_training(cycles: int, growth: float) -> None:
    edges = cycle_edges(TOTAL, cycles, growth)
    assert (edges[0], edges[-1]) == (0, TOTAL)
    assert torch.equal(edges, edges.round())
    lengths = edges.diff()
    assert len(lengths) <= cycles
    assert (lengths >= 1).all()
    assert (lengths.diff() >= -1).all()  # but for rounding, none is shorter than the one before
    factor = cosine_restarts(STEP, TOTAL, cycles, growth, 0.0)
    assert (factor[edges[:-1].long()] == 1).all()
    assert factor.isfinite().all()


def test_growing_cycles_have_the_ratio_asked_for() -> None:
    lengths = cycle_edges(10**6, 5, 1.7).diff()
    torch.testing.assert_close(lengths[1:] / lengths[:-1], torch.full_like(lengths[1:], 1.7),
                               rtol=0, atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("total", [1, 2, 3])
def test_one_cycle_of_few_steps_is_finite_and_ends_low(total: int) -> None:
    factor = one_cycle(torch.arange(total, dtype=torch.float64), total, 0.3, 25.0, 100.0)
    assert factor.isfinite().all()
    assert float(factor[-1]) == (1.0 if total == 1 else pytest.approx(0.01))


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
        (Adam(lr=0.1), InverseTime(half=0.5)),
        (Adam(lr=0.1), CosineRestarts(cycles=3, growth=2.0), Warmup(share=0.1)),
    ]
    members = [Member(Recipe(*fixed, *x).for_task("classification")) for x in own]
    rates = cohort_of(members, table()).rates
    t = torch.arange(30, dtype=torch.float64)
    expected = [
        0.1 * constant(t, 30),
        0.2 * cosine(t, 30, 0.1) * warmup(t, 30, 0.2),
        0.3 * flat_cosine(t, 30, 0.4) * warmup(t, 30, 0.1),
        0.1 * inverse_time(t, 30, 0.5),
        0.1 * cosine_restarts(t, 30, 3, 2.0, 0.0) * warmup(t, 30, 0.1),
    ]
    torch.testing.assert_close(rates, torch.stack(expected, 1), rtol=0, atol=1e-15)
