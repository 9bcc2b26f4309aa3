"""Sharpness-aware minimization: a known answer, two backward passes by hand, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from population.samples import cohort_of, stepped, table
from shrinkage.losses.l2 import L2
from shrinkage.nets.activation import Tanh
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm
from shrinkage.optim.decay import Decay
from shrinkage.optim.sam import Asam, Sam, asam, sam
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Member
from shrinkage.population.state import start
from shrinkage.population.step import gradient, moment_of, step
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

ROWS, STEPS = 30, 50
PULL, SHRINK, LONGEST = 0.05, 0.1, 0.5


def _vector(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class Descent:
    """One optimizer, ours and torch's; torch's over (decayed, other) groups."""

    name: str
    ours: list[Any]
    twin: Callable[[list], torch.optim.Optimizer]

    def __str__(self) -> str:
        return self.name


def _adamw(groups: list) -> torch.optim.Optimizer:
    shrinking = [{**groups[0], "weight_decay": SHRINK}, {**groups[1], "weight_decay": 0.0}]
    return torch.optim.AdamW(shrinking, lr=0.01)


# With a rate of 0.05 the member of asam's 0.5 jumps, and a rounding error grows to 1e-10.
DESCENTS = [
    Descent("sgd", [Sgd(lr=0.02)], lambda groups: torch.optim.SGD(groups, lr=0.02)),
    Descent("adam", [Adam(lr=0.01)], lambda groups: torch.optim.Adam(groups, lr=0.01)),
    Descent("adam with decay", [Adam(lr=0.01), Decay(weight_decay=SHRINK)], _adamw),
]
UPHILL = [Recipe(), Recipe(Sam(rho=0.05)), Recipe(Asam(rho=0.5)), Recipe(Sam(rho=0.3)),
          Recipe(Asam(rho=0.2, eta=0.1))]  # fmt: skip
"""One population: plain, sam and asam side by side."""


def _way(uphill: Any, weights: list[Tensor], grads: list[Tensor], decayed: list[bool]) -> list:
    """rho * T^2 g / ||T g|| over a list of arrays; T is 1 for Sam."""
    if uphill is None:
        return [torch.zeros_like(g) for g in grads]
    sizes = [torch.ones_like(w) for w in weights]
    if isinstance(uphill, Asam):
        sizes = [
            w.detach().abs() + uphill.eta if is_decayed else torch.ones_like(w)
            for w, is_decayed in zip(weights, decayed, strict=True)
        ]
    norm = sum(((t * g) ** 2).sum() for t, g in zip(sizes, grads, strict=True)) ** 0.5
    return [uphill.rho * t * t * g / norm for t, g in zip(sizes, grads, strict=True)]


@pytest.mark.parametrize("descent", DESCENTS, ids=str)
def test_each_member_equals_two_backward_passes_by_hand(descent: Descent) -> None:
    dataset = table("regression", rows=ROWS, folds=1)
    fixed = [Minibatch(batch_size=ROWS, epochs=STEPS), Mlp(width=6, depth=1), Tanh()]
    fixed += [Embedding(dim=2), L2(weight=PULL), ClipNorm(max_norm=LONGEST), *descent.ours]
    uphill = [recipe.get("sam") for recipe in UPHILL]
    members = [
        Member(Recipe(*fixed, *filter(None, [way])).for_task("regression"), seed=i)
        for i, way in enumerate(uphill)
    ]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(ROWS).expand(len(members), ROWS))
    ends = cohort.network.weights.views(stepped(cohort, batch, STEPS).weights)
    begins = cohort.network.weights.views(start(cohort).weights)
    for i, way in enumerate(uphill):
        own = {name: w[i].clone().requires_grad_() for name, w in begins.items()}
        numbers, codes = batch.inputs["numbers"][i], batch.inputs["categories"][i]
        arrays = list(own.values())
        decayed = [not name.endswith("bias") for name in own]
        optimizer = descent.twin(
            [
                {"params": [w for w, d in zip(arrays, decayed, strict=True) if d is which]}
                for which in (True, False)
            ]
        )
        for _ in range(STEPS):

            def backward(own=own, numbers=numbers, codes=codes, i=i, optimizer=optimizer) -> None:
                optimizer.zero_grad()
                vectors = own["categories.table"]
                h = torch.cat([numbers, vectors[codes[:, 0]], vectors[3 + codes[:, 1]]], 1)
                h = torch.tanh(h @ own["layer0.weight"] + own["layer0.bias"])
                error = h @ own["head.weight"] + own["head.bias"] - batch.target[i]
                penalty = sum(w.square().sum() for n, w in own.items() if not n.endswith("bias"))
                (error.square().mean() + PULL / 2 * penalty).backward()

            backward()
            moves = _way(
                way, arrays, [w.grad.clone() for w in arrays if w.grad is not None], decayed
            )
            with torch.no_grad():
                at = [w.clone() for w in arrays]
                for w, move in zip(arrays, moves, strict=True):
                    w.add_(move)
            backward()
            with torch.no_grad():
                for w, old in zip(arrays, at, strict=True):
                    w.copy_(old)
            torch.nn.utils.clip_grad_norm_(arrays, LONGEST)
            optimizer.step()
        for name, w in own.items():
            torch.testing.assert_close(ends[name][i], w.detach(), rtol=0, atol=1e-10)


def test_on_a_quadratic_the_second_gradient_is_known() -> None:
    """f(w) = w' A w / 2: at w + rho g / ||g|| the gradient is g + rho A g / ||g||."""
    curve = torch.diag(_vector([1.0, 4.0, 0.5]))
    w, rho = torch.stack([_vector([1.0, -1.0, 2.0]), _vector([0.3, 0.0, 5.0])]), _vector([0.1, 2.0])
    g = w @ curve
    norm = g.square().sum(1, keepdim=True).sqrt()
    near = w + sam(g, rho)
    torch.testing.assert_close(near @ curve, g + rho[:, None] / norm * (g @ curve))
    torch.testing.assert_close((near - w).norm(dim=1), rho)


def test_the_adaptive_way_scales_with_the_weights() -> None:
    """Weights times c and gradients over c (the same function): the way grows by c, for eta 0."""
    generator = torch.Generator().manual_seed(1)
    w, g = (torch.randn(1, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    scale, mask = _vector([10.0, 0.1, 1.0, 3.0, 7.0, 0.5]), torch.ones(6).double()
    rho, eta = _vector([0.7]), _vector([1e-300])
    plain, scaled = asam(g, w, mask, rho, eta), asam(g / scale, w * scale, mask, rho, eta)
    torch.testing.assert_close(scaled, plain * scale)
    torch.testing.assert_close((plain / w).norm(), rho[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", [0.0, 1e-36, 1e-30, 1e-23, 1e-22, 1.0, 1e22, 1e36])
def test_the_way_is_as_long_for_any_gradient_and_0_without_one(
    size: float, dtype: torch.dtype
) -> None:
    """Squares of entries below 1e-22 are 0 in float32, those beyond 1e19 infinite."""
    grad = torch.full((2, 4), size, dtype=dtype)
    rho = torch.tensor([0.0, 5.0], dtype=dtype)
    eta, mask = torch.full((2,), 0.01, dtype=dtype), torch.ones(4, dtype=dtype)
    adaptive = asam(grad, torch.zeros_like(grad), mask, rho, eta) / 0.01
    for way in (sam(grad, rho), adaptive):
        assert not way[0].any()
        assert float(way[1].norm()) == pytest.approx(5.0 if size else 0.0)


def _trained(recipes: list[Recipe], steps: int = 40) -> Tensor:
    dataset = table(folds=1)
    members = [Member(recipe.for_task("classification"), seed=3) for recipe in recipes]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(60).expand(len(recipes), 60))
    return stepped(cohort, batch, steps).weights


BASE = Recipe(Mlp(width=8, depth=2), Minibatch(batch_size=60, epochs=40), BatchNorm(),
              Dropout(rate=0.2), Sgd(lr=0.05))  # fmt: skip


def test_off_is_no_sam_bit_for_bit_beside_members_with_it_on() -> None:
    on = [BASE.using(Sam(rho=0.2)), BASE.using(Asam(rho=0.5))]
    mixed = _trained([BASE, *on])
    plain = _trained([BASE, BASE, BASE])
    assert torch.equal(mixed[0], plain[0])
    assert not torch.equal(mixed[1], plain[0])
    assert not torch.equal(mixed[2], mixed[1])


@pytest.mark.parametrize("kind", [Sam, Asam])
def test_as_rho_falls_training_becomes_that_without_in_proportion(kind: type) -> None:
    """To first order the difference is rho times something: a tenth of rho, a tenth of it."""
    plain, far, near = _trained([BASE, BASE.using(kind(rho=1e-4)), BASE.using(kind(rho=1e-5))], 5)
    gaps = [float((w - plain).norm()) for w in (far, near)]
    assert gaps[0] > 1e-8
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.02)


def test_statistics_and_the_loss_reported_come_from_the_first_pass() -> None:
    dataset = table(folds=1)
    members = [Member(BASE.using(Sam(rho=r)).for_task("classification")) for r in (0.0, 2.0)]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(60).expand(2, 60))
    state = start(cohort)
    moment = moment_of(cohort, state)
    loss, _, statistics = gradient(cohort, state, batch, moment)
    new, reported = step(cohort, state, batch)
    assert torch.equal(reported, loss)
    assert torch.equal(new.statistics, statistics)


def test_sam_ends_where_the_loss_around_it_is_lower() -> None:
    """The mean rise of the loss over random directions, per member trained with and without."""
    dataset = table(folds=1, rows=60)
    fixed = (Mlp(width=8, depth=1), Minibatch(batch_size=60, epochs=300), Sgd(lr=0.2), Tanh())
    members = [
        Member(Recipe(*fixed, Sam(rho=r)).for_task("classification"), seed=1) for r in (0.0, 0.3)
    ]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(60).expand(2, 60))
    state = stepped(cohort, batch, 300)
    moment = moment_of(cohort, state)

    def loss(weights: Tensor) -> Tensor:
        return gradient(cohort, replace(state, weights=weights), batch, moment)[0]

    generator = torch.Generator().manual_seed(0)
    rise = torch.zeros(2).double()
    for _ in range(50):
        way = torch.randn(1, state.weights.shape[1], generator=generator, dtype=torch.float64)
        rise += loss(state.weights + way / way.norm()) - loss(state.weights)
    assert rise[1] < rise[0]
