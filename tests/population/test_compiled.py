"""The compiled trainer equals the readable step: same members, same rows, same draws.

Both are compared with the readable step in float64, which is the truth here: the trainer's distance
from it may be a few times that of the readable step in float32, and both round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from shrinkage import kernels
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.catalog import ENTRIES
from shrinkage.errors import BadInput
from shrinkage.losses.class_weight import ClassWeight
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
from shrinkage.nets.resnet import Resnet
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm, ClipValue
from shrinkage.optim.decay import Decay
from shrinkage.optim.sam import Sam
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.compiled import KNOWN, knows
from shrinkage.population.predict import forward, predict
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.plateau import Plateau
from shrinkage.schedules.warmup import Warmup
from shrinkage.testing.case import cohort_of, fit_quality, small_table

STEPS = 40
BASE = (Minibatch(batch_size=16, epochs=20), Mlp(width=12, depth=2), Embedding(dim=3))
# Large eps: the sign of a gradient that is nothing but rounding is not what is compared.
ADAM = Adam(lr=0.01, eps=1e-2)


def members(*own: Any, task: str = "classification", steps: Any = ADAM) -> list[Member]:
    """Members with seeds, folds and rates of their own, with and without what can be off."""
    recipe = Recipe(*BASE).using(steps, *own)
    rates = (replace(steps, lr=steps.lr * factor) for factor in (1, 2, 0.5))
    recipes = [recipe, *(recipe.using(each) for each in rates)]
    seeds, folds = (0, 0, 3, 4), (0, 1, 1, 0)
    return [Member(r.for_task(task), s, f) for r, s, f in zip(recipes, seeds, folds, strict=True)]


CASES: dict[str, Callable[[], list[Member]]] = {
    "plain": lambda: members(),
    "momentum": lambda: members(steps=Sgd(lr=0.05, momentum=0.9)),
    "nesterov": lambda: members(steps=Sgd(lr=0.05, momentum=0.8, nesterov=True)),
    "no hidden layer": lambda: members(Mlp(width=12, depth=0)),
    "wide": lambda: members(Mlp(width=331, depth=1), BatchNorm(), Dropout(rate=0.2)),
    "numbers": lambda: members(BatchNorm(), Dropout(rate=0.1), task="regression"),
    "batch norm": lambda: members(BatchNorm(momentum=0.2)),
    "layer norm": lambda: members(LayerNorm()),
    "group norm": lambda: members(GroupNorm(groups=3)),
    "periodic": lambda: members(Periodic(frequencies=5, dim=4, sigma=0.4)),
    "dropout": lambda: members(Dropout(rate=0.3)),
    "smoothing and weights": lambda: members(LabelSmoothing(eps=0.1), ClassWeight(power=0.7)),
    "decay and clipping": lambda: members(
        Decay(weight_decay=0.5), ClipNorm(max_norm=0.3), ClipValue(max_value=0.05)
    ),
    "average": lambda: members(Ema(decay=0.9)),
    "plateau": lambda: members(
        Plateau(factor=0.5, patience=0, watch="training"), Warmup(share=0.2)
    ),
    "default": lambda: [
        Member(load("default").set(SMALLER).using(ADAM).for_task("classification"), seed)
        for seed in (0, 1)
    ],
    "on beside off": lambda: [
        *members(Dropout(rate=0.4), Ema(decay=0.9), LabelSmoothing(eps=0.2)),
        *members(),
    ],
}
CASES |= {
    name: lambda own=own: members(own)
    for name, own in (
        ("relu", activation.Relu()),
        ("leaky", activation.LeakyRelu(slope=0.2)),
        ("elu", activation.Elu(alpha=0.7)),
        ("tanh", activation.Tanh()),
        ("sigmoid", activation.Sigmoid()),
        ("gelu", activation.Gelu()),
        ("mish", activation.Mish()),
    )
}
SMALLER = {"network.mlp.width": 24, "data.minibatch.batch_size": 16}


def cohort(own: list[Member], dtype: torch.dtype = torch.float32) -> Cohort:
    return cohort_of(own, small_table(own[0].recipe.get("loss") and _task(own), dtype=dtype))


def _task(own: list[Member]) -> str:
    numbers = type(own[0].recipe.get("loss")).__name__ == "SquaredError"
    return "regression" if numbers else "classification"


def outputs(its: Cohort, steps: int = STEPS) -> Tensor:
    """What each member's network says of its validation rows after training, [M, n, ...]."""
    training = advance(Training.begin(its), steps, fit_quality)
    assert not training.left
    found = []
    for position, member in enumerate(its.members):
        outcome, alone = training.outcome(position), its.select([position])
        rows = [its.dataset.folds[member.fold].validation]
        found += predict(alone, outcome.weights, outcome.statistics, rows)
    return torch.stack(found).double()


@pytest.mark.parametrize("name", CASES)
def test_it_trains_as_the_readable_step_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = CASES[name]()
    its = cohort(own)
    assert its.compiled is not None
    compiled = outputs(its)
    monkeypatch.setattr(kernels, "available", lambda: False)
    readable = cohort(own)
    assert readable.compiled is None
    rounded, true = outputs(readable), outputs(cohort(own, torch.float64))
    scale = true.abs().amax()
    assert (true[0] - true[-1]).abs().amax() > 1e-3 * scale, "members differ"
    distance = (compiled - true).abs().amax() / scale
    assert distance < 5 * (rounded - true).abs().amax() / scale + 2e-6


@pytest.mark.parametrize("rows", [1, 70, 700])
@pytest.mark.parametrize("name", CASES)
def test_it_predicts_as_the_readable_network_does(name: str, rows: int) -> None:
    own = CASES[name]()
    dataset = small_table(_task(own), rows=rows, dtype=torch.float32)
    its = cohort_of(own, dataset)
    assert its.compiled is not None
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(len(own), its.network.weights.size, generator=random)
    statistics = torch.rand(len(own), its.network.statistics.size, generator=random) + 0.1
    samples = [dataset.folds[member.fold].train for member in own]
    found = its.compiled.outputs(weights, statistics, samples)
    expected = forward(its.network, weights.double(), statistics.double(), samples)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape == (rows, dataset.outputs)
        assert (ours - theirs).abs().amax() < 2e-5 * theirs.abs().amax()


@pytest.mark.parametrize("name", ["default", "on beside off", "plateau"])
def test_cutting_a_training_into_calls_changes_nothing(name: str) -> None:
    own = CASES[name]()
    whole, parts = Training.begin(cohort(own)), Training.begin(cohort(own))
    whole = advance(whole, STEPS, fit_quality)
    for until in (1, 2, 7, 20, 33, STEPS):
        parts = advance(parts, until, fit_quality)
    assert torch.equal(whole.state.weights, parts.state.weights)
    assert torch.equal(whole.state.statistics, parts.state.statistics)
    assert torch.equal(whole.state.worst_loss, parts.state.worst_loss)


def test_a_member_is_the_same_alone_and_among_others() -> None:
    own = CASES["on beside off"]()
    together = advance(Training.begin(cohort(own)), STEPS, fit_quality)
    for position in (0, 3, 6):
        alone = advance(Training.begin(cohort([own[position]])), STEPS, fit_quality)
        size = alone.state.weights.shape[1]
        assert torch.equal(alone.state.weights[0], together.state.weights[position][:size])


STRANGE = [
    (Resnet(width=8, blocks=1),),
    (InstanceNorm(positions=3),),
    (Mixup(alpha=0.2),),
    (Sam(rho=0.05),),
    (Snapshot(count=2),),
]


@pytest.mark.parametrize("own", STRANGE, ids=lambda own: type(own[0]).__name__)
def test_what_it_does_not_know_goes_by_the_readable_step(own: tuple) -> None:
    assert cohort(members(*own)).compiled is None


def test_who_reckons_with_the_trainer_knows_what_it_takes() -> None:
    """`knows` of a recipe is what a cohort of it does, which looks at the network itself."""
    taken = {True: 0, False: 0}
    for kind in [entry.kind for entry in ENTRIES if entry.place in KNOWN]:
        for task in ("classification", "regression"):
            try:
                own = [Member(Recipe(*BASE).using(ADAM, kind()).for_task(task), 0, 0)]
                found = cohort(own).compiled is not None
            except (BadInput, TypeError):  # of the other task, or of another kind of data
                continue
            assert found == knows(own[0].recipe), kind
            taken[found] += 1
    assert taken[True] > 20
    assert taken[False] > 10


def test_float64_goes_by_the_readable_step() -> None:
    assert cohort(members(), torch.float64).compiled is None


def test_batch_norm_without_a_batch_is_refused() -> None:
    """A running variance of one row is not a number, and a curve would not show it."""
    one = Minibatch(batch_size=1, epochs=1)
    its = cohort(members(one, BatchNorm()))
    assert its.compiled is not None
    with pytest.raises(ValueError, match="batch norm needs at least 2 rows"):
        advance(Training.begin(its), 1, fit_quality)
    assert cohort(members(one, LayerNorm())).compiled is not None


def test_batch_norm_asks_for_a_batch_only_where_a_layer_has_it() -> None:
    linear = (Minibatch(batch_size=1, epochs=1), Mlp(depth=0))
    normed, bare = (cohort(members(*linear, *more)) for more in ((BatchNorm(),), ()))
    assert normed.compiled is not None
    assert torch.equal(outputs(normed), outputs(bare))


def test_a_member_that_diverges_is_seen_and_leaves() -> None:
    own = members(steps=Sgd(lr=1e4), task="regression")
    training = advance(Training.begin(cohort(own)), STEPS, fit_quality)
    assert {outcome.reason for outcome in training.left.values()} != {None}
    assert len(training.left) == len(own)
