"""What a recipe asks for in vain is named; what acts is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shrinkage import NoEffectWarning, fit
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop
from shrinkage.nets.shake_shake import ShakeShake
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe, load
from shrinkage.search.effect import without_effect

NUMBERS, CATEGORIES = TableShape(3, (), 1), TableShape(0, (4, 5), 2)
SHAKEN = (ShakeShake(strength=1.0), ShakeDrop(rate=0.5))
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
]


@pytest.mark.parametrize(("recipe", "task", "shape", "named"), CASES)
def test_what_cannot_act_is_named(
    recipe: Recipe, task: str, shape: TableShape, named: list[str]
) -> None:
    found = without_effect(recipe.ingredients, recipe, task, shape)
    assert [line.split()[0] for line in found] == named


def test_a_persons_own_recipe_warns_and_trains_without(tiny: Path, tmp_path: Path) -> None:
    recipe = load(tiny).using(LabelSmoothing(eps=0.2))
    with pytest.warns(NoEffectWarning, match="label_smoothing changes nothing"):
        run = fit("diabetes", recipe=recipe, trials=2, workers=0, budget=60, out=tmp_path / "run")
    assert run.recipe.get("label_smoothing") is None


def test_what_stands_so_in_our_default_warns_of_nothing(tmp_path: Path) -> None:
    recipe = load("default").set({"data.minibatch.epochs": 5, "network.mlp.width": 16})
    assert recipe.get("label_smoothing") is not None
    run = fit("diabetes", recipe=recipe, trials=2, workers=0, budget=60, out=tmp_path / "run")
    assert run.result["without_effect"] == []
