"""What a recipe asks for in vain is named; what acts is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from shrinkage import NoEffectWarning, fit
from shrinkage.catalog import entry_of
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets.activation import Tanh
from shrinkage.nets.activation_noise import ActivationNoise
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.drop_connect import DropConnect
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.layer_dropout import LayerDropout
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop
from shrinkage.nets.shake_shake import ShakeShake
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch
from shrinkage.search.effect import rates_without_effect, without_effect
from shrinkage.testing import cohort_of, small_table
from shrinkage.testing.case import trained

NUMBERS, CATEGORIES = TableShape(3, (), 1), TableShape(0, (4, 5), 2)
SHAKEN = (ShakeShake(strength=1.0), ShakeDrop(rate=0.5))
IN_LAYERS = (
    BatchNorm(),
    Tanh(),
    DropConnect(rate=0.2),
    ActivationNoise(std=0.1),
    Dropout(rate=0.3),
)
NAMES = ["batch_norm", "tanh", "drop_connect", "activation_noise"]
CASES = [
    (Recipe(LabelSmoothing(eps=0.1)), "regression", NUMBERS, ["label_smoothing"]),
    (Recipe(LabelSmoothing(eps=0.1)), "classification", CATEGORIES, []),
    (Recipe(ClassWeight(power=1.0), Periodic()), "regression", NUMBERS, ["class_weight"]),
    (Recipe(Periodic()), "classification", CATEGORIES, ["periodic"]),
    (Recipe(), "regression", NUMBERS, []),
    (Recipe(*SHAKEN), "regression", NUMBERS, ["shake_shake", "shake_drop"]),
    (
        Recipe(Resnet(blocks=0, branches=2), *SHAKEN),
        "classification",
        NUMBERS,
        ["shake_shake", "shake_drop"],
    ),
    (Recipe(Resnet(), *SHAKEN), "classification", NUMBERS, ["shake_shake"]),
    (Recipe(Resnet(branches=2), *SHAKEN), "classification", NUMBERS, []),
    (Recipe(StochasticDepth(rate=0.5)), "classification", NUMBERS, ["stochastic_depth"]),
    (Recipe(Resnet(), StochasticDepth(rate=0.5)), "classification", NUMBERS, []),
    (Recipe(Mlp(depth=0), *IN_LAYERS), "regression", NUMBERS, [*NAMES, "dropout"]),
    (Recipe(Mlp(depth=1), *IN_LAYERS), "regression", NUMBERS, []),
    (Recipe(Resnet(blocks=0), *IN_LAYERS), "regression", NUMBERS, ["dropout"]),
    (Recipe(Resnet(blocks=1), *IN_LAYERS), "regression", NUMBERS, []),
]


@pytest.mark.parametrize(("recipe", "task", "shape", "named"), CASES)
def test_what_cannot_act_is_named(
    recipe: Recipe, task: str, shape: TableShape, named: list[str]
) -> None:
    found = without_effect(recipe.ingredients, recipe, task, shape)
    assert [line.split()[0] for line in found] == named


@pytest.mark.parametrize("own", IN_LAYERS, ids=lambda own: entry_of(own).name)
@pytest.mark.parametrize("network", [Mlp(depth=0), Mlp(depth=1), Resnet(blocks=0)], ids=str)
def test_what_is_named_changes_no_loss_and_what_is_not_does(network: Any, own: Any) -> None:
    bare = Recipe(Minibatch(batch_size=16), network).for_task("regression")
    dataset = small_table("regression")
    losses = [
        trained(cohort_of([Member(recipe)], dataset), 3).state.loss_total
        for recipe in (bare, bare.using(own))
    ]
    named = without_effect([own], bare.using(own), "regression", NUMBERS)
    assert torch.equal(*losses) == bool(named)


RATES = LayerDropout(input=0.1, layer1=0.2, layer3=0.4)


@pytest.mark.parametrize(
    ("network", "named"),
    [(Mlp(depth=0), [1, 3]), (Mlp(depth=2), [3]), (Mlp(depth=3), []), (Resnet(blocks=1), [3])],
)
def test_rates_of_layers_that_are_not_there_are_named(network: Any, named: list[int]) -> None:
    recipe = Recipe(network, RATES)
    found = rates_without_effect(recipe.ingredients, recipe)
    assert [line.split()[0] for line in found] == [f"layer_dropout.layer{i}" for i in named]
    assert "layer_dropout" not in " ".join(without_effect([RATES], recipe, "regression", NUMBERS))


def test_a_persons_own_recipe_warns_and_trains_without(tiny: Path, tmp_path: Path) -> None:
    recipe = load(tiny).using(LabelSmoothing(eps=0.2))
    with pytest.warns(NoEffectWarning, match="label_smoothing changes nothing"):
        run = fit("diabetes", recipe=recipe, trials=2, workers=0, budget=60, out=tmp_path / "run")
    assert run.recipe.get("label_smoothing") is None


def test_what_a_linear_model_leaves_idle_is_named_but_not_what_nobody_asked_for(
    tiny: Path, tmp_path: Path
) -> None:
    recipe = load(tiny).using(Mlp(depth=0), Dropout(rate=0.3), LayerNorm())
    with pytest.warns(NoEffectWarning, match="it acts in hidden layers"):
        run = fit("diabetes", recipe=recipe, trials=2, workers=0, budget=60, out=tmp_path / "run")
    named = [line.split()[0] for line in run.result["without_effect"]]
    assert named == ["layer_norm", "dropout"]  # not relu, which fills an open role


def test_what_stands_so_in_our_default_warns_of_nothing(tmp_path: Path) -> None:
    recipe = load("default").set({"data.minibatch.epochs": 5, "network.mlp.width": 16})
    assert recipe.get("label_smoothing") is not None
    run = fit("diabetes", recipe=recipe, trials=2, workers=0, budget=60, out=tmp_path / "run")
    assert run.result["without_effect"] == []
