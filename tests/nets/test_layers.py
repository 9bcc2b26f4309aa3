"""Every stacked layer against its torch.nn twin, one member at a time, and against differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shrinkage.nets import activation
from shrinkage.nets.batch_norm import batch_norm_infer, batch_norm_train
from shrinkage.nets.embedding import embed_categories
from shrinkage.nets.group_norm import group_norm, groups_within
from shrinkage.nets.instance_norm import channels_within, instance_norm
from shrinkage.nets.layer_norm import layer_norm
from shrinkage.nets.linear import linear
from shrinkage.nets.periodic import embed_periodic
from shrinkage.nets.piecewise_linear import embed_piecewise_linear, quantile_edges

MEMBERS, ROWS, WIDTH = 3, 7, 6


def _random(shape: tuple[int, ...], seed: int, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64) + shift


@dataclass(frozen=True)
class Layer:
    """ours: (x [M, B, H], arrays) -> y. twin: a torch module of one member's arrays.

    arrays: shape of each array of a member; `weights` are what the twin is given them as.
    """

    name: str
    ours: Callable[..., Tensor]
    twin: Callable[[], nn.Module]
    arrays: dict[str, tuple[int, ...]] = field(default_factory=dict)
    transposed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _norm_train(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    zeros, half = torch.zeros_like(weight), weight.new_full((len(weight),), 0.5)
    return batch_norm_train(x, weight, bias, zeros, zeros + 1, half)[0]


def _norm_infer(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    zeros = torch.zeros_like(weight)
    return batch_norm_infer(x, weight, bias, zeros, zeros + 1)


class Channels(nn.InstanceNorm1d):
    """torch's instance norm on rows of units: three of them are the positions of a channel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unflatten(1, (-1, 3))).flatten(1)


NORM = {"weight": (WIDTH,), "bias": (WIDTH,)}
CHANNELS = {"weight": (2,), "bias": (2,)}
LAYERS = [
    Layer(
        "linear",
        linear,
        lambda: nn.Linear(WIDTH, 4),
        {"weight": (WIDTH, 4), "bias": (4,)},
        transposed=("weight",),
    ),
    Layer("batch norm, training", _norm_train, lambda: nn.BatchNorm1d(WIDTH), NORM),
    Layer("batch norm, inference", _norm_infer, lambda: nn.BatchNorm1d(WIDTH).eval(), NORM),
    Layer("layer norm", layer_norm, lambda: nn.LayerNorm(WIDTH), NORM),
    Layer("group norm", partial(group_norm, groups=3), lambda: nn.GroupNorm(3, WIDTH), NORM),
    Layer(
        "instance norm",
        partial(instance_norm, positions=3),
        lambda: Channels(2, affine=True),
        CHANNELS,
    ),
    Layer("relu", activation.relu, nn.ReLU),
    Layer("leaky relu", lambda x: activation.leaky_relu(x, 0.2), lambda: nn.LeakyReLU(0.2)),
    Layer("elu", lambda x: activation.elu(x, 0.7), lambda: nn.ELU(0.7)),
    Layer("tanh", activation.tanh, nn.Tanh),
    Layer("sigmoid", activation.sigmoid, nn.Sigmoid),
    Layer("gelu", activation.gelu, nn.GELU),
    Layer("mish", activation.mish, nn.Mish),
]


def _leaves(layer: Layer) -> tuple[Tensor, dict[str, Tensor]]:
    x = 2 * _random((MEMBERS, ROWS, WIDTH), 1)
    arrays = {n: _random((MEMBERS, *s), i, 0.5) for i, (n, s) in enumerate(layer.arrays.items())}
    return x.requires_grad_(), {name: array.requires_grad_() for name, array in arrays.items()}


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_each_member_equals_its_torch_twin_forward_and_gradient(layer: Layer) -> None:
    x, arrays = _leaves(layer)
    y = layer.ours(x, *arrays.values())
    pull = _random(tuple(y.shape), 9)
    grads = torch.autograd.grad((y * pull).sum(), [x, *arrays.values()])
    for i in range(MEMBERS):
        twin = layer.twin().double()
        with torch.no_grad():
            for name, array in arrays.items():
                getattr(twin, name).copy_(array[i].T if name in layer.transposed else array[i])
        own = x[i].detach().requires_grad_()
        expected = twin(own)
        torch.testing.assert_close(y[i], expected, rtol=0, atol=1e-10)
        wanted = torch.autograd.grad(
            (expected * pull[i]).sum(), [own, *(getattr(twin, name) for name in arrays)]
        )
        for name, ours, theirs in zip(["x", *arrays], grads, wanted, strict=True):
            theirs = theirs.T if name in layer.transposed else theirs
            torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_every_gradient_passes_a_difference_check(layer: Layer) -> None:
    x, arrays = _leaves(layer)
    assert torch.autograd.gradcheck(layer.ours, (x, *arrays.values()))


def test_running_statistics_equal_torch_after_several_batches() -> None:
    momentum = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    twins = [nn.BatchNorm1d(WIDTH, momentum=float(m)).double() for m in momentum]
    scale, shift = torch.ones(MEMBERS, WIDTH).double(), torch.zeros(MEMBERS, WIDTH).double()
    mean, variance = shift.clone(), scale.clone()
    for batch in range(5):
        x = (batch + 1) * _random((MEMBERS, ROWS, WIDTH), batch, batch)
        _, mean, variance = batch_norm_train(x, scale, shift, mean, variance, momentum)
        for i, twin in enumerate(twins):
            twin(x[i])
    x = _random((MEMBERS, ROWS, WIDTH), 77)
    y = batch_norm_infer(x, scale, shift, mean, variance)
    for i, twin in enumerate(twins):
        torch.testing.assert_close(mean[i], twin.running_mean, rtol=0, atol=1e-10)
        torch.testing.assert_close(variance[i], twin.running_var, rtol=0, atol=1e-10)
        torch.testing.assert_close(y[i], twin.eval()(x[i]), rtol=0, atol=1e-10)


def test_batch_norm_refuses_a_single_row() -> None:
    ones = torch.ones(2, 3)
    with pytest.raises(ValueError, match="at least 2 rows"):
        batch_norm_train(torch.ones(2, 1, 3), ones, ones, ones, ones, torch.ones(2))


@pytest.mark.parametrize(
    ("asked", "width", "groups", "channels"),
    [
        (2, 12, 2, 6),
        (3, 12, 3, 4),
        (5, 12, 4, 2),
        (12, 12, 6, 1),
        (99, 12, 6, 1),
        (4, 13, 1, 1),
        (2, 2, 1, 1),
        (8, 1, 1, 1),
    ],
)
def test_a_width_that_cannot_be_cut_as_asked_is_cut_as_near_as_it_goes(
    asked: int, width: int, groups: int, channels: int
) -> None:
    assert groups_within(asked, width) == groups
    assert channels_within(asked, width) == channels


def test_one_group_is_layer_norm_and_instance_norm_is_group_norm_by_channel() -> None:
    x, ones, shift = (_random((MEMBERS, ROWS, WIDTH), s) for s in range(3))
    whole = group_norm(x, ones, shift, groups=1)
    torch.testing.assert_close(whole, layer_norm(x, ones, shift), rtol=0, atol=1e-12)
    scale, shift = _random((MEMBERS, 2), 3), _random((MEMBERS, 2), 4)
    by_unit = (array.repeat_interleave(3, 1) for array in (scale, shift))
    channels = instance_norm(x, scale, shift, positions=3)
    torch.testing.assert_close(channels, group_norm(x, *by_unit, groups=2), rtol=0, atol=1e-12)


@dataclass(frozen=True)
class Columns:
    """A layer that treats each column apart: arrays [M, D, ...] beside x [M, B, D].

    alone: the same in plain words for one number of one column, x and arrays without M, B, D.
    """

    name: str
    ours: Callable[..., Tensor]
    alone: Callable[..., Tensor]
    arrays: tuple[Tensor, ...]

    def __str__(self) -> str:
        return self.name


def _wave(x: Tensor, frequency: Tensor, phase: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    wave = torch.stack(
        [torch.cos(2 * torch.pi * (f * x + p)) for f, p in zip(frequency, phase, strict=True)]
    )
    return torch.cat([x[None], weight.T @ wave + bias])


def _ramps(x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Ramps from 0 to 1 between edges; the outer ones go on for one more bin's width."""
    ramps, bins = [], len(edges) - 1
    for t in range(bins):
        share = float((x - edges[t]) / (edges[t + 1] - edges[t]))
        low, high = (-1 if t == 0 else 0), (2 if t == bins - 1 else 1)
        ramps.append(min(max(share, low), high))
    return weight.T @ torch.tensor(ramps, dtype=torch.float64) + bias


DIMS, BINS, COLUMNS = 3, 4, 2
EDGES = torch.stack([quantile_edges(_random((50, COLUMNS), s), BINS) for s in range(MEMBERS)])
COLUMN_LAYERS = [
    Columns(
        "periodic",
        embed_periodic,
        _wave,
        (
            _random((MEMBERS, COLUMNS, 6), 1),
            _random((MEMBERS, COLUMNS, 6), 2),
            _random((MEMBERS, COLUMNS, 6, DIMS), 3),
            _random((MEMBERS, COLUMNS, DIMS), 4),
        ),
    ),
    Columns(
        "piecewise linear",
        embed_piecewise_linear,
        _ramps,
        (
            EDGES,
            _random((MEMBERS, COLUMNS, BINS, DIMS), 5),
            _random((MEMBERS, COLUMNS, DIMS), 6),
        ),
    ),
]


@pytest.mark.parametrize("layer", COLUMN_LAYERS, ids=str)
def test_embeddings_of_numbers_equal_their_equation_number_by_number(layer: Columns) -> None:
    x = 3 * _random((MEMBERS, ROWS, COLUMNS), 8)
    y = layer.ours(x, *layer.arrays).reshape(MEMBERS, ROWS, COLUMNS, -1)
    for i in range(MEMBERS):
        for row in range(ROWS):
            for column in range(COLUMNS):
                own = [array[i, column] for array in layer.arrays]
                expected = layer.alone(x[i, row, column], *own)
                torch.testing.assert_close(y[i, row, column], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("layer", COLUMN_LAYERS, ids=str)
def test_embeddings_of_numbers_pass_a_difference_check(layer: Columns) -> None:
    x = _random((MEMBERS, ROWS, COLUMNS), 8).requires_grad_()
    arrays = tuple(array.clone().requires_grad_(array is not EDGES) for array in layer.arrays)
    assert torch.autograd.gradcheck(layer.ours, (x, *arrays))


def test_categories_equal_one_torch_embedding_a_column_and_member() -> None:
    sizes, dim = (3, 5, 2), 4
    generator = torch.Generator().manual_seed(2)
    codes = torch.stack(
        [torch.randint(0, n, (MEMBERS, ROWS), generator=generator) for n in sizes], -1
    )
    table = _random((MEMBERS, sum(sizes), dim), 3).requires_grad_()
    y = embed_categories(codes, table, sizes)
    pull = _random(tuple(y.shape), 4)
    (grad,) = torch.autograd.grad((y * pull).sum(), table)
    for i in range(MEMBERS):
        parts = table[i].detach().split(sizes)
        twins = [nn.Embedding.from_pretrained(part, freeze=False) for part in parts]
        expected = torch.cat([twin(codes[i, :, j]) for j, twin in enumerate(twins)], -1)
        torch.testing.assert_close(y[i], expected, rtol=0, atol=1e-10)
        (expected * pull[i]).sum().backward()
        wanted = torch.cat([twin.weight.grad for twin in twins])
        torch.testing.assert_close(grad[i], wanted, rtol=0, atol=1e-10)
    assert torch.autograd.gradcheck(lambda t: embed_categories(codes, t, sizes), (table,))


def test_edges_are_quantiles_of_each_column() -> None:
    x = _random((101, 3), 6)
    expected = np.quantile(x.numpy(), np.linspace(0, 1, BINS + 1), axis=0).T
    torch.testing.assert_close(quantile_edges(x, BINS), torch.from_numpy(expected))


def test_a_value_that_fills_whole_bins_is_one_edge() -> None:
    """Noise moves a ramp by no more than itself; the last one goes on above, the first below."""
    flags = torch.cat([torch.zeros(33), torch.ones(27)]).double()
    mostly = torch.cat([torch.zeros(40), torch.linspace(1, 3, 20)]).double()
    x = torch.stack([flags, mostly, torch.full((60,), 2.0).double()], 1)
    edges = quantile_edges(x, 8)
    assert (edges.diff(dim=1) > 0).all()
    known = [row[row < 1e5] for row in edges]
    assert known[0].tolist() == [0, 1]
    assert known[1][:2].tolist() == [0, pytest.approx(float(torch.quantile(mostly, 6 / 8)))]
    assert known[2].tolist() == [2]
    weight = torch.eye(8).double()[None, None].expand(1, 3, 8, 8)
    bias = torch.zeros(1, 3, 8).double()

    def ramps(at: float) -> torch.Tensor:
        rows = torch.full((1, 1, 3), at).double()
        return embed_piecewise_linear(rows, edges[None], weight, bias).view(3, 8)

    for at in (0.0, 1.0, 2.0, 3.0):
        assert (ramps(at + 1e-4) - ramps(at)).abs().max() < 1e-3
    assert ramps(-1.0)[0].tolist() == [-1, *[0] * 7]
    assert ramps(1.5)[0].tolist() == pytest.approx([1.5, *[0] * 7], abs=1e-5)
    assert ramps(4.0)[1].sum() == pytest.approx(len(known[1]) - 1 + 1, abs=0.01)


def test_equal_edges_of_an_earlier_version_make_a_step() -> None:
    """Finite everywhere, below and above told apart."""
    edges = torch.tensor([0.0, 1.0, 1.0, 2.0]).double()[None, None]
    weight, bias = torch.eye(3).double()[None, None], torch.zeros(1, 1, 3).double()
    x = torch.tensor([0.5, 0.999, 1.001, 1.5]).double()[None, :, None]
    ramps = embed_piecewise_linear(x, edges, weight, bias)[0]
    expected = [[0.5, 0, 0], [0.999, 0, 0], [1, 1, 0.001], [1, 1, 0.5]]
    torch.testing.assert_close(ramps, torch.tensor(expected).double())
