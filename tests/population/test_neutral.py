"""Everything off at once: a member without any regularizer beside one that has them all."""

from __future__ import annotations

import pytest
import torch

from population.samples import cohort_of, switched_on, table, trained
from shrinkage.catalog import ENTRIES, Entry
from shrinkage.ingredient import neutral, switchable
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

NETWORKS = [Mlp(width=8, depth=2), Resnet(width=8, blocks=2, branches=2)]
FOREIGN = {"classification": "numbers to predict", "regression": "classes"}
STEPS = 80


def _one_a_role(task: str) -> list[Entry]:
    """Every switchable ingredient that acts on this task, the first of each role."""
    entries = [e for e in ENTRIES if switchable(e.kind) and e.only != FOREIGN[task]]
    return list({entry.role: entry for entry in reversed(entries)}.values())


@pytest.mark.parametrize("task", FOREIGN)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_all_at_their_neutral_values_is_the_plain_network_bit_for_bit(network, task: str) -> None:
    entries = _one_a_role(task)
    assert len(entries) > 25
    fixed = (Minibatch(batch_size=16, epochs=25), network, BatchNorm(), Adam(lr=0.01))
    plain = Recipe(*fixed).for_task(task)
    off = plain.using(*(neutral(entry.kind) for entry in entries))
    assert off == plain
    every = plain.using(*(switched_on(entry) for entry in entries))
    mixed = trained(cohort_of([Member(off), Member(every)], table(task)), STEPS)
    alike = trained(cohort_of([Member(plain), Member(plain)], table(task)), STEPS)
    assert {entry.name for entry in entries if entry.structural} <= set(mixed.cohort.hyper)
    for name in ("weights", "statistics"):
        assert torch.equal(getattr(mixed.outcome(0), name), getattr(alike.outcome(0), name))
    assert not torch.equal(mixed.outcome(0).weights, mixed.outcome(1).weights)
