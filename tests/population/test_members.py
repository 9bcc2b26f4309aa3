"""Members do not feel each other: alone, permuted, neighbours gone, off beside on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from population.samples import cohort_of, fit_quality, switched_on, table, trained
from shrinkage.augment.input_noise import InputNoise
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.swa import Swa
from shrinkage.catalog import ENTRIES, Entry
from shrinkage.ingredient import neutral, switchable
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.huber import Huber
from shrinkage.losses.l1 import L1
from shrinkage.losses.l2 import L2
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets import activation, initialize
from shrinkage.nets.activation_noise import ActivationNoise
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.drop_connect import DropConnect
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.layer_dropout import LayerDropout
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.piecewise_linear import PiecewiseLinear
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop
from shrinkage.nets.shake_shake import ShakeShake
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm, ClipValue
from shrinkage.optim.decay import Decay
from shrinkage.optim.max_norm import MaxNorm
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Member
from shrinkage.population.state import start
from shrinkage.population.train import Training, advance
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.constant import Constant
from shrinkage.schedules.cosine import Cosine
from shrinkage.schedules.flat_cosine import FlatCosine
from shrinkage.schedules.plateau import Plateau
from shrinkage.schedules.warmup import Warmup

COUNT, STEPS = 64, 50
# 60 rows in batches of 16: batches span epochs, and 50 steps end inside the 14th.
ROWS = Minibatch(batch_size=16, epochs=14)


def _switched(rng: np.random.Generator) -> list[Any]:
    """Every ingredient that can be off, each on in about two members of three."""
    number = rng.uniform
    options = [
        (Dropout(rate=number(0, 0.6)), LayerDropout(input=0.1, layer1=number(0, 0.6)))[
            rng.integers(2)
        ],
        DropConnect(rate=number(0, 0.5)),
        ActivationNoise(std=number(0, 0.3)),
        ShakeShake(strength=number(0, 1)),
        (StochasticDepth(rate=number(0, 0.6)), ShakeDrop(rate=number(0, 0.6)))[rng.integers(2)],
        Mixup(alpha=number(0.05, 2)),
        InputNoise(std=number(0, 0.3)),
        Decay(weight_decay=number(0, 0.5)),
        MaxNorm(limit=number(0.5, 2)),
        L1(weight=number(0, 0.01)),
        L2(weight=number(0, 0.1)),
        Ema(decay=number(0.5, 0.99)),
        Lookahead(k=int(rng.integers(2, 7)), alpha=number(0.2, 0.8)),
        Swa(start=number(0.2, 1)),
        ClipNorm(max_norm=number(0.1, 5)),
        ClipValue(max_value=number(0.01, 1)),
        Warmup(share=number(0, 0.3)),
        Plateau(
            factor=number(0.3, 0.9), patience=2.0, watch=("validation", "training")[number() < 0.5]
        ),
    ]
    return [option for option in options if rng.random() < 2 / 3]


def _tables(rng: np.random.Generator) -> list[Any]:
    number = rng.uniform
    return [
        *(
            option
            for option in (LabelSmoothing(eps=number(0, 0.3)), ClassWeight(power=number(0, 1)))
            if rng.random() < 2 / 3
        ),
        Mlp(width=8, depth=2),
        BatchNorm(momentum=number(0.05, 0.5)),
        activation.Mish(),
        Periodic(frequencies=4, dim=3, sigma=number(0.05, 0.5)),
        Adam(lr=10 ** number(-3.5, -1.5), beta1=number(0.5, 0.95), beta2=number(0.9, 0.999)),
        (Constant(), Cosine(), FlatCosine(flat=0.5))[rng.integers(3)],
        (initialize.Kaiming(), initialize.Xavier(), initialize.Normal(std=0.1))[rng.integers(3)],
    ]


def _numbers(rng: np.random.Generator) -> list[Any]:
    number = rng.uniform
    return [
        Resnet(width=8, blocks=1, expansion=1.5, branches=2),
        LayerNorm(),
        activation.Tanh(),
        PiecewiseLinear(bins=4, dim=2),
        Huber(delta=number(0.3, 2)),
        Sgd(lr=10 ** number(-2, -0.7), momentum=number(0, 0.9), nesterov=True),
    ]


@dataclass(frozen=True)
class Setting:
    """A population of 64 different members, and those that are compared with themselves alone."""

    task: str
    draw: Callable[[np.random.Generator], list[Any]]
    compared: range

    def __str__(self) -> str:
        return self.task

    def members(self) -> list[Member]:
        found = []
        for i in range(COUNT):
            rng = np.random.default_rng(i)
            recipe = Recipe(ROWS, *self.draw(rng), *_switched(rng)).for_task(self.task)
            found.append(Member(recipe, seed=i % 5, fold=i % 2))
        return found


SETTINGS = [
    Setting("classification", _tables, range(0, COUNT, 7)),
    Setting("regression", _numbers, range(3, COUNT, 13)),
]


@pytest.fixture(scope="module")
def together() -> dict[str, Training]:
    """Each setting trained as one population of 64."""
    return {s.task: trained(cohort_of(s.members(), table(s.task)), STEPS) for s in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_member_of_64_equals_the_same_recipe_alone(setting: Setting, together) -> None:
    population, members = together[setting.task], setting.members()
    assert len(population.alive) == COUNT
    for i in setting.compared:
        alone = trained(cohort_of([members[i]], table(setting.task)), STEPS).outcome(0)
        ours = population.outcome(i)
        torch.testing.assert_close(ours.weights, alone.weights, rtol=0, atol=1e-8)
        torch.testing.assert_close(ours.statistics, alone.statistics, rtol=0, atol=1e-8)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_permuting_members_permutes_results(setting: Setting, together) -> None:
    population, members = together[setting.task], setting.members()
    order = np.random.default_rng(0).permutation(COUNT).tolist()
    shuffled = trained(cohort_of([members[i] for i in order], table(setting.task)), STEPS)
    torch.testing.assert_close(
        shuffled.state.weights, population.state.weights[order], rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_training_moved_every_member_its_own_way(setting: Setting, together) -> None:
    """Guards the tests above: members that never moved would be equal to anything."""
    population = together[setting.task]
    begin = start(population.cohort).weights
    moved = (population.state.weights - begin).abs().amax(1)
    assert moved.min() > 1e-3
    gaps = torch.cdist(population.state.weights, population.state.weights)
    assert gaps.fill_diagonal_(torch.inf).min() > 1e-3


def test_members_of_one_seed_share_rows_weights_and_masks() -> None:
    fixed = (ROWS, Mlp(width=8, depth=1))
    members = [
        Member(Recipe(*fixed, Dropout(rate=r), Adam(lr=lr)).for_task("classification"), seed=s)
        for r, lr, s in ((0.2, 1e-3, 4), (0.6, 1e-1, 4), (0.2, 1e-3, 5))
    ]
    cohort = cohort_of(members, table())
    weights = start(cohort).weights
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])

    draws = Draws(cohort.seeds, step=3)
    rates = cohort.hyper["dropout"]["rate"]
    kept = draws.uniform("dropout.0", (16, 8)) >= rates[:, None, None]
    assert not (kept[1] & ~kept[0]).any()  # nested: what the larger rate keeps, the smaller does
    assert kept[0].sum() > kept[1].sum()
    assert not torch.equal(kept[0], kept[2])


@dataclass(frozen=True)
class Shape:
    """Members that share a seed start from equal arrays where these exist in both networks."""

    name: str
    left: tuple[Any, ...]
    right: tuple[Any, ...]
    shared: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


SHAPES = [
    Shape("norm added", (Mlp(width=8),), (Mlp(width=8), BatchNorm()),
          ("layer0.weight", "layer1.weight", "head.weight", "categories.table")),
    Shape("layer added", (Mlp(width=8, depth=2),), (Mlp(width=8, depth=3),),
          ("layer0.weight", "layer1.weight", "head.weight")),
    Shape("numbers embedded", (Mlp(width=8),), (Mlp(width=8), Periodic()),
          ("layer1.weight", "head.weight", "categories.table")),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_networks_of_one_seed_start_equal_where_shapes_match(shape: Shape) -> None:
    views = []
    for own in (shape.left, shape.right):
        cohort = cohort_of([Member(Recipe(*own).for_task("classification"), seed=9)], table())
        views.append(cohort.network.weights.views(start(cohort).weights))
    for name in shape.shared:
        assert torch.equal(views[0][name], views[1][name])


SWITCHABLE = [entry for entry in ENTRIES if switchable(entry.kind)]


BASE = Recipe(ROWS, Mlp(width=8, depth=2), BatchNorm(), Adam(lr=0.01)).for_task("classification")
BRANCHED = BASE.using(Resnet(width=8, blocks=2, expansion=1.5, branches=2))
NEEDED = {"residual blocks": BRANCHED, "two residual branches": BRANCHED}


def _base(entry: Entry) -> Recipe:
    """A recipe in which the ingredient acts."""
    return NEEDED.get(entry.only, BASE)


@pytest.mark.parametrize("entry", SWITCHABLE, ids=lambda entry: entry.name)
def test_neutral_is_the_same_recipe_as_without(entry: Entry) -> None:
    base = _base(entry)
    off = base.using(neutral(entry.kind))
    assert off == base
    assert off.hash == base.hash
    on = base.using(switched_on(entry))
    assert on != base
    assert on.hash != base.hash
    assert on.signature == base.signature


@pytest.mark.parametrize("entry", SWITCHABLE, ids=lambda entry: entry.name)
def test_neutral_beside_a_member_that_has_it_on_trains_as_without(entry: Entry) -> None:
    """Exact but for the order of sums: row weights of 1 are summed from mixed targets, and a
    product of other members beside may round in another order."""
    base = _base(entry)
    on, off = Member(base.using(switched_on(entry)), seed=1), Member(base, seed=1)
    mixed = trained(cohort_of([on, off], table()), STEPS).outcome(1)
    plain = trained(cohort_of([off, off], table()), STEPS).outcome(1)
    torch.testing.assert_close(mixed.weights, plain.weights, rtol=0, atol=1e-12)
    torch.testing.assert_close(mixed.statistics, plain.statistics, rtol=0, atol=1e-12)


# Those that wait for something to get worse are tested where they are at home.
WAIT = {"early_stopping", "plateau"}
MATTERS = [entry for entry in SWITCHABLE if entry.name not in WAIT]


@pytest.mark.parametrize("entry", MATTERS, ids=lambda entry: entry.name)
def test_on_trains_another_way_than_off(entry: Entry) -> None:
    """Guards the test above: an ingredient that never acts would pass it."""
    base = _base(entry)
    pair = [Member(base.using(switched_on(entry)), seed=1), Member(base, seed=1)]
    training = trained(cohort_of(pair, table()), STEPS)
    on, off = training.outcome(0), training.outcome(1)
    assert (on.weights - off.weights).abs().max() > 1e-6


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_members_dropped_midway_leave_the_others_as_they_would_have_been(
    setting: Setting, together
) -> None:
    members, gone = setting.members(), set(range(1, COUNT, 2)) | {0, 2, 4}
    cohort = cohort_of(members, table(setting.task))
    halfway = advance(Training.begin(cohort), STEPS // 2, fit_quality).drop(gone)
    ended = advance(halfway, STEPS, fit_quality)
    assert ended.alive == tuple(i for i in range(COUNT) if i not in gone)
    for i in ended.alive:
        ours, whole = ended.outcome(i), together[setting.task].outcome(i)
        torch.testing.assert_close(ours.weights, whole.weights, rtol=0, atol=1e-8)
        torch.testing.assert_close(ours.statistics, whole.statistics, rtol=0, atol=1e-8)


@pytest.mark.parametrize("entry", SWITCHABLE, ids=lambda entry: entry.name)
def test_the_last_member_with_an_ingredient_can_be_dropped(entry: Entry) -> None:
    base = _base(entry)
    on, off = Member(base.using(switched_on(entry)), seed=1), Member(base, seed=1)
    halfway = advance(Training.begin(cohort_of([on, off], table())), 45, fit_quality)
    ended = advance(halfway.drop({0}), STEPS, fit_quality).outcome(1)
    plain = trained(cohort_of([off, off], table()), STEPS).outcome(1)
    torch.testing.assert_close(ended.weights, plain.weights, rtol=0, atol=1e-12)
