"""Parity: an ingredient against an independent implementation of it, member by member.

What a twin is depends on the place:

| place | twin | called as |
|---|---|---|
| update, an optimizer or a decay | an optimizer: `zero_grad`, `step` | `twin(module, instance)` |
| update, a schedule | a `torch.optim.lr_scheduler` | `twin(optimizer, total, instance)` |
| loss | a loss of one member's rows | `twin(output [B, C], target [B, C], instance)`, [B] |
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shrinkage.ingredient import fields_of
from shrinkage.nets.adopt import adopt
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.testing.case import Case

MEMBERS, STEPS = 16, 100
CLOSE = 1e-10


def _rows(count: int = 40) -> Sample:
    """Three overlapping classes in four columns."""
    rng = np.random.default_rng(7)
    x = torch.from_numpy(rng.normal(size=(count, 4)))
    scores = x @ torch.from_numpy(rng.normal(size=(4, 3))) + torch.from_numpy(
        rng.gumbel(size=(count, 3))
    )
    return Sample({"x": x}, scores.argmax(1))


def update_distance(case: Case) -> float:
    """Largest difference of any weight of any member after 100 steps of one population.

    16 members with 16 settings and starts, a network of two layers in float64, all rows a step.
    """
    rows = _rows()
    dataset = Dataset((Fold(rows, rows),), 3, "classification", torch.float64)
    fixed = Minibatch(batch_size=rows.rows, epochs=STEPS)
    recipes = [
        Recipe(fixed, *case.beside).using(instance).for_task("classification")
        for instance in case.settings(MEMBERS)
    ]
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    network = adopt(module)
    cohort = Cohort(
        tuple(Member(recipe, seed=i) for i, recipe in enumerate(recipes)),
        dataset,
        lambda recipe: network,
    )
    state = start(cohort)
    begins = {name: view.clone() for name, view in network.weights.views(state.weights).items()}
    batch = dataset.batch(cohort.folds, torch.arange(rows.rows).expand(MEMBERS, -1))
    for _ in range(STEPS):
        state, _ = step(cohort, state, batch)
    ends = network.weights.views(state.weights)
    assert rows.target is not None
    assert case.twin is not None
    worst = 0.0
    for i, instance in enumerate(case.settings(MEMBERS)):
        own = copy.deepcopy(module)
        own.load_state_dict({name: view[i] for name, view in begins.items()})
        optimizer = case.twin(own, instance)
        for _ in range(STEPS):
            optimizer.zero_grad()
            functional.cross_entropy(own(rows.inputs["x"]), rows.target).backward()
            optimizer.step()
        for name, value in own.named_parameters():
            worst = max(worst, float((ends[name][i] - value.detach()).abs().max()))
    return worst


def updates_as_its_twin(case: Case) -> None:
    """One population with 16 settings against 16 runs of the twin, 100 steps, in float64."""
    found = update_distance(case)
    assert found < CLOSE, f"members differ from the twin by {found:.2g}"


def schedules_as_its_twin(case: Case) -> None:
    """The factor at every step against torch's scheduler."""
    assert case.twin is not None
    for instance in case.settings(MEMBERS):
        weight = nn.Parameter(torch.zeros(()))
        optimizer = torch.optim.SGD([weight], lr=1.0)
        scheduler = case.twin(optimizer, STEPS, instance)
        theirs = []
        for _ in range(STEPS):
            theirs.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        time = torch.arange(STEPS, dtype=torch.float64)
        numbers = {f.name: getattr(instance, f.name) for f in fields_of(case.kind)}
        ours = case.entry.apply(time, STEPS, **numbers)
        expected = torch.tensor(theirs, dtype=torch.float64)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


def loses_as_its_twin(case: Case) -> None:
    """Rows' losses and their gradients against the twin, each member with its own setting."""
    assert case.twin is not None
    instances = case.settings(MEMBERS)
    generator = torch.Generator().manual_seed(1)
    shape = (MEMBERS, 12, 4 if case.task == "classification" else 1)
    output = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    target = torch.randn(shape, generator=generator, dtype=torch.float64)
    if case.task == "classification":
        target = torch.softmax(2 * target, -1)
    numbers = {
        f.name: torch.tensor([getattr(x, f.name) for x in instances], dtype=torch.float64)
        for f in fields_of(case.kind)
    }
    rows = case.entry.apply(output, target, **numbers)
    (grad,) = torch.autograd.grad(rows.sum(), output)
    for i, instance in enumerate(instances):
        own = output[i].detach().requires_grad_()
        theirs: Tensor = case.twin(own, target[i], instance)
        (slope,) = torch.autograd.grad(theirs.sum(), own)
        torch.testing.assert_close(rows[i], theirs, rtol=0, atol=1e-12)
        torch.testing.assert_close(grad[i], slope, rtol=0, atol=1e-12)


BY_ROLE: dict[str, Callable[[Case], None]] = {
    "optimizer": updates_as_its_twin,
    "decay": updates_as_its_twin,
    "l1": updates_as_its_twin,
    "l2": updates_as_its_twin,
    "clip_norm": updates_as_its_twin,
    "clip_value": updates_as_its_twin,
    "schedule": schedules_as_its_twin,
    "warmup": schedules_as_its_twin,
    "loss": loses_as_its_twin,
}
"""Which comparison a role's twin is for."""
