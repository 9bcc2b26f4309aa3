"""Whole networks against the same written out for one member, and against differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nets.alone import Alone, numbers_of
from population.samples import cohort_of, table
from shrinkage.augment.mixup import Mixup
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.huber import Huber
from shrinkage.losses.l1 import L1
from shrinkage.losses.l2 import L2
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets import activation
from shrinkage.nets.activation_noise import ActivationNoise
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.drop_connect import DropConnect
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.group_norm import GroupNorm
from shrinkage.nets.instance_norm import InstanceNorm
from shrinkage.nets.layer_dropout import LayerDropout
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.piecewise_linear import PiecewiseLinear
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop
from shrinkage.nets.shake_shake import ShakeShake
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.nets.taper import Taper
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.state import State, start
from shrinkage.population.step import step
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe

ROWS, WIDTH = 20, 6
SEEDS = (0, 0, 3)
DROPOUT = tuple((Dropout(rate=rate),) for rate in (0.0, 0.2, 0.5))


@dataclass(frozen=True)
class Case:
    body: str
    numbers: str
    norm: str
    ingredients: tuple[Any, ...]
    activation: Callable[[Tensor], Tensor]
    own: tuple[tuple[Any, ...], ...] = DROPOUT
    """What each of the three members has beside that."""

    def __str__(self) -> str:
        noise = dict.fromkeys(type(x).__name__ for x in sum(self.own, ()))
        return ", ".join([self.body, self.numbers, self.norm, *noise])


MLP, RESNET = Mlp(width=WIDTH, depth=2), Resnet(width=WIDTH, blocks=2, expansion=1.5)
PERIODIC, RAMPS = Periodic(frequencies=5, dim=3, sigma=0.3), PiecewiseLinear(bins=4, dim=2)
CASES = [
    Case("mlp", "plain", "none", (MLP,), torch.relu),
    Case("mlp", "plain", "batch_norm", (MLP, BatchNorm(), activation.Mish()), functional.mish),
    Case("mlp", "periodic", "layer_norm", (MLP, LayerNorm(), PERIODIC), torch.relu),
    Case("mlp", "piecewise_linear", "batch_norm", (MLP, BatchNorm(), RAMPS), torch.relu),
    Case("mlp", "plain", "group_norm", (MLP, GroupNorm(groups=3)), torch.relu),
    Case("mlp", "plain", "layer_norm", (MLP, Taper(ratio=0.5), LayerNorm()), torch.relu),
    Case("mlp", "periodic", "batch_norm", (MLP, Taper(2.0), BatchNorm(), PERIODIC), torch.relu),
    Case("mlp", "plain", "instance_norm", (MLP, InstanceNorm(positions=3)), torch.relu),
    Case("resnet", "plain", "none", (RESNET, activation.Tanh()), torch.tanh),
    Case("resnet", "periodic", "batch_norm", (RESNET, BatchNorm(), PERIODIC), torch.relu),
    Case(
        "resnet",
        "piecewise_linear",
        "layer_norm",
        (RESNET, LayerNorm(), RAMPS, activation.Gelu()),
        functional.gelu,
    ),
    Case(
        "mlp",
        "plain",
        "none",
        (MLP,),
        torch.relu,
        (
            (LayerDropout(input=0.2, layer1=0.5, layer2=0.1), DropConnect(rate=0.3)),
            (Dropout(rate=0.2), ActivationNoise(std=0.3)),
            (),
        ),
    ),
    Case(
        "resnet",
        "plain",
        "batch_norm",
        (RESNET, BatchNorm()),
        torch.relu,
        (
            (StochasticDepth(rate=0.6), ActivationNoise(std=0.2)),
            (ShakeDrop(rate=0.7), DropConnect(rate=0.4)),
            (LayerDropout(input=0.1, layer1=0.2, layer2=0.4), ShakeDrop(rate=0.3)),
        ),
    ),
    Case(
        "resnet",
        "plain",
        "layer_norm",
        (replace(RESNET, branches=2), LayerNorm()),
        torch.relu,
        (
            (ShakeShake(strength=1.0), Dropout(rate=0.2)),
            (ShakeShake(strength=0.4), ShakeDrop(rate=0.5)),
            (StochasticDepth(rate=0.5), DropConnect(rate=0.2)),
        ),
    ),
]


def _cohort(case: Case) -> Cohort:
    recipes = [Recipe(*case.ingredients, Embedding(dim=2), *own) for own in case.own]
    members = [
        Member(recipe.for_task("classification"), seed, fold=i % 2)
        for i, (recipe, seed) in enumerate(zip(recipes, SEEDS, strict=True))
    ]
    return cohort_of(members, table(rows=ROWS))


def _stirred(flat: Tensor, seed: int) -> Tensor:
    """The buffer moved away from its start, where biases are zero and scales are one."""
    generator = torch.Generator().manual_seed(seed)
    return flat + 0.1 * torch.rand(flat.shape, generator=generator, dtype=flat.dtype)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_member_equals_the_network_written_out(case: Case, training: bool) -> None:
    cohort = _cohort(case)
    network, begin, draws = cohort.network, start(cohort), Draws(SEEDS, step=4)
    weights = {
        name: view.detach().requires_grad_()
        for name, view in network.weights.views(_stirred(begin.weights, 1)).items()
    }
    statistics = network.statistics.views(_stirred(begin.statistics, 2))
    positions = torch.arange(ROWS).expand(3, ROWS)
    inputs = cohort.dataset.batch(cohort.folds, positions).inputs
    output, _ = network.apply(
        weights, statistics, inputs, cohort.hyper, draws if training else None
    )
    pull = torch.randn(output.shape, generator=torch.Generator().manual_seed(3)).double()
    grads = torch.autograd.grad((output * pull).sum(), list(weights.values()))

    for i, member in enumerate(cohort.members):
        own = {name: w[i].detach().requires_grad_() for name, w in weights.items()}
        own_statistics = {name: s[i] for name, s in statistics.items()}
        alone = Alone(
            own,
            own_statistics,
            numbers_of(member.recipe),
            Draws((member.seed,), step=4) if training else None,
            case.activation,
            case.norm,
        )
        numbers = getattr(alone, case.numbers)(inputs["numbers"][i])
        x = torch.cat([numbers, alone.categories(inputs["categories"][i])], 1)
        expected = getattr(alone, case.body)(x)
        torch.testing.assert_close(output[i], expected, rtol=0, atol=1e-10)
        wanted = torch.autograd.grad((expected * pull[i]).sum(), list(own.values()))
        for ours, theirs in zip(grads, wanted, strict=True):
            torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-10)


@dataclass(frozen=True)
class Whole:
    """A recipe whose whole loss, everything on, is checked against central differences."""

    task: str
    ingredients: tuple[Any, ...]

    def __str__(self) -> str:
        return ", ".join(type(x).__name__ for x in self.ingredients)


SOFT = (Embedding(dim=2), Dropout(rate=0.3), Mixup(alpha=0.5), L1(weight=0.01), L2(weight=0.1))
WHOLE = [
    Whole(
        "classification",
        (MLP, BatchNorm(), PERIODIC, activation.Mish(), LabelSmoothing(eps=0.1),
         ClassWeight(power=0.7), *SOFT),
    ),
    Whole("classification", (RESNET, LayerNorm(), RAMPS, activation.Gelu(), *SOFT)),
    Whole("regression", (MLP, activation.Tanh(), *SOFT)),
    Whole(
        "classification",
        (MLP, BatchEnsemble(k=3), BatchNorm(), LabelSmoothing(eps=0.1), ClassWeight(power=0.7),
         DropConnect(rate=0.2), *SOFT),
    ),
    Whole("regression", (RESNET, BatchEnsemble(k=2), activation.Tanh(), StochasticDepth(rate=0.5))),
    Whole("classification", (MLP, GroupNorm(groups=3), DropConnect(rate=0.3), *SOFT)),
    Whole(
        "regression",
        (replace(RESNET, branches=2), InstanceNorm(positions=3), DropConnect(rate=0.2),
         ActivationNoise(std=0.2), StochasticDepth(rate=0.5), activation.Tanh(),
         LayerDropout(input=0.1, layer1=0.2, layer2=0.3)),
    ),
    Whole("regression", (RESNET, BatchNorm(), activation.Elu(), Huber(delta=0.5), *SOFT)),
]  # fmt: skip


@pytest.mark.parametrize("case", WHOLE, ids=str)
def test_the_step_follows_the_gradient_of_its_whole_loss(case: Whole) -> None:
    """Plain SGD at rate 1 moves by the gradient; the loss it reports is differenced."""
    dataset = table(case.task, rows=ROWS)
    recipe = Recipe(*case.ingredients, Sgd(lr=1.0)).for_task(case.task)
    cohort = cohort_of([Member(recipe, seed=s, fold=s % 2) for s in range(3)], dataset)
    batch = dataset.batch(cohort.folds, torch.arange(ROWS).expand(3, ROWS))
    begin = start(cohort)
    begin = replace(begin, weights=_stirred(begin.weights, 5))

    def stepped(weights: Tensor) -> tuple[State, Tensor]:
        fresh = replace(begin.map(Tensor.clone), weights=weights.clone())
        return step(cohort, fresh, batch)

    gradient = begin.weights - stepped(begin.weights)[0].weights
    generator = torch.Generator().manual_seed(6)
    for _ in range(6):
        direction = torch.randn(begin.weights.shape, generator=generator, dtype=torch.float64)
        h = 1e-6
        above, below = (stepped(begin.weights + s * h * direction)[1] for s in (1, -1))
        slope = (above - below) / (2 * h)
        torch.testing.assert_close(slope, (gradient * direction).sum(1), rtol=1e-6, atol=1e-8)


def test_dropout_draws_change_with_the_step_and_leave_inference_alone() -> None:
    cohort = _cohort(CASES[0])
    begin = start(cohort)
    weights = cohort.network.weights.views(begin.weights)
    inputs = cohort.dataset.batch(cohort.folds, torch.arange(ROWS).expand(3, ROWS)).inputs

    def output(draws: Draws | None) -> Tensor:
        return cohort.network.apply(weights, {}, inputs, cohort.hyper, draws)[0]

    first, again, other = (output(Draws(SEEDS, step=t)) for t in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first[0], output(None)[0])  # rate 0 is the identity
    changed = (first != other).flatten(1).any(1)
    assert changed.tolist() == [False, True, True]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inference_of_a_row_depends_on_no_other_row(case: Case) -> None:
    cohort = _cohort(case)
    begin, network = start(cohort), cohort.network
    views = network.weights.views(begin.weights), network.statistics.views(begin.statistics)
    inputs = cohort.dataset.batch(cohort.folds, torch.arange(ROWS).expand(3, ROWS)).inputs
    whole = network.apply(*views, inputs, cohort.hyper, None)[0]
    part = {name: x[:, 5:8] for name, x in inputs.items()}
    alone = network.apply(*views, part, cohort.hyper, None)[0]
    torch.testing.assert_close(alone, whole[:, 5:8], rtol=0, atol=1e-12)
