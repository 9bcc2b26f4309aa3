"""A look inside networks."""

from __future__ import annotations

import pytest
import torch

from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import network_of
from shrinkage.population.dataset import Sample
from shrinkage.recipe import Recipe
from shrinkage.report.health import Dead, dead_units, layers

SHAPE = TableShape(3, (), 2)


def made(**settings: object) -> Recipe:
    return Recipe().set({"network.mlp.width": 6, "network.mlp.depth": 2, **settings})


def sample(rows: int = 50) -> Sample:
    draw = torch.Generator().manual_seed(0)
    numbers = torch.randn(rows, 3, generator=draw)
    return Sample({"numbers": numbers, "categories": torch.zeros(rows, 0)}, None)


def test_units_that_a_bias_silences_are_dead() -> None:
    recipe = made()
    network = network_of(recipe, SHAPE)
    weights = torch.stack([network.start(seed) for seed in (0, 1)])
    views = network.weights.views(weights)
    views["layer0.bias"][0, :2] = -1e3  # two units of one network
    views["layer1.bias"][:, 0] = -1e3  # one unit of both
    alive = dead_units(network, recipe, weights, torch.empty(2, 0), [sample(), sample()])
    views["layer0.bias"][0, :2] = 1e3
    awake = dead_units(network, recipe, weights, torch.empty(2, 0), [sample(), sample()])
    assert alive is not None
    assert awake is not None
    assert alive[0].dead - awake[0].dead == 2
    assert alive[0].units == alive[1].units == 12
    assert alive[1].dead >= 2


def test_without_rows_above_zero_all_units_are_dead() -> None:
    recipe = made()
    network = network_of(recipe, SHAPE)
    weights = network.start(0)[None]
    network.weights.views(weights)["layer0.bias"][:] = -1e3
    found = dead_units(network, recipe, weights, torch.empty(1, 0), [sample()])
    assert found is not None
    assert found[0] == Dead(0, 6, 6)


@pytest.mark.parametrize("activation", ["gelu", "leaky_relu", "tanh"])
def test_other_activations_have_no_dead_units(activation: str) -> None:
    recipe = Recipe.from_toml(f"[network.mlp]\nwidth = 6\n[network.{activation}]\n")
    network = network_of(recipe, SHAPE)
    weights = network.start(0)[None]
    assert dead_units(network, recipe, weights, torch.empty(1, 0), [sample()]) is None


def test_sizes_are_roots_of_mean_squares() -> None:
    network = network_of(made(), SHAPE)
    weights = torch.zeros(4, network.weights.size)
    network.weights.views(weights)["layer1.weight"][0] = 2.0
    found = {layer.name: layer for layer in layers(network, weights)}
    assert list(found) == ["layer0", "layer1", "head"]
    assert found["layer1"].size == pytest.approx(1.0)  # one of four networks: sqrt(4 / 4)
    assert (found["layer1"].largest, found["layer1"].count) == (2.0, 36)
    assert found["head"].size == 0


def test_a_unit_that_speaks_on_some_rows_is_not_dead() -> None:
    recipe, given = made(), sample()
    network = network_of(recipe, SHAPE)
    weights = network.start(3)[None]
    views = network.weights.views(weights)
    views["layer0.bias"][0, 0] = -1e3
    z = given.inputs["numbers"] @ views["layer0.weight"][0] + views["layer0.bias"][0]
    silent = (z <= 0).all(0)
    assert (z <= 0).any(0).sum() > silent.sum() >= 1
    found = dead_units(network, recipe, weights, torch.empty(1, 0), [given])
    assert found is not None
    assert found[0].dead == silent.sum()
