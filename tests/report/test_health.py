"""A look inside networks."""

from __future__ import annotations

import pytest
import torch

from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import network_of
from shrinkage.population.dataset import Fold, Sample
from shrinkage.recipe import Recipe
from shrinkage.report.health import FAR, Dead, Layer, apart, dead_units, gradients, layers

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


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_gradients_are_slopes_of_the_loss(task: str) -> None:
    """Central differences; scaled targets, and k networks in one too."""
    draw = torch.Generator().manual_seed(1)
    given = sample(30)
    inputs = {name: x.double() for name, x in given.inputs.items()}
    classes = task == "classification"
    target = given.inputs["numbers"][:, 0]
    target = (target > 0).long() if classes else 50 + 9 * target.double()
    train = Sample(inputs, target)
    recipe = made(**{"network.batch_ensemble.k": 2})
    network = network_of(recipe, TableShape(3, (), 2 if classes else 1))
    weights = network.start(0)[None].double()
    none = torch.empty(1, 0)
    (found,) = gradients(network, weights, none, [Fold(train, train)])
    along = torch.randn(weights.shape[1], generator=draw, dtype=torch.float64)

    def loss(far: float) -> float:
        views = network.weights.views(weights + far * along)
        output = network.apply(views, {}, {n: x[None] for n, x in inputs.items()}, {}, None)[0][0]
        if classes:
            chosen = output.log_softmax(-1)[
                torch.arange(30)[:, None], torch.arange(2), target[:, None]
            ]
            return float(-chosen.mean())
        scaled = (target - target.mean()) / target.std(correction=0)
        return float((output[..., 0] - scaled[:, None]).square().mean())

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert float(found @ along) == pytest.approx(slope, rel=1e-5)
    named = {layer.name: layer for layer in layers(network, weights, found[None])}
    own = network.weights.views(found[None])["layer1.weight"]
    assert named["layer1"].gradient == pytest.approx(float(own.square().mean().sqrt()))


def test_gradients_far_apart_are_said() -> None:
    def made_of(*sizes: float) -> list[Layer]:
        return [Layer(f"layer{i}", 4, 1.0, 1.0, size) for i, size in enumerate(sizes)]

    assert apart(made_of(1.0, 0.5, 1 / FAR * 1.01)) is None
    found = apart(made_of(1.0, 0.5, 1 / FAR * 0.99))
    assert found is not None
    assert [layer.name for layer in found] == ["layer2", "layer0"]
    table = Layer("categories.table", 4, 1.0, 1.0, 1e-9, matrix=False)
    assert apart([*made_of(1.0, 0.5), table]) is None
    assert apart(made_of(1.0)) is None
