"""Products in bfloat16: what they round, what they leave alone, and when they are chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shrinkage.engine import timing
from shrinkage.engine.task import Problem
from shrinkage.nets import precision
from shrinkage.nets.activation import Tanh
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.table import TableShape
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset
from shrinkage.population.step import gradient, moment_of
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.testing.case import CARDINALITIES, NUMBERS, fit_quality, small_table

EPS = 2.0**-8
"""Half a unit in the last place of bfloat16, relative."""

SHAPE = TableShape(NUMBERS, CARDINALITIES, 3)
WIDE = Recipe(Minibatch(batch_size=32, epochs=4), Mlp(width=400, depth=2), BatchNorm())


@pytest.fixture
def dataset() -> Dataset:
    return small_table(dtype=torch.float32)


def cohort(dataset: Dataset, name: str, recipe: Recipe = WIDE) -> Cohort:
    members = tuple(Member(recipe.for_task("classification"), seed) for seed in (0, 1))
    return Cohort(members, dataset, lambda own: precision.lowered(network_of(own, SHAPE), name))


def test_a_product_rounds_its_factors_and_its_result() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 16, 500), torch.randn(3, 500, 7)
    found = precision.product(x, weight.bfloat16())
    exact = torch.bmm(x.bfloat16().double(), weight.bfloat16().double())
    assert found.dtype == torch.float32
    size = torch.bmm(x.bfloat16().double().abs(), weight.bfloat16().double().abs())
    assert ((found - exact).abs() <= EPS * exact.abs() + 1e-5 * size).all()
    assert (found - torch.bmm(x, weight)).abs().amax() > 0.01, "it rounds"
    assert torch.equal(precision.product(x, weight), torch.bmm(x, weight))


def test_only_wide_matrices_are_lowered() -> None:
    whole = network_of(WIDE, SHAPE)
    assert [entry.name for entry in precision.wide(whole)] == ["layer1.weight"]
    assert precision.lowered(whole, "float32") is whole
    assert precision.lowered(whole, "tf32") is whole
    narrow = network_of(WIDE.set({"network.mlp.width": 383}), SHAPE)
    assert precision.lowered(narrow, "bfloat16") is narrow
    assert precision.lowered(whole, "bfloat16").lowered


@pytest.mark.parametrize("more", [BatchNorm(), BatchEnsemble(k=4)])
def test_gradients_are_float32_and_near(more: object, dataset: Dataset) -> None:
    found = []
    for name in ("float32", "bfloat16"):
        its = cohort(dataset, name, WIDE.using(Tanh(), more))  # no kinks
        state = Training.begin(its).state
        positions = torch.arange(32).expand(2, -1)
        batch = dataset.batch(its.folds, positions)
        found.append(gradient(its, state, batch, moment_of(its, state))[1])
    full, low = found
    assert low.dtype == torch.float32
    distance = (low - full).norm(dim=1) / full.norm(dim=1)
    assert (distance > 1e-5).all(), "it acts"
    assert (distance < 4 * EPS).all()


def test_what_a_bfloat16_cannot_hold_is_learned(dataset: Dataset) -> None:
    """Weights of 1 and steps of 1e-5: rounded weights would never move."""
    recipe = WIDE.using(Sgd(lr=1e-4, momentum=0.0))
    its = cohort(dataset, "bfloat16", recipe)
    begun = Training.begin(its)
    before = begun.state.weights.clone()
    after = advance(begun, 3, fit_quality).state.weights
    at = its.network.weights.offsets["layer1.weight"]
    moved = (after - before)[:, at : at + 400 * 400]
    assert (moved != 0).float().mean() > 0.9
    assert moved.abs().amax() < EPS * before[:, at : at + 400 * 400].abs().amax()


@pytest.mark.parametrize("architecture", [Mlp(width=400, depth=2), Resnet(width=400, blocks=1)])
def test_it_predicts_in_full_and_by_the_readable_step(dataset: Dataset, architecture) -> None:
    recipe = WIDE.using(architecture)
    full, low = (cohort(dataset, name, recipe) for name in ("float32", "bfloat16"))
    assert low.compiled is None
    state = Training.begin(full).state
    views = (
        full.network.weights.views(state.weights),
        full.network.statistics.views(state.statistics),
    )
    rows = {
        k: dataset.cast(x[None].expand(2, *x.shape))
        for k, x in dataset.folds[0].validation.inputs.items()
    }
    outputs = [its.network.apply(*views, rows, {}, None)[0] for its in (full, low)]
    assert torch.equal(*outputs)


def test_auto_takes_what_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"float32": 1.0, "bfloat16": 0.8, "tf32": 0.1}
    asked: list[str] = []

    def timed(problem: Problem, *_: object) -> timing.Timing:
        asked.append(problem.precision)
        return timing.Timing(seconds[problem.precision], 0.0, problem.precision)

    monkeypatch.setattr(timing, "_timed", timed)
    monkeypatch.setattr(timing, "gains", lambda: True)
    problem = Problem(Path(), 1, SHAPE, "classification", "accuracy", precision="auto")

    def chosen(problem: Problem = problem, recipe: Recipe = WIDE) -> str:
        return timing.timed(problem, recipe, 0, 1, 0.0).precision

    assert chosen() == "bfloat16"
    seconds["bfloat16"] = 0.9
    assert chosen() == "float32", "not by a margin"
    seconds["bfloat16"], asked[:] = 0.1, []
    assert chosen(recipe=WIDE.set({"network.mlp.width": 64})) == "float32"
    assert asked == ["float32"]
    monkeypatch.setattr(timing, "gains", lambda: False)
    assert chosen() == "float32"
    assert chosen(replace(problem, precision="bfloat16")) == "bfloat16"
    assert chosen(replace(problem, device="cuda")) == "tf32"
