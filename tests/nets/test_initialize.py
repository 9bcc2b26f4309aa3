"""Initial weights: their variance follows the formulas; equal seeds start equal."""

from __future__ import annotations

from functools import partial
from math import sqrt

import pytest
import torch
from scipy import stats

from population.samples import cohort_of, table, trained
from shrinkage.nets.initialize import (
    Kaiming,
    Normal,
    Xavier,
    Zeros,
    initial_weights,
    kaiming,
    normal,
    xavier,
    zeros,
)
from shrinkage.nets.layout import Entry, Layout
from shrinkage.nets.linear import linear_entries
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Member
from shrinkage.population.state import start
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

IN, OUT = 400, 300
LAYOUT = Layout((*linear_entries("big", IN, OUT), Entry("scale", (7,), "norm", start=1.0)))
SCHEMES = [
    (kaiming, sqrt(2 / IN)),
    (xavier, sqrt(2 / (IN + OUT))),
    (partial(normal, std=0.01), 0.01),
]


@pytest.mark.parametrize(("scheme", "deviation"), SCHEMES)
def test_weights_are_normal_with_the_deviation_of_the_formula(scheme, deviation: float) -> None:
    flat = initial_weights(LAYOUT, 3, scheme)[None]
    views = LAYOUT.views(flat)
    weight = views["big.weight"].flatten().double()
    error = 4 / sqrt(weight.numel())  # four standard errors
    assert float(weight.std() / deviation) == pytest.approx(1, abs=error)
    assert float(weight.mean() / deviation) == pytest.approx(0, abs=error)
    assert stats.kstest((weight / deviation).numpy(), "norm").pvalue > 0.001
    assert not views["big.bias"].any()
    assert (views["scale"] == 1).all()


def test_zeros_are_zero_and_keep_all_units_of_a_layer_equal() -> None:
    flat = initial_weights(LAYOUT, 3, zeros)[None]
    assert not LAYOUT.views(flat)["big.weight"].any()

    fixed = (Minibatch(batch_size=20, epochs=10), Mlp(width=6, depth=1), Sgd(lr=0.1))
    members = [
        Member(Recipe(*fixed, scheme).for_task("classification")) for scheme in (Zeros(), Xavier())
    ]
    cohort = cohort_of(members, table())
    views = cohort.network.weights.views(trained(cohort, 30).state.weights)
    columns = views["layer0.weight"]  # [M, in, units]
    assert (columns[0] == columns[0][:, :1]).all()
    assert (columns[1].std(1) > 0).any()


def test_members_of_one_population_may_start_by_different_schemes() -> None:
    members = [
        Member(Recipe(Mlp(width=64), scheme).for_task("classification"), seed=5)
        for scheme in (Kaiming(), Normal(std=0.5), Normal(std=0.05), Zeros())
    ]
    cohort = cohort_of(members, table())
    weights = cohort.network.weights.views(start(cohort).weights)["layer1.weight"]
    torch.testing.assert_close(weights[1], 10 * weights[2])  # one seed: one draw, scaled
    torch.testing.assert_close(weights[0], weights[1] / 0.5 * sqrt(2 / 64))
    assert not weights[3].any()


def test_arrays_and_seeds_have_numbers_of_their_own() -> None:
    layout = Layout((*linear_entries("a", 20, 20), *linear_entries("b", 20, 20)))
    one, other = (layout.views(initial_weights(layout, s, kaiming)[None]) for s in (1, 2))
    flats = [v["a.weight"].flatten() for v in (one, other)] + [one["b.weight"].flatten()]
    correlation = torch.corrcoef(torch.stack(flats)).fill_diagonal_(0)
    assert correlation.abs().max() < 4 / sqrt(400)


def test_a_layouts_views_share_memory_and_flatten_is_their_inverse() -> None:
    flat = torch.arange(2.0 * LAYOUT.size).view(2, -1)
    views = LAYOUT.views(flat)
    assert torch.equal(LAYOUT.flatten(views), flat)
    views["big.bias"][1] = -1
    at = LAYOUT.offsets["big.bias"]
    assert (flat[1, at : at + OUT] == -1).all()
    assert (flat[0] >= 0).all()
    mask = LAYOUT.mask(("weight",))
    assert mask.sum() == IN * OUT
    assert mask[: IN * OUT].all()


DEPTH, UNITS, NETWORKS = 20, 128, 64


def _mean_squares(scheme, function) -> torch.Tensor:
    """[layers + 1, networks], of normal inputs and of what leaves each layer."""
    layers = (linear_entries(str(i), UNITS, UNITS) for i in range(DEPTH))
    layout = Layout(tuple(entry for entries in layers for entry in entries))
    flat = torch.stack([initial_weights(layout, seed, scheme) for seed in range(NETWORKS)])
    views = layout.views(flat.double())
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(NETWORKS, 40, UNITS, generator=generator, dtype=torch.float64)
    found = [x.square().mean((1, 2))]
    for i in range(DEPTH):
        x = function(torch.bmm(x, views[f"{i}.weight"]) + views[f"{i}.bias"][:, None])
        found.append(x.square().mean((1, 2)))
    return torch.stack(found)


SMALL = partial(normal, std=0.01)
FADING = 0.01**2 * UNITS
FACTORS = [
    ("kaiming", kaiming, torch.relu, 1.0),
    ("normal, relu", SMALL, torch.relu, FADING / 2),
    ("normal, nearly linear tanh", SMALL, torch.tanh, FADING),
    ("xavier, relu", xavier, torch.relu, 0.5),
    ("xavier, linear", xavier, lambda x: x, 1.0),
]


@pytest.mark.parametrize(
    ("scheme", "function", "factor"), [row[1:] for row in FACTORS], ids=[row[0] for row in FACTORS]
)
def test_each_layer_multiplies_the_mean_square_by_one_factor(
    scheme, function, factor: float
) -> None:
    """Compared as means over networks; their spread gives the sampling error."""
    found = _mean_squares(scheme, function)
    for layer in range(1, DEPTH + 1):
        ratio = found[layer] / found[0] / factor**layer
        error = 4 * float(ratio.std()) / sqrt(NETWORKS)
        # tanh bends a little at its first input, of deviation 0.11: by 2 * 0.11^2 of the square.
        assert float(ratio.mean()) == pytest.approx(1, abs=error + 0.03)
    assert error < 0.5


def test_zeros_give_zero_at_every_depth() -> None:
    assert not _mean_squares(zeros, torch.tanh)[1:].any()
