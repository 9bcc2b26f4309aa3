"""Each ingredient that can be off, on in two members beside one that is without it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch

from population.samples import cohort_of, fit_quality, table, trained
from shrinkage.catalog import CATALOG, ENTRIES, Entry
from shrinkage.ingredient import Number, fields_of, switchable
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.checkpoint import load, save
from shrinkage.population.cohort import Member
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

STEPS = 40
EACH = [entry for entry in ENTRIES if switchable(entry.kind)]
each_entry = pytest.mark.parametrize("entry", EACH, ids=lambda entry: entry.name)
TASKS = {"numbers to predict": "regression"}


def _task(entry: Entry) -> str:
    return TASKS.get(entry.only, "classification")


def _between(number: Number, share: float) -> float:
    if number.scale == "log":
        return number.low ** (1 - share) * number.high**share
    return number.low + share * (number.high - number.low)


def _members(entry: Entry) -> list[Member]:
    """Without it, with a little of it, and with more."""
    fixed = (Minibatch(batch_size=16, epochs=12), Mlp(width=8, depth=1), BatchNorm(), Adam(lr=0.01))
    base = Recipe(*fixed)
    recipes = [base] + [
        base.using(
            entry.kind(
                **{f.name: _between(f.number, share) for f in fields_of(entry.kind) if f.number}
            )
        )
        for share in (0.4, 0.7)
    ]
    return [Member(recipe.for_task(_task(entry)), seed=i) for i, recipe in enumerate(recipes)]


@each_entry
def test_a_member_beside_others_equals_itself_alone(entry: Entry) -> None:
    members, dataset = _members(entry), table(_task(entry))
    together = trained(cohort_of(members, dataset), STEPS)
    for i, member in enumerate(members):
        alone, ours = trained(cohort_of([member], dataset), STEPS).outcome(0), together.outcome(i)
        torch.testing.assert_close(ours.weights, alone.weights, rtol=0, atol=1e-10)
        torch.testing.assert_close(ours.statistics, alone.statistics, rtol=0, atol=1e-10)


@each_entry
def test_the_order_of_members_does_not_matter(entry: Entry) -> None:
    members, dataset = _members(entry), table(_task(entry))
    weights = trained(cohort_of(members, dataset), STEPS).state.weights
    for order in list(permutations(range(3)))[1::2]:
        shuffled = trained(cohort_of([members[i] for i in order], dataset), STEPS)
        torch.testing.assert_close(shuffled.state.weights, weights[list(order)], rtol=0, atol=1e-10)


@each_entry
def test_a_training_goes_on_from_its_checkpoint_bit_for_bit(entry: Entry, tmp_path: Path) -> None:
    cohort = cohort_of(_members(entry), table(_task(entry)))
    save(advance(Training.begin(cohort), 11, fit_quality), tmp_path / "half")
    again = advance(load(cohort, tmp_path / "half"), STEPS, fit_quality)
    assert torch.equal(again.state.weights, trained(cohort, STEPS).state.weights)


# Row weights that are sums over mixed targets round: these equal to 1e-12, as tested elsewhere.
EXACT = "label_noise target_noise input_noise cutout cutmix adversarial focal confidence_penalty"
EXACT += " l1 l2 elastic_net sam asam clip_adaptive clip_value clip_norm gradient_noise dropout"


@pytest.mark.parametrize("name", EXACT.split())
def test_off_is_without_bit_for_bit(name: str) -> None:
    """Whoever is beside: the same numbers of members, so that products are of one shape."""
    members, dataset = _members(CATALOG[name]), table(_task(CATALOG[name]))
    mixed = trained(cohort_of(members, dataset), STEPS)
    plain = trained(cohort_of([members[0]] * 3, dataset), STEPS)
    assert torch.equal(mixed.outcome(0).weights, plain.outcome(0).weights)
    assert torch.equal(mixed.outcome(0).statistics, plain.outcome(0).statistics)
    gaps = [(mixed.outcome(i).weights - mixed.outcome(0).weights).abs().max() for i in (1, 2)]
    assert min(gaps) > 1e-6
