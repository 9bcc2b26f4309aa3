"""Each optimizer: one population of 16 different members, each against its twin alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from optim.twins import TWINS, Named, Twin
from population.samples import cohort_of, stepped, table
from shrinkage.catalog import of_role
from shrinkage.dimension import Range
from shrinkage.ingredient import fields_of
from shrinkage.nets.activation import Tanh
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.decay import Decay
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.state import start
from shrinkage.population.train import shown
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine import Cosine
from shrinkage.schedules.warmup import Warmup

STEPS, MEMBERS, ROWS = 100, 16, 30
# The whole table in each batch and smooth units: what differs is the rule alone.
FIXED = [Minibatch(batch_size=ROWS, epochs=STEPS), Mlp(width=6, depth=2), Tanh(), Embedding(dim=2)]


def _drawn(twin: Twin, i: int) -> list[Any]:
    """Member i: numbers from each field's search range; decay, warmup and cosine on and off."""
    rng, numbers = np.random.default_rng([17, i]), dict(twin.fixed)
    for field in fields_of(twin.kind):
        u = rng.random()
        if field.per_member and field.name not in numbers:
            number = field.number
            assert number is not None
            given = twin.lr if field.name == "lr" else None
            low, high = given or (number.low, number.high)
            numbers[field.name] = Range(low, high, number.scale).decode(u)
    pull = Decay(weight_decay=rng.random() if twin.decays and i % 4 else 0.0)
    schedule = [Cosine()] if i % 3 == 0 else []
    return [twin.kind(**numbers), pull, *schedule, Warmup(share=0.3 if i % 5 == 0 else 0.0)]


def _cohort(twin: Twin) -> Cohort:
    members = [
        Member(Recipe(*FIXED, *_drawn(twin, i)).for_task("regression"), seed=i)
        for i in range(MEMBERS)
    ]
    return cohort_of(members, table("regression", rows=ROWS, folds=1))


@contextmanager
def _in_double() -> Iterator[None]:
    """Torch keeps some numbers of a rule (NAdam's product) in the default precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _alone(twin: Twin, i: int, own: Named, rates: Tensor, loss) -> Named:
    """Train `own` in place as a person would; returns what would be validated."""
    instance, pull, *_ = _drawn(twin, i)
    optimizer = twin.make(instance, own, pull.weight_decay)
    for rate in rates.tolist():
        for group in optimizer.param_groups:
            group["lr"] = rate
        grads = torch.autograd.grad(loss(), list(own.values()))
        for w, grad in zip(own.values(), grads, strict=True):
            w.grad = grad
        optimizer.step()
    return {name: twin.shown(optimizer, w) for name, w in own.items()}


def gap(twin: Twin) -> float:
    """The largest difference of any weight of any member from its twin, trained or shown."""
    cohort = _cohort(twin)
    batch = cohort.dataset.batch(cohort.folds, torch.arange(ROWS).expand(MEMBERS, ROWS))
    views = cohort.network.weights.views
    begins, ended = views(start(cohort).weights), stepped(cohort, batch, STEPS)
    ends, seen = views(ended.weights), views(shown(cohort, ended)[0])
    worst = 0.0
    for i in range(MEMBERS):
        own = {name: w[i].clone().requires_grad_() for name, w in begins.items()}
        numbers, codes = batch.inputs["numbers"][i], batch.inputs["categories"][i]

        def loss(own=own, numbers=numbers, codes=codes, target=batch.target[i]) -> Tensor:
            table = own["categories.table"]
            h = torch.cat([numbers, table[codes[:, 0]], table[3 + codes[:, 1]]], 1)
            for layer in ("layer0", "layer1"):
                h = torch.tanh(h @ own[f"{layer}.weight"] + own[f"{layer}.bias"])
            return (h @ own["head.weight"] + own["head.bias"] - target).square().mean()

        with _in_double():
            validated = _alone(twin, i, own, cohort.rates[:, i], loss)
        assert max((w - begins[name][i]).abs().max() for name, w in own.items()) > 1e-3
        for name, w in own.items():
            for ours, theirs in ((ends, w), (seen, validated[name])):
                worst = max(worst, float((ours[name][i] - theirs).detach().abs().max()))
    return worst


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_each_of_16_members_trains_as_its_twin_alone(twin: Twin) -> None:
    assert gap(twin) < 1e-10


def test_every_optimizer_has_a_twin() -> None:
    assert {entry.kind for entry in of_role("optimizer")} == {twin.kind for twin in TWINS}
