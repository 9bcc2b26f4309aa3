"""Every optimizer in a population: members permuted, dropped, interrupted, written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from optim.twins import TWINS, Twin
from population.samples import cohort_of, fit_quality, table, trained
from shrinkage.nets.mlp import Mlp
from shrinkage.population import checkpoint
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine import Cosine

STEPS, HALF, RATES = 24, 11, (1e-3, 3e-3, 1e-4, 2e-3)
FIXED = (Minibatch(batch_size=20, epochs=10), Mlp(width=6, depth=3), Cosine())

each_twin = pytest.mark.parametrize("twin", TWINS, ids=str)


def _recipe(twin: Twin, lr: float, **numbers: Any) -> Recipe:
    return Recipe(*FIXED, twin.kind(lr=lr, **{**twin.fixed, **numbers})).for_task("classification")


def _cohort(twin: Twin, order: tuple[int, ...] = (0, 1, 2, 3)) -> Cohort:
    return cohort_of([Member(_recipe(twin, RATES[i]), seed=i, fold=i % 2) for i in order], table())


@each_twin
def test_permuting_members_permutes_results(twin: Twin) -> None:
    order = (2, 0, 3, 1)
    plain, shuffled = trained(_cohort(twin), STEPS), trained(_cohort(twin, order), STEPS)
    for row, i in enumerate(order):
        ours, theirs = shuffled.outcome(row).weights, plain.outcome(i).weights
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@each_twin
def test_members_dropped_midway_leave_the_others_as_they_would_have_been(twin: Twin) -> None:
    halfway = advance(Training.begin(_cohort(twin)), HALF, fit_quality).drop({0, 2})
    ended, whole = advance(halfway, STEPS, fit_quality), trained(_cohort(twin), STEPS)
    for i in (1, 3):
        ours, theirs = ended.outcome(i).weights, whole.outcome(i).weights
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@each_twin
def test_a_checkpoint_continues_bit_for_bit(twin: Twin, tmp_path: Path) -> None:
    cohort, path = _cohort(twin), tmp_path / "cohort.safetensors"
    checkpoint.save(trained(cohort, HALF), path)
    ended, whole = (
        advance(checkpoint.load(cohort, path), STEPS, fit_quality),
        trained(cohort, STEPS),
    )
    for i in range(len(RATES)):
        assert torch.equal(ended.outcome(i).weights, whole.outcome(i).weights)
    slots = whole.state.slots
    assert slots.keys() == ended.state.slots.keys()
    for name, its in slots.items():
        assert its.keys() == ended.state.slots[name].keys()
        assert all(torch.equal(x, ended.state.slots[name][slot]) for slot, x in its.items())


@each_twin
def test_a_recipe_is_written_and_read(twin: Twin) -> None:
    recipe = _recipe(twin, 0.00123)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert recipe.signature == _recipe(twin, 0.5).signature
    assert recipe.hash != _recipe(twin, 0.5).hash
