"""Adversarial training: along the sign of the gradient, uphill, and without a trace elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from population.samples import CARDINALITIES, cohort_of, table, trained
from shrinkage.augment.adversarial import Adversarial, adversarial
from shrinkage.batch import Batch
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.moment import Moment
from shrinkage.population.state import State, start
from shrinkage.population.step import gradient, moment_of, step
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

EPS = [0.0, 0.01, 0.1]
ROWS = 40


def _begin(*extra: Any) -> tuple[Cohort, State, Batch, Moment]:
    fixed = (Minibatch(batch_size=ROWS, epochs=40), Mlp(width=8, depth=2), *extra)
    members = [
        Member(Recipe(*fixed, Adversarial(eps=e)).for_task("classification"), seed=i)
        for i, e in enumerate(EPS)
    ]
    dataset = table(folds=1)
    cohort = cohort_of(members, dataset)
    state = start(cohort)
    batch = dataset.batch(cohort.folds, torch.arange(ROWS).expand(len(EPS), ROWS))
    moment = moment_of(cohort, state)
    return cohort, state, batch, moment


def _losses(cohort: Cohort, state: State, batch: Batch, moment: Moment) -> Tensor:
    return gradient(cohort, state, batch, moment)[0]


@pytest.mark.parametrize("extra", [(), (BatchNorm(),), (Dropout(rate=0.3),)], ids=str)
def test_the_input_gradient_is_that_of_central_differences(extra: tuple) -> None:
    """Dropout too: the masks of the extra pass are those of the step."""
    cohort, state, batch, moment = _begin(*extra)
    found = moment.input_gradient(batch)
    assert list(found) == ["numbers"]
    generator = torch.Generator().manual_seed(1)
    x, h = batch.inputs["numbers"], 1e-6
    for _ in range(5):
        way = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        above, below = (
            _losses(
                cohort,
                state,
                Batch({**batch.inputs, "numbers": x + s * h * way}, batch.target, batch.weight),
                moment,
            )
            for s in (1, -1)
        )
        slope = (found["numbers"] * way).sum((1, 2))
        torch.testing.assert_close((above - below) / (2 * h), slope, rtol=1e-5, atol=1e-8)


def test_the_loss_rises_at_the_moved_rows_and_by_the_gradients_size() -> None:
    """To first order by eps * sum |gradient|, the most that any move of that size can do."""
    cohort, state, batch, moment = _begin()
    eps = torch.tensor([0.0, 1e-5, 1e-1], dtype=torch.float64)
    moved = adversarial(batch, moment.input_gradient, eps)
    before, after = (_losses(cohort, state, b, moment) for b in (batch, moved))
    rise = (after - before)[1] / eps[1]
    steepest = moment.input_gradient(batch)["numbers"][1].abs().sum()
    torch.testing.assert_close(rise, steepest, rtol=1e-3, atol=0)
    assert after[0] == before[0]
    assert after[2] > before[2]
    gap = (moved.inputs["numbers"] - batch.inputs["numbers"]).abs()
    torch.testing.assert_close(gap.amax((1, 2)), eps, rtol=0, atol=1e-12)
    assert torch.equal(moved.inputs["categories"], batch.inputs["categories"])


def test_the_extra_pass_leaves_statistics_and_the_member_without_it_alone() -> None:
    """Batch norm's statistics after a step are those of the moved rows, measured once."""
    cohort, state, batch, moment = _begin(BatchNorm())
    moved = adversarial(batch, moment.input_gradient, cohort.hyper["adversarial"]["eps"])
    expected = gradient(cohort, state, moved, moment)[2]
    plain = gradient(cohort, state, batch, moment)[2]
    new, _ = step(cohort, state, batch)
    assert torch.equal(new.statistics, expected)
    assert torch.equal(new.statistics[0], plain[0])
    assert not torch.equal(new.statistics[2], plain[2])


def test_a_table_without_numbers_trains_as_without() -> None:
    """No floating input, and one that the network does not read: nothing is moved."""
    whole = table(folds=1)
    recipes = [Recipe(Mlp(width=4), Adversarial(eps=e)) for e in (0.0, 0.2)]
    shape = TableShape(0, CARDINALITIES, 3)
    for names in (["categories"], ["categories", "numbers"]):
        parts = [whole.folds[0].train, whole.folds[0].validation]
        samples = [Sample({n: p.inputs[n] for n in names}, p.target) for p in parts]
        dataset = Dataset((Fold(*samples),), 3, "classification", torch.float64)
        ends = [
            trained(
                Cohort(
                    (Member(recipe.for_task("classification")),),
                    dataset,
                    lambda recipe: network_of(recipe, shape),
                ),
                10,
            ).outcome(0)
            for recipe in recipes
        ]
        assert torch.equal(ends[0].weights, ends[1].weights)


def test_training_on_moved_rows_makes_a_network_harder_to_fool() -> None:
    """After training, the loss at rows moved by 0.1 is lowest for the member trained on them."""
    dataset = table(folds=1, rows=60)
    fixed = (Minibatch(batch_size=60, epochs=200), Mlp(width=16), Adam(lr=0.01))
    members = [
        Member(Recipe(*fixed, Adversarial(eps=e)).for_task("classification")) for e in (0.0, 0.1)
    ]
    cohort = cohort_of(members, dataset)
    state = start(cohort)
    batch = dataset.batch(cohort.folds, torch.arange(60).expand(2, 60))
    for _ in range(200):
        state, _ = step(cohort, state, batch)
    moment = moment_of(cohort, state)
    moved = adversarial(batch, moment.input_gradient, torch.full((2,), 0.1).double())
    loss = _losses(cohort, state, moved, moment)
    assert loss[1] < loss[0]
