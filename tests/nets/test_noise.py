"""Noise within a network: each draw by its equation, right on average, and off when it is off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import pytest
import torch
from torch import Tensor

from population.samples import cohort_of, table, trained
from shrinkage.nets.activation_noise import ActivationNoise, activation_noise
from shrinkage.nets.drop_connect import DropConnect, drop_connect
from shrinkage.nets.dropout import Dropout, dropout
from shrinkage.nets.layer_dropout import INPUT, LayerDropout, rate_after
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop, shake_drop
from shrinkage.nets.shake_shake import ShakeShake, mean_of_two, shake_shake
from shrinkage.nets.stochastic_depth import StochasticDepth, stochastic_depth
from shrinkage.population.cohort import Member
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

MEMBERS, ROWS, WIDTH, SHARE, STREAM = 4000, 3, 4, 0.75, "here"


@dataclass(frozen=True)
class Noise:
    """ours: (x [M, B, H], numbers [M], draws) to y of the same shape; two branches are x and -2x.

    deviation: the standard deviation of y at x = 1 and this number, by hand from the equation.
    plain: y without noise, and on average.
    """

    name: str
    ours: Callable[[Tensor, Tensor, Draws], Tensor]
    number: float
    deviation: float
    plain: Callable[[Tensor], Tensor] = torch.clone

    def __str__(self) -> str:
        return self.name


def _off_by(rate: float) -> float:
    """Standard deviation of a coin scaled to mean one."""
    return sqrt(rate / (1 - rate))


def _shaken(rate: float) -> float:
    """Of (b + alpha - b alpha) / p: its square is 1 / p^2 if kept, else 1 / (3 p^2) on average."""
    p = 1 - rate
    return sqrt((p + (1 - p) / 3) / p**2 - 1)


NOISES = [
    Noise("dropout", lambda x, r, d: dropout(x, r, d, STREAM), 0.3, _off_by(0.3)),
    Noise("drop connect", lambda x, r, d: drop_connect(x, r, d, STREAM), 0.3, _off_by(0.3)),
    Noise("activation noise", lambda x, r, d: activation_noise(x, r, d, STREAM), 0.3, 0.3),
    Noise(
        "stochastic depth",
        lambda x, r, d: stochastic_depth(x, SHARE, r, d, STREAM),
        0.4,
        _off_by(SHARE * 0.4),
    ),
    Noise(
        "shake drop", lambda x, r, d: shake_drop(x, SHARE, r, d, STREAM), 0.4, _shaken(SHARE * 0.4)
    ),
    # alpha x - 2 (1 - alpha) x = (3 alpha - 2) x, alpha uniform around 1/2 with width 0.8.
    Noise(
        "shake-shake",
        lambda x, r, d: shake_shake(x, -2 * x, r, d, STREAM),
        0.8,
        3 * 0.8 / sqrt(12),
        lambda x: mean_of_two(x, -2 * x),
    ),
]
each_noise = pytest.mark.parametrize("noise", NOISES, ids=str)


@each_noise
def test_mean_and_deviation_over_many_draws_are_those_of_the_equation(noise: Noise) -> None:
    x = torch.ones(MEMBERS, ROWS, WIDTH, dtype=torch.float64)
    numbers = torch.full((MEMBERS,), noise.number, dtype=torch.float64)
    y = noise.ours(x, numbers, Draws(tuple(range(MEMBERS)), step=2))
    # Units of a row may share a draw, rows and members do not: by row, 12,000 at the least.
    error = 5 * noise.deviation / sqrt(MEMBERS * ROWS)
    assert float(y.mean()) == pytest.approx(float(noise.plain(x).mean()), abs=error)
    assert float(y.std()) == pytest.approx(noise.deviation, rel=0.05)


@each_noise
def test_at_its_neutral_value_it_is_the_identity_to_the_last_bit(noise: Noise) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, ROWS, WIDTH, generator=generator, dtype=torch.float64).requires_grad_()
    pull = torch.randn(2, ROWS, WIDTH, generator=generator, dtype=torch.float64)
    numbers = torch.tensor([0.0, noise.number], dtype=torch.float64)
    y = noise.ours(x, numbers, Draws((5, 5)))
    plain = noise.plain(x)
    (slope,), (expected,) = (torch.autograd.grad((z * pull).sum(), x) for z in (y, plain))
    assert torch.equal(y[0], plain[0])
    assert torch.equal(slope[0], expected[0])
    assert not torch.equal(y[1], plain[1])


def test_the_shares_of_shake_shake_differ_forward_and_backward() -> None:
    x = torch.ones(1, 2000, 1, dtype=torch.float64)
    one, two = x.clone().requires_grad_(), (0 * x).requires_grad_()
    y = shake_shake(one, two, torch.ones(1).double(), Draws((3,)), STREAM)
    slopes = torch.autograd.grad(y.sum(), (one, two))
    alpha, beta = y.detach().flatten(), slopes[0].flatten()
    torch.testing.assert_close(slopes[0] + slopes[1], x, rtol=0, atol=1e-12)
    for share in (alpha, beta):
        assert share.min() < 0.01
        assert share.max() > 0.99
    assert torch.corrcoef(torch.stack([alpha, beta]))[0, 1].abs() < 4 / sqrt(2000)


def test_shake_drop_without_forward_noise_shows_its_backward_draw() -> None:
    x = torch.ones(1, 2000, 1, dtype=torch.float64).requires_grad_()
    y = shake_drop(x, 1.0, torch.tensor([0.5]).double(), Draws((3,)), STREAM)
    (slope,) = torch.autograd.grad(y.sum(), x)
    kept = y.detach() == 2
    assert torch.equal(kept, slope == 2)
    shaken, back = y.detach()[~kept], slope[~kept]
    assert float(shaken.min()) == pytest.approx(-2, abs=0.05)
    assert float(shaken.max()) == pytest.approx(2, abs=0.05)
    assert float(back.min()) == pytest.approx(0, abs=0.05)
    assert float(back.max()) == pytest.approx(2, abs=0.05)


def test_layers_have_rates_of_their_own_and_deep_ones_the_last() -> None:
    rates = torch.arange(5.0).unbind()
    found = [float(rate_after(layer, *rates)) for layer in (INPUT, 0, 1, 2, 3, 4, 60)]
    assert found == [0, 1, 2, 3, 4, 4, 4]


FIXED = (Minibatch(batch_size=16, epochs=14),)
NETWORKS = {
    "mlp": (Mlp(width=8, depth=2),),
    "resnet": (Resnet(width=8, blocks=2, expansion=1.5, branches=2), LayerNorm()),
}
OFF, ON = (), (
    (Dropout(rate=0.3), DropConnect(rate=0.3), ActivationNoise(std=0.2)),
    (LayerDropout(input=0.1, layer1=0.4, layer2=0.2), ShakeShake(strength=1.0)),
    (StochasticDepth(rate=0.5), ShakeShake(strength=0.5), DropConnect(rate=0.1)),
    (ShakeDrop(rate=0.5), ActivationNoise(std=0.1)),
)  # fmt: skip


def _trained(network: str, *noises: tuple) -> Tensor:
    members = [
        Member(Recipe(*FIXED, *NETWORKS[network], *own).for_task("classification"), seed=1)
        for own in noises
    ]
    return trained(cohort_of(members, table()), 30).state.weights


@pytest.mark.parametrize("network", NETWORKS)
def test_a_member_without_noise_trains_as_if_nobody_had_any_to_the_last_bit(network: str) -> None:
    mixed, plain = _trained(network, *ON, OFF), _trained(network, *[OFF] * 5)
    assert torch.equal(mixed[-1], plain[-1])
    assert (mixed[:-1] - plain[-1]).abs().amax(1).min() > 1e-4


def test_residual_noise_lets_a_network_without_blocks_alone() -> None:
    noises = ((StochasticDepth(rate=0.5), ShakeShake(strength=1.0)), (ShakeDrop(rate=0.5),), OFF)
    weights = _trained("mlp", *noises)
    assert torch.equal(weights[0], weights[2])
    assert torch.equal(weights[1], weights[2])


@pytest.mark.parametrize("network", NETWORKS)
def test_equal_rates_after_all_layers_are_dropout(network: str) -> None:
    by_layer = LayerDropout(layer1=0.3, layer2=0.3)
    weights = _trained(network, (Dropout(rate=0.3),), (by_layer,), OFF)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
