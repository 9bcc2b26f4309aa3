"""Whole networks against the same written out for one member, and against differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from population.samples import CARDINALITIES, cohort_of, table
from shrinkage.augment.mixup import Mixup
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.huber import Huber
from shrinkage.losses.l1 import L1
from shrinkage.losses.l2 import L2
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets import activation
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.group_norm import GroupNorm
from shrinkage.nets.instance_norm import InstanceNorm
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.piecewise_linear import PiecewiseLinear
from shrinkage.nets.resnet import Resnet
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.state import State, start
from shrinkage.population.step import step
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe

ROWS, WIDTH = 20, 6
RATES, SEEDS = (0.0, 0.2, 0.5), (0, 0, 3)
Weights = dict[str, Tensor]


@dataclass
class Alone:
    """One member's network, spelled out with torch.nn.functional; masks are given."""

    weights: Weights
    statistics: Weights
    activation: Callable[[Tensor], Tensor]
    norm: str
    masks: Callable[[str], Tensor | float]
    training: bool

    def linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"])

    def none(self, x: Tensor, name: str) -> Tensor:
        return x

    def layer_norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        return functional.layer_norm(x, (len(scale),), scale, shift)

    def group_norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        return functional.group_norm(x, 3, scale, shift)

    def instance_norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        channels = x.unflatten(1, (-1, 3))
        return functional.instance_norm(channels, weight=scale, bias=shift).flatten(1)

    def batch_norm(self, x: Tensor, name: str) -> Tensor:
        return functional.batch_norm(
            x,
            self.statistics[f"{name}.mean"].clone(),
            self.statistics[f"{name}.variance"].clone(),
            self.weights[f"{name}.scale"],
            self.weights[f"{name}.shift"],
            training=self.training,
        )

    def normed(self, x: Tensor, name: str) -> Tensor:
        return getattr(self, self.norm)(x, name)

    def mlp(self, x: Tensor) -> Tensor:
        for layer in (0, 1):
            x = self.normed(self.linear(x, f"layer{layer}"), f"layer{layer}.norm")
            x = self.activation(x) * self.masks(f"dropout.{layer}")
        return self.linear(x, "head")

    def resnet(self, x: Tensor) -> Tensor:
        h = self.linear(x, "stem")
        for block in (0, 1):
            u = self.linear(self.normed(h, f"block{block}.norm"), f"block{block}.up")
            u = self.activation(u) * self.masks(f"dropout.{block}.inner")
            h = h + self.linear(u, f"block{block}.down") * self.masks(f"dropout.{block}")
        return self.linear(self.activation(self.normed(h, "head.norm")), "head")

    def plain(self, x: Tensor) -> Tensor:
        return x

    def periodic(self, x: Tensor) -> Tensor:
        w = self.weights
        columns = []
        for j in range(x.shape[1]):
            turns = x[:, j, None] * w["numbers.frequency"][j] + w["numbers.phase"][j]
            wave = torch.cos(2 * torch.pi * turns)
            columns += [x[:, j, None], wave @ w["numbers.weight"][j] + w["numbers.bias"][j]]
        return torch.cat(columns, 1)

    def piecewise_linear(self, x: Tensor) -> Tensor:
        columns = []
        for j in range(x.shape[1]):
            edges = self.statistics["numbers.edges"][j]
            ramp = (x[:, j, None] - edges[:-1]) / (edges[1:] - edges[:-1])
            ramp = torch.cat(
                [ramp[:, :1].clamp(-1, 1), ramp[:, 1:-1].clamp(0, 1), ramp[:, -1:].clamp(0, 2)], 1
            )
            columns.append(
                ramp @ self.weights["numbers.weight"][j] + self.weights["numbers.bias"][j]
            )
        return torch.cat(columns, 1)

    def categories(self, codes: Tensor) -> Tensor:
        tables = self.weights["categories.table"].split(CARDINALITIES)
        return torch.cat([functional.embedding(codes[:, j], t) for j, t in enumerate(tables)], 1)


@dataclass(frozen=True)
class Case:
    body: str
    numbers: str
    norm: str
    ingredients: tuple[Any, ...]
    activation: Callable[[Tensor], Tensor]

    def __str__(self) -> str:
        return f"{self.body}, {self.numbers}, {self.norm}"


MLP, RESNET = Mlp(width=WIDTH, depth=2), Resnet(width=WIDTH, blocks=2, expansion=1.5)
PERIODIC, RAMPS = Periodic(frequencies=5, dim=3, sigma=0.3), PiecewiseLinear(bins=4, dim=2)
CASES = [
    Case("mlp", "plain", "none", (MLP,), torch.relu),
    Case("mlp", "plain", "batch_norm", (MLP, BatchNorm(), activation.Mish()), functional.mish),
    Case("mlp", "periodic", "layer_norm", (MLP, LayerNorm(), PERIODIC), torch.relu),
    Case("mlp", "piecewise_linear", "batch_norm", (MLP, BatchNorm(), RAMPS), torch.relu),
    Case("mlp", "plain", "group_norm", (MLP, GroupNorm(groups=3)), torch.relu),
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
]


def _cohort(case: Case) -> Cohort:
    recipes = [Recipe(*case.ingredients, Embedding(dim=2), Dropout(rate=rate)) for rate in RATES]
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

    for i, (rate, seed) in enumerate(zip(RATES, SEEDS, strict=True)):

        def masks(stream: str, rate=rate, seed=seed) -> Tensor | float:
            width = WIDTH if "inner" not in stream else round(1.5 * WIDTH)
            u = Draws((seed,), step=4).uniform(stream, (ROWS, width))[0]
            return (u >= rate).double() / (1 - rate) if training else 1.0

        own = {name: w[i].detach().requires_grad_() for name, w in weights.items()}
        own_statistics = {name: s[i] for name, s in statistics.items()}
        alone = Alone(own, own_statistics, case.activation, case.norm, masks, training)
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
