"""The mean of late weights: its equation, its limits, and the statistics that belong to it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from population.samples import CARDINALITIES, cohort_of, table, trained
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.swa import Swa, begun, mean_weights, swa, unbegun
from shrinkage.nets.adopt import adopt
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.remeasure import remeasured
from shrinkage.population.serve import served
from shrinkage.population.state import start
from shrinkage.population.train import Training, advance, presented
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.stopping.early_stopping import EarlyStopping

TOTAL = 200
START = [0.0, 0.5, 0.995, 1.0]


@pytest.mark.parametrize("member", range(4))
def test_the_mean_is_over_all_weights_from_its_start_on(member: int) -> None:
    generator = torch.Generator().manual_seed(0)
    path = torch.randn(TOTAL, 4, 6, generator=generator, dtype=torch.float64).cumsum(0)
    starts, slots = torch.tensor(START, dtype=torch.float64), unbegun(path[0])
    for t, weights in enumerate(path):
        kept, slots = swa(weights, slots, t, TOTAL, starts)
        assert kept is weights
        first = round(START[member] * TOTAL)
        expected = path[first : t + 1, member].mean(0) if t >= first else weights[member]
        ours = mean_weights(weights, slots, starts)[member]
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)
        assert bool(begun(slots)[member]) == (t >= first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("start", "total"), [(0.07, 100), (0.55, 100), (0.7, 10), (0.29, 2900)])
def test_it_begins_at_a_whole_share_of_the_steps(
    start: float, total: int, dtype: torch.dtype
) -> None:
    """Though the product of the two misses it by a rounding error, above or below."""
    first, weights = round(start * total), torch.ones(1, 3, dtype=dtype)
    for step, expected in ((first - 1, False), (first, True)):
        _, slots = swa(weights, unbegun(weights), step, total, torch.tensor([start], dtype=dtype))
        assert bool(begun(slots)) == expected


ROWS = Minibatch(batch_size=20, epochs=10)  # 3 steps an epoch of 60 rows, 30 in all
FIXED = (ROWS, Mlp(width=6, depth=2), Adam(lr=0.03))
PLAIN = Recipe(*FIXED).for_task("classification")


def test_a_population_presents_the_mean_and_trains_on_from_the_last() -> None:
    members = [Member(PLAIN), Member(PLAIN.using(Swa(start=0.5)))]
    cohort = cohort_of(members, table())
    assert torch.equal(
        trained(cohort, 15).outcome(1).weights, trained(cohort, 15).state.weights[1:]
    )
    ended = trained(cohort, 20)
    assert torch.equal(ended.state.weights[0], ended.state.weights[1])
    assert torch.equal(ended.outcome(0).weights[0], ended.state.weights[0])
    late = [trained(cohort, t).state.weights[1] for t in range(16, 21)]
    expected = torch.stack(late).mean(0)
    torch.testing.assert_close(ended.outcome(1).weights[0], expected, rtol=0, atol=1e-12)


AVERAGES = [Ema(decay=0.9), Lookahead(k=4, alpha=0.5), Swa(start=0.3), Swa(start=0.9)]


@pytest.mark.parametrize("beside", AVERAGES, ids=str)
@pytest.mark.parametrize("own", [None, *AVERAGES], ids=str)
def test_what_a_member_shows_does_not_depend_on_averages_beside_it(own: Any, beside: Any) -> None:
    """Bit for bit: the neutral value of each average hands on what it is given."""
    norm = PLAIN.using(BatchNorm())
    member = Member(norm.using(own) if own else norm)

    def seen(neighbour: Recipe) -> tuple[Tensor, Tensor]:
        """What validation sees of the member, with the whole population."""
        cohort = cohort_of([member, Member(neighbour)], table())
        weights, statistics, _ = presented(cohort, trained(cohort, 22).state)
        return weights[0], statistics[0]

    for with_it, without in zip(seen(norm.using(beside)), seen(norm), strict=True):
        assert torch.equal(with_it, without)


def test_a_member_with_two_averages_shows_the_later_one() -> None:
    both = PLAIN.using(Ema(decay=0.9), Swa(start=0.5))
    recipes = [both, PLAIN.using(Ema(decay=0.9)), PLAIN.using(Swa(start=0.5))]
    cohort = cohort_of([Member(recipe) for recipe in recipes], table())
    early, late = trained(cohort, 15), trained(cohort, 25)
    assert torch.equal(early.outcome(0).weights, early.outcome(1).weights)
    assert torch.equal(late.outcome(0).weights, late.outcome(2).weights)
    assert not torch.equal(late.outcome(0).weights, late.outcome(1).weights)


def _twin(arrays: dict[str, Tensor]) -> nn.Sequential:
    """One member's network in torch, with batch norms that average over batches."""
    layers: list[nn.Module] = []
    for name in ("layer0", "layer1"):
        weight = arrays[f"{name}.weight"]
        before, width = weight.shape
        linear = nn.Linear(before, width).double()
        norm = nn.BatchNorm1d(width, momentum=None).double()
        layers += [linear, norm, nn.ReLU()]
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(arrays[f"{name}.bias"])
            for part, own in ((norm.weight, "scale"), (norm.bias, "shift")):
                part.copy_(arrays[f"{name}.norm.{own}"])
    return nn.Sequential(*layers)


def test_statistics_are_measured_for_the_mean_as_torch_does() -> None:
    """Against torch's update_bn on the batches of the first epoch; dropout is off in it."""
    recipe = PLAIN.using(BatchNorm(momentum=0.3), Dropout(rate=0.5), Swa(start=0.2))
    members = [Member(recipe, seed=s, fold=s % 2) for s in range(3)]
    cohort = cohort_of(members, table())
    outcome = trained(cohort, 25)
    for i, member in enumerate(members):
        found = outcome.outcome(i)
        arrays = {n: v[0] for n, v in cohort.network.weights.views(found.weights).items()}
        inputs = cohort.dataset.folds[member.fold].train.inputs
        offsets = [0, *CARDINALITIES[:-1]]
        codes = inputs["categories"] + torch.tensor(offsets)
        x = torch.cat([inputs["numbers"], arrays["categories.table"][codes].flatten(1)], 1)
        twin = _twin(arrays)
        update_bn([x[rows] for rows in served(cohort, 0, 3)[:, i]], twin)
        views = cohort.network.statistics.views(found.statistics)
        for name, norm in (("layer0", twin[1]), ("layer1", twin[4])):
            for ours, theirs in (("mean", "running_mean"), ("variance", "running_var")):
                measured, expected = views[f"{name}.norm.{ours}"][0], getattr(norm, theirs)
                torch.testing.assert_close(measured, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_a_module_of_torch_keeps_its_momentum_and_its_statistics_are_measured_anew(
    momentum: float,
) -> None:
    """A norm that never moves, with momentum 0, has nothing to measure."""
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5, momentum=momentum), nn.Linear(5, 2))
    network = adopt(module)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(60, 3, generator=generator) * 2 + 1
    sample = Sample({"x": x}, (x[:, 0] > 1).long())
    dataset = Dataset((Fold(sample, sample),), 2, "classification")
    recipe = PLAIN.using(Swa(start=0.2))
    cohort = Cohort((Member(recipe),), dataset, lambda _: network)
    found = trained(cohort, 25).outcome(0)
    arrays = {n: v[0] for n, v in network.weights.views(found.weights).items()}
    twin = nn.BatchNorm1d(5)
    rows = served(cohort, 0, 3)[:, 0]
    hidden = [x[at] @ arrays["0.weight"].T + arrays["0.bias"] for at in rows]
    if momentum:
        update_bn(hidden, twin)
    views = network.statistics.views(found.statistics)
    torch.testing.assert_close(views["1.running_mean"][0], twin.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(views["1.running_var"][0], twin.running_var, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 3e4])
def test_large_statistics_are_measured_as_well(scale: float) -> None:
    """In float32 1 - b + b is no momentum once the variance b is beyond 2^24."""
    network = adopt(nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)))
    x = (torch.randn(60, 3, generator=torch.Generator().manual_seed(4)) * 2 + 1) * scale
    sample = Sample({"x": x}, (x[:, 0] > scale).long())
    dataset = Dataset((Fold(sample, sample),), 2, "classification")
    cohort = Cohort((Member(PLAIN.using(Swa(start=0.2))),), dataset, lambda _: network)
    state = start(cohort)
    found = network.statistics.views(remeasured(cohort, state.weights, state.statistics))
    arrays = {name: value[0] for name, value in network.weights.views(state.weights).items()}
    twin, rows = nn.BatchNorm1d(5), served(cohort, 0, 3)[:, 0]
    update_bn([x[at] @ arrays["0.weight"].T + arrays["0.bias"] for at in rows], twin)
    assert (float(twin.running_var.max()) > 2**24) == (scale > 1)
    torch.testing.assert_close(found["1.running_mean"][0], twin.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["1.running_var"][0], twin.running_var, rtol=1e-4, atol=1e-5)


def test_before_the_mean_begins_statistics_are_those_of_training() -> None:
    cohort = cohort_of([Member(PLAIN.using(BatchNorm(), Swa(start=0.5)))], table())
    early, late = trained(cohort, 15), trained(cohort, 16)
    assert torch.equal(early.outcome(0).statistics, early.state.statistics)
    assert not torch.equal(late.outcome(0).statistics, late.state.statistics)


NORMS = [None, LayerNorm(), BatchNorm()]


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_early_stopping_keeps_the_mean_with_the_statistics_it_was_validated_with(norm: Any) -> None:
    """Scores that rise up to epoch 8: what is kept is what is shown after 24 steps."""
    recipe = PLAIN.using(Swa(start=0.5), *([norm] if norm else []))
    scores = iter([1, 2, 3, 4, 5, 6, 7, 8, 0, 0])
    cohort = cohort_of([Member(recipe.using(EarlyStopping(patience=50.0)))], table())
    ended = advance(Training.begin(cohort), 30, lambda p, y: torch.tensor([float(next(scores))]))
    best = trained(cohort_of([Member(recipe)], table()), 24).outcome(0)
    assert ended.outcome(0).step == 24
    assert torch.equal(ended.outcome(0).weights, best.weights)
    assert torch.equal(ended.outcome(0).statistics, best.statistics)
