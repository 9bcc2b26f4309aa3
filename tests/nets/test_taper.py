"""A tapered perceptron has the widths that its ratio says, and is torch's of these widths."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.nets.taper import Taper, taper
from shrinkage.population.cohort import network_of
from shrinkage.recipe import Recipe
from shrinkage.search.effect import without_effect
from shrinkage.space import load_space

SHAPE = TableShape(5, (), 3)


@pytest.mark.parametrize(
    ("width", "depth", "ratio", "widths"),
    [
        (64, 3, 0.5, [64, 32, 16]),
        (10, 3, 0.25, [10, 2, 1]),
        (3, 4, 0.1, [3, 1, 1, 1]),
        (6, 2, 2.5, [6, 15]),
        (7, 3, 1.0, [7, 7, 7]),
        (7, 0, 0.5, []),
    ],
)
def test_each_layer_is_so_many_times_the_one_before(
    width: int, depth: int, ratio: float, widths: list[int]
) -> None:
    assert taper(width, depth, ratio) == widths


@pytest.mark.parametrize("ratio", [0.5, 1.5])
def test_it_is_torchs_perceptron_of_these_widths(ratio: float) -> None:
    recipe = Recipe(Mlp(width=8, depth=3), Taper(ratio=ratio))
    first, second, third = taper(8, 3, ratio)
    own = nn.Sequential(
        *(nn.Linear(5, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU()),
        *(nn.Linear(second, third), nn.ReLU(), nn.Linear(third, 3)),
    ).double()
    network = network_of(recipe, SHAPE)
    assert network.weights.size == sum(p.numel() for p in own.parameters())
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(1, network.weights.size, dtype=torch.float64, generator=random)
    views = network.weights.views(weights)
    with torch.no_grad():
        for layer, name in zip(own[::2], ("layer0", "layer1", "layer2", "head"), strict=True):
            layer.weight.copy_(views[f"{name}.weight"][0].T)
            layer.bias.copy_(views[f"{name}.bias"][0])
    x = torch.randn(1, 7, 5, dtype=torch.float64, generator=random)
    found, _ = network.apply(views, {}, {"numbers": x}, {}, None)
    torch.testing.assert_close(found[0], own(x[0]), rtol=0, atol=1e-12)


def test_a_ratio_of_one_is_the_perceptron_alone() -> None:
    alone = network_of(Recipe(Mlp(width=8, depth=2)), SHAPE)
    beside = network_of(Recipe(Mlp(width=8, depth=2), Taper(ratio=1.0)), SHAPE)
    torch.testing.assert_close(alone.start(3), beside.start(3), rtol=0, atol=0)


def test_where_there_is_no_second_layer_a_person_is_told() -> None:
    for depth, ratio, told in ((0, 0.5, 1), (1, 0.5, 1), (2, 0.5, 0), (2, 1.0, 1)):
        recipe = Recipe(Mlp(width=8, depth=depth), Taper(ratio=ratio))
        found = without_effect([recipe.get("taper")], recipe, "classification", SHAPE)
        assert len(found) == told
        assert all("taper changes nothing" in each for each in found)


def test_the_textbooks_space_varies_both_widths_and_both_dropouts() -> None:
    space = load_space("two_layers")
    seen = set()
    for number in range(200):
        (recipe,) = space.sample(0, number)
        assert recipe.get("architecture").depth == 2
        ratio = recipe.get("taper").ratio if recipe.get("taper") else 1.0
        seen.add(tuple(taper(recipe.get("architecture").width, 2, ratio)))
        dropout = recipe.get("dropout")
        assert dropout is None or type(dropout).__name__ == "LayerDropout"
    firsts, seconds = zip(*seen, strict=True)
    assert len({*firsts}) > 20
    assert any(a < b for a, b in seen)
    assert any(a > b for a, b in seen)
    assert len({*seconds}) > 20
