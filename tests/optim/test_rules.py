"""Every update rule, decay and clip, stacked, against torch.optim one member at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from population.samples import cohort_of, stepped, table
from shrinkage.catalog import entry_of
from shrinkage.ingredient import fields_of
from shrinkage.losses.l2 import L2
from shrinkage.nets.activation import Tanh
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm, ClipValue
from shrinkage.optim.decay import Decay, decay
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Member
from shrinkage.population.state import start
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

STEPS = 100
MEMBERS = range(3)
# One number a member, as different as stays stable. Member 2 of Adam takes small steps: without
# momentum a larger rate jumps about the minimum, and doubles a rounding error every few steps;
# so does a tight clip with a large rate.
SGD_LR = [0.01, 0.03, 0.1]
ADAM_LR = [1e-2, 3e-2, 3e-4]
MOMENTUM = [0.9, 0.5, 0.0]
BETA1 = [0.9, 0.8, 0.0]
BETA2 = [0.999, 0.95, 0.9]
EPS = [1e-8, 1e-4, 1e-10]
PULL = [0.1, 0.0, 1.0]
MAX_NORM = [0.05, 0.3, 10.0]
MAX_VALUE = [0.1, 0.3, 0.001]


@dataclass(frozen=True)
class Rule:
    """ours: ingredients of member i. twin: its torch optimizer over (decayed, other) groups.

    penalty: weight of a squared norm that the twin adds to its loss by hand.
    """

    name: str
    ours: Callable[[int], list[Any]]
    twin: Callable[[list, int], torch.optim.Optimizer]
    penalty: Callable[[int], float] = lambda i: 0.0

    def __str__(self) -> str:
        return self.name


def _sgd(i: int, **options) -> Sgd:
    return Sgd(lr=SGD_LR[i], **options)


def _adam(i: int) -> Adam:
    return Adam(lr=ADAM_LR[i], beta1=BETA1[i], beta2=BETA2[i], eps=EPS[i])


def _torch_sgd(groups: list, i: int, **options) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=SGD_LR[i], **options)


def _torch_adam(groups: list, i: int, kind=torch.optim.Adam) -> torch.optim.Optimizer:
    betas = (BETA1[i], BETA2[i])
    return kind(groups, lr=ADAM_LR[i], betas=betas, eps=EPS[i], weight_decay=0.0)


def _pulled(groups: list, i: int) -> list:
    """Torch's weight_decay on the first group only: biases are left out."""
    return [{**groups[0], "weight_decay": PULL[i]}, {**groups[1], "weight_decay": 0.0}]


def _shrunk_sgd(groups: list, i: int) -> torch.optim.Optimizer:
    """SGD with decoupled decay by hand, since torch has none: w *= 1 - lr * decay, then SGD."""
    inner = torch.optim.SGD(groups, lr=SGD_LR[i], momentum=MOMENTUM[i])

    def shrink(*_) -> None:
        for weight in groups[0]["params"]:
            weight.data.mul_(1 - SGD_LR[i] * PULL[i])

    inner.register_step_pre_hook(shrink)
    return inner


RULES = [
    Rule("sgd", lambda i: [_sgd(i)], _torch_sgd),
    Rule(
        "momentum",
        lambda i: [_sgd(i, momentum=MOMENTUM[i])],
        lambda g, i: _torch_sgd(g, i, momentum=MOMENTUM[i]),
    ),
    Rule(
        "nesterov",
        lambda i: [_sgd(i, momentum=MOMENTUM[i] or 0.3, nesterov=True)],
        lambda g, i: _torch_sgd(g, i, momentum=MOMENTUM[i] or 0.3, nesterov=True),
    ),
    Rule("adam", lambda i: [_adam(i)], _torch_adam),
    Rule(
        "adamw",
        lambda i: [_adam(i), Decay(weight_decay=PULL[i])],
        lambda g, i: _torch_adam(_pulled(g, i), i, torch.optim.AdamW),
    ),
    Rule(
        "sgd with decay",
        lambda i: [_sgd(i, momentum=MOMENTUM[i]), Decay(weight_decay=PULL[i])],
        _shrunk_sgd,
    ),
    Rule(
        "sgd with l2 in the loss",
        lambda i: [_sgd(i, momentum=MOMENTUM[i]), L2(weight=PULL[i])],
        lambda g, i: _torch_sgd(g, i, momentum=MOMENTUM[i]),
        lambda i: PULL[i],
    ),
    Rule(
        "adam with l2 in the loss",
        lambda i: [_adam(i), L2(weight=PULL[i])],
        _torch_adam,
        lambda i: PULL[i],
    ),
]
# Torch adds its weight_decay after clipping, we before: so unclipped only.
UNCLIPPED = [
    Rule(
        "sgd with torch's weight_decay",
        lambda i: [_sgd(i, momentum=MOMENTUM[i]), L2(weight=PULL[i])],
        lambda g, i: _torch_sgd(_pulled(g, i), i, momentum=MOMENTUM[i]),
    ),
    Rule(
        "adam with torch's weight_decay",
        lambda i: [_adam(i), L2(weight=PULL[i])],
        lambda g, i: _torch_adam(_pulled(g, i), i),
    ),
]


@dataclass(frozen=True)
class Clip:
    name: str
    ours: Callable[[int], list[Any]] = lambda i: []
    twin: Callable[[list, int], Any] = lambda parameters, i: None

    def __str__(self) -> str:
        return self.name


CLIPS = [
    Clip("unclipped"),
    Clip(
        "by norm",
        lambda i: [ClipNorm(max_norm=MAX_NORM[i])],
        lambda parameters, i: clip_grad_norm_(parameters, MAX_NORM[i]),
    ),
    Clip(
        "by value",
        lambda i: [ClipValue(max_value=MAX_VALUE[i])],
        lambda parameters, i: clip_grad_value_(parameters, MAX_VALUE[i]),
    ),
]
CASES = [
    *((rule, clip) for rule in RULES for clip in CLIPS),
    *((rule, CLIPS[0]) for rule in UNCLIPPED),
]


def _descend(rule: Rule, clip: Clip, i: int, decayed: list, other: list, loss) -> None:
    """What a person would write for one member."""
    optimizer = rule.twin([{"params": decayed}, {"params": other}], i)
    for _ in range(STEPS):
        optimizer.zero_grad()
        penalty = sum((w.square().sum() for w in decayed), torch.tensor(0.0))
        (loss() + rule.penalty(i) / 2 * penalty).backward()
        clip.twin([*decayed, *other], i)
        optimizer.step()


@pytest.mark.parametrize(("rule", "clip"), CASES, ids=str)
def test_each_member_of_a_cohort_steps_as_torch_optim_does(rule: Rule, clip: Clip) -> None:
    dataset = table("regression", rows=30, folds=1)
    fixed = [Minibatch(batch_size=30, epochs=STEPS), Mlp(width=6, depth=1), Tanh()]
    members = [
        Member(
            Recipe(*fixed, Embedding(dim=2), *rule.ours(i), *clip.ours(i)).for_task("regression"),
            seed=i,
        )
        for i in MEMBERS
    ]
    cohort = cohort_of(members, dataset)
    batch = dataset.batch(cohort.folds, torch.arange(30).expand(len(MEMBERS), 30))
    ends = cohort.network.weights.views(stepped(cohort, batch, STEPS).weights)

    begins = cohort.network.weights.views(start(cohort).weights)
    for i in MEMBERS:
        own = {name: w[i].clone().requires_grad_() for name, w in begins.items()}
        numbers, codes = batch.inputs["numbers"][i], batch.inputs["categories"][i]

        def loss(own=own, numbers=numbers, codes=codes, target=batch.target[i]) -> Tensor:
            table = own["categories.table"]
            h = torch.cat([numbers, table[codes[:, 0]], table[3 + codes[:, 1]]], 1)
            h = torch.tanh(h @ own["layer0.weight"] + own["layer0.bias"])
            return (h @ own["head.weight"] + own["head.bias"] - target).square().mean()

        decayed = [w for name, w in own.items() if not name.endswith("bias")]
        other = [w for name, w in own.items() if name.endswith("bias")]
        _descend(rule, clip, i, decayed, other, loss)
        for name, w in own.items():
            torch.testing.assert_close(ends[name][i], w.detach(), rtol=0, atol=1e-10)


def _valley(w: Tensor) -> Tensor:
    """Rosenbrock's function over the last axis, summed: curved, and badly conditioned."""
    x, y = w[..., ::2], w[..., 1::2]
    return (0.1 * (y - x.square()).square() + 0.05 * (1 - x).square()).sum(-1)


def _stacked(instances: list[Any]) -> dict[str, Any]:
    """Numbers of one ingredient a member, [M]; what cannot differ stays as it is."""
    return {
        field.name: torch.tensor([getattr(x, field.name) for x in instances], dtype=torch.float64)
        if field.per_member
        else getattr(instances[0], field.name)
        for field in fields_of(type(instances[0]))
    }


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_pure_functions_descend_as_torch_optim_does(rule: Rule) -> None:
    """The same without a population: functions on [M, P] and a mask of ones."""
    rng = torch.Generator().manual_seed(3)
    flat = torch.randn(len(MEMBERS), 8, generator=rng, dtype=torch.float64)
    alone, mask = flat.clone(), torch.ones(8, dtype=torch.float64)
    by_member = [rule.ours(i) for i in MEMBERS]
    kinds = {type(x): [own[k] for own in by_member] for k, x in enumerate(by_member[0])}
    (optimizer, *extras) = [(entry_of(x[0]), _stacked(x)) for x in kinds.values()]
    entry, numbers = optimizer
    lr = numbers.pop("lr")
    slots = entry.slots(flat)
    for t in range(STEPS):
        w = flat.clone().requires_grad_()
        (grad,) = torch.autograd.grad(_valley(w).sum(), w)
        for penalty, its in extras:
            if penalty.place == "loss":
                grad = grad + penalty.apply(flat, mask, **its)[1]
        direction, slots = entry.apply(grad, slots, t, **numbers)
        for shrink, its in extras:
            if shrink.place == "update":
                flat = decay(flat, mask, lr, **its)
        flat = flat - lr[:, None] * direction
    for i in MEMBERS:
        w = alone[i].clone().requires_grad_()
        idle = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        _descend(rule, CLIPS[0], i, [w], [idle], lambda w=w, z=idle: _valley(w) + 0 * z.sum())
        torch.testing.assert_close(flat[i], w.detach(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("clip", CLIPS[1:], ids=str)
def test_clipping_equals_torch_per_member(clip: Clip) -> None:
    rng = torch.Generator().manual_seed(4)
    grad = torch.randn(len(MEMBERS), 40, generator=rng, dtype=torch.float64)
    instances = [clip.ours(i)[0] for i in MEMBERS]
    clipped = entry_of(instances[0]).apply(grad, **_stacked(instances))
    for i in MEMBERS:
        parts = [torch.zeros(n, dtype=torch.float64, requires_grad=True) for n in (30, 10)]
        for part, own in zip(parts, grad[i].split([30, 10]), strict=True):
            part.grad = own.clone()
        clip.twin(parts, i)
        torch.testing.assert_close(
            clipped[i], torch.cat([p.grad for p in parts]), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("clip", CLIPS[1:], ids=str)
def test_an_infinite_limit_is_the_identity(clip: Clip) -> None:
    rng = torch.Generator().manual_seed(5)
    grad = 1e6 * torch.randn(3, 40, generator=rng, dtype=torch.float64)
    entry = entry_of(clip.ours(0)[0])
    (field,) = fields_of(entry.kind)
    off = entry.apply(grad, **{field.name: torch.full((3,), torch.inf, dtype=torch.float64)})
    assert torch.equal(off, grad)


def test_l2_equals_decay_for_plain_sgd_and_not_for_adam() -> None:
    dataset = table("regression", rows=30, folds=1)
    batch = dataset.batch(torch.zeros(2, dtype=torch.int64), torch.arange(30).expand(2, 30))

    def gap(optimizer: Any) -> float:
        """Largest difference between a member with L2 and one with decay, both of 0.3."""
        fixed = [Minibatch(batch_size=30, epochs=STEPS), Mlp(width=6, depth=1), Tanh(), optimizer]
        members = [
            Member(Recipe(*fixed, pull).for_task("regression"))
            for pull in (L2(weight=0.3), Decay(weight_decay=0.3))
        ]
        weights = stepped(cohort_of(members, dataset), batch, STEPS).weights
        return float((weights[0] - weights[1]).abs().max())

    assert gap(Sgd(lr=0.1)) < 1e-12
    assert gap(Adam(lr=0.01)) > 1e-2
