"""Decay in its two conventions, and the limit on a unit's incoming weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import pytest
import torch
from torch import Tensor

from population.samples import cohort_of, stepped, table
from shrinkage.nets.layout import Entry, Layout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.piecewise_linear import PiecewiseLinear
from shrinkage.optim.adam import Adam
from shrinkage.optim.decay import Decay
from shrinkage.optim.independent_decay import IndependentDecay, independent_decay
from shrinkage.optim.max_norm import MaxNorm, max_norm
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Member
from shrinkage.population.state import start
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.constant import Constant
from shrinkage.schedules.cosine import Cosine
from shrinkage.schedules.warmup import Warmup

STEPS = 60
FIXED = [Minibatch(batch_size=30, epochs=STEPS), Mlp(width=6, depth=2)]
LAYOUT = Layout(
    (
        Entry("numbers.weight", (3, 4, 2), "weight"),
        Entry("layer0.weight", (5, 7), "weight"),
        Entry("layer0.bias", (7,), "bias"),
        Entry("categories.table", (4, 3), "embedding"),
        Entry("norm.scale", (7,), "norm"),
    )
)
LIMITS = torch.tensor([0.5, 1.0, 3.0, inf], dtype=torch.float64)


def _trained(*own: list[Any]) -> Tensor:
    """Weights [M, P] of members with these ingredients, in one population."""
    dataset = table("regression", rows=30, folds=1)
    members = [Member(Recipe(*FIXED, *x).for_task("regression"), seed=3) for x in own]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(30).expand(len(own), 30))
    return stepped(cohort, batch, STEPS).weights


def test_members_with_either_decay_and_with_none_share_a_population() -> None:
    arms = [[], [Decay(weight_decay=0.2)], [IndependentDecay(weight_decay=0.01)]]
    together = _trained(*([Adam(lr=0.01), *arm] for arm in arms))
    for i, arm in enumerate(arms):
        alone = _trained([Adam(lr=0.01), *arm])[0]
        torch.testing.assert_close(together[i], alone, rtol=0, atol=1e-10)
    assert (together[0] - together[1]).abs().max() > 1e-2
    assert (together[0] - together[2]).abs().max() > 1e-2
    beside_nothing = _trained(*([Adam(lr=0.01)] for _ in arms))
    assert torch.equal(together[0], beside_nothing[0])


@pytest.mark.parametrize("schedule", [[Constant()], [Cosine()], [Cosine(), Warmup(share=0.3)]])
@pytest.mark.parametrize("optimizer", [Adam(lr=0.02), Sgd(lr=0.05, momentum=0.9)])
def test_independent_decay_is_decay_divided_by_the_rate(optimizer: Any, schedule: list) -> None:
    ours, theirs = _trained(
        [optimizer, *schedule, IndependentDecay(weight_decay=0.006)],
        [optimizer, *schedule, Decay(weight_decay=0.006 / optimizer.lr)],
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_independent_decay_does_not_know_the_rate() -> None:
    """Without gradients to speak of, weights shrink alike at any rate; those of decay do not."""

    def norms(pull: Any) -> Tensor:
        return _trained(*([Sgd(lr=lr), pull] for lr in (1e-9, 1e-6))).norm(dim=1)

    begin = _trained([Sgd(lr=1e-12)]).norm()
    shrunk = norms(IndependentDecay(weight_decay=0.05))
    torch.testing.assert_close(shrunk, (begin * 0.95**STEPS).expand(2), rtol=1e-3, atol=0)
    slow, fast = norms(Decay(weight_decay=1e4))
    assert slow > 1.5 * fast


def test_independent_decay_is_its_equation() -> None:
    weights, mask = torch.full((2, 3), 2.0, dtype=torch.float64), torch.tensor([1.0, 1.0, 0.0])
    factor, strength = (
        torch.tensor([1.0, 0.25]).double(),
        torch.tensor([0.1, 0.4], dtype=torch.float64),
    )
    found = independent_decay(weights, mask.double(), factor, strength)
    expected = torch.tensor([[1.8, 1.8, 2.0], [1.8, 1.8, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


def _weights(scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return scale * torch.randn(4, LAYOUT.size, generator=generator, dtype=torch.float64)


def _bounded(weights: Tensor) -> Tensor:
    return max_norm(weights.clone(), LAYOUT, LIMITS)


def _units(flat: Tensor) -> list[Tensor]:
    """Incoming weights of each unit, [M, units, in], one array a matrix."""
    views = LAYOUT.views(flat)
    return [views["numbers.weight"].mT.flatten(1, 2), views["layer0.weight"].mT]


@dataclass(frozen=True)
class Size:
    name: str
    scale: float

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize("size", [Size("all below", 1e-3), Size("mixed", 1), Size("all above", 9)])
def test_max_norm_is_the_projection_on_balls(size: Size) -> None:
    before = _weights(size.scale)
    after = _bounded(before)
    torch.testing.assert_close(_bounded(after), after, rtol=0, atol=1e-14)  # idempotent
    for old, new in zip(_units(before), _units(after), strict=True):
        norm = old.norm(dim=2)
        limit = LIMITS[:, None].expand_as(norm)
        assert (new.norm(dim=2) <= limit * (1 + 1e-14)).all()
        inside = norm <= limit
        assert torch.equal(new[inside], old[inside])
        moved = old[~inside] * (limit / norm)[~inside][:, None]  # direction kept, on the sphere
        torch.testing.assert_close(new[~inside], moved, rtol=0, atol=1e-14)


def test_max_norm_limits_units_also_where_they_come_first() -> None:
    """As in torch's modules, whose weights are [out, in, ...]."""
    entries = (
        Entry("linear.weight", (6, 4), "weight", outputs_first=True),
        Entry("conv.weight", (5, 3, 2, 2), "weight", outputs_first=True),
    )
    layout = Layout(entries)
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(2, layout.size, generator=generator, dtype=torch.float64)
    found = layout.views(max_norm(weights.clone(), layout, torch.tensor([0.5, 1e9])))
    for name, whole in layout.views(weights).items():
        units = found[name].flatten(2)
        assert units[0].norm(dim=1).tolist() == pytest.approx([0.5] * len(units[0]))
        assert torch.equal(found[name][1], whole[1])


def test_max_norm_leaves_biases_norms_and_embeddings_and_infinity_leaves_all() -> None:
    before = _weights(9)
    after = _bounded(before)
    for name in ("layer0.bias", "categories.table", "norm.scale"):
        assert torch.equal(LAYOUT.views(after)[name], LAYOUT.views(before)[name])
    assert torch.equal(after[3], before[3])
    zeros = torch.zeros(4, LAYOUT.size, dtype=torch.float64)
    assert torch.equal(_bounded(zeros), zeros)


def test_a_population_holds_each_member_to_its_limit_after_each_step() -> None:
    dataset = table("regression", rows=30, folds=1)
    limits = (0.4, 1.0, inf)
    members = [
        Member(
            Recipe(
                *FIXED, PiecewiseLinear(bins=4, dim=2), Sgd(lr=0.2, momentum=0.9), MaxNorm(limit=c)
            ).for_task("regression"),
            seed=1,
        )
        for c in limits
    ]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(30).expand(3, 30))
    for steps in (1, 25):
        views = cohort.network.weights.views(stepped(cohort, batch, steps).weights)
        for entry in cohort.network.weights.entries:
            norm = views[entry.name].norm(dim=-2) if entry.role == "weight" else None
            for i, limit in enumerate(limits):
                assert norm is None or norm[i].max() <= limit * (1 + 1e-12)
    begin = cohort.network.weights.views(start(cohort).weights)
    assert begin["layer0.weight"].norm(dim=1).max() > 1  # the limits bind
    without = [Member(m.recipe.without("max_norm"), m.seed) for m in members]
    plain = stepped(cohort_of(without, dataset), batch, 25).weights
    assert torch.equal(stepped(cohort, batch, 25).weights[2], plain[2])
