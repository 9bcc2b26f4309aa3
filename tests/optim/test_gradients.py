"""Adaptive clipping against a twin unit by unit; gradient noise against its law."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from shrinkage.nets.adopt import adopt
from shrinkage.nets.embedding import embedding_entries
from shrinkage.nets.layout import Entry, Layout
from shrinkage.nets.linear import linear_entries
from shrinkage.nets.norms import NORMS
from shrinkage.optim.clip import clip_norm
from shrinkage.optim.clip_adaptive import clip_adaptive
from shrinkage.optim.gradient_noise import gradient_noise
from shrinkage.randomness import Draws

LIMIT, EPS = [0.01, 0.3, torch.inf], [1e-3, 1e-1, 1e-3]


def _vector(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _units(entry: Entry, w: Tensor) -> list[Tensor]:
    """Views of an array, one a unit: columns, a category's row, or all of a bias."""
    return {
        "weight": lambda: [w[..., j] for j in range(w.shape[-1])],
        "embedding": lambda: list(w),
        "bias": lambda: [w],
        "norm": lambda: [w],
    }[entry.role]()


OURS = Layout(
    (
        *embedding_entries((3, 2), 4),
        *linear_entries("layer0", 5, 5),
        *NORMS["batch_norm"].entries("norm", 5, {})[0],
        *linear_entries("head", 5, 2),
    )
)


def test_without_a_limit_nothing_is_clipped_where_a_norm_overflows() -> None:
    """Beside a member with one; squares of 1e20 are infinite in float32."""
    grad = torch.full((2, OURS.size), 1e20)
    limits, eps = torch.tensor([torch.inf, 1.0]), torch.full((2,), 1e-3)
    for clipped in (clip_norm(grad, limits), clip_adaptive(grad, grad, OURS, limits, eps)):
        assert torch.equal(clipped[0], grad[0])


def test_adaptive_clipping_equals_a_twin_unit_by_unit() -> None:
    weights = 0.5 * _random(3, OURS.size, seed=1)
    OURS.views(weights)["layer0.bias"].zero_()
    grad = _random(3, OURS.size, seed=2)
    OURS.views(grad)["head.weight"][:, :, 0].zero_()
    clipped = clip_adaptive(grad, weights, OURS, _vector(LIMIT), _vector(EPS))
    changed = 0
    for i in range(3):
        for entry in OURS.entries:
            own, mine = (OURS.views(x)[entry.name][i] for x in (weights, clipped))
            twin = OURS.views(grad)[entry.name][i].clone()
            for w, g in zip(_units(entry, own), _units(entry, twin), strict=True):
                most = LIMIT[i] * max(float(w.norm()), EPS[i])
                if float(g.norm()) > most:
                    g.mul_(most / g.norm())
                    changed += 1
            torch.testing.assert_close(mine, twin, rtol=0, atol=1e-12)
    assert changed > 20
    assert torch.equal(clipped[2], grad[2])


def test_units_of_an_adopted_module_lie_along_its_first_axis() -> None:
    """A square layer, so that the shape alone does not tell; and a convolution."""
    linear = adopt(nn.Linear(4, 4)).weights
    convolution = adopt(nn.Conv1d(3, 2, 5)).weights
    for layout in (linear, convolution):
        weight = layout.entries[0]
        grad = torch.zeros(1, layout.size).double()
        view = layout.views(grad)["weight"]
        view[0, 0] = 1.0
        ones = torch.ones_like(grad)
        clipped = clip_adaptive(grad, ones, layout, _vector([0.1]), _vector([1e-3]))
        unit = layout.views(clipped)["weight"][0, 0]
        torch.testing.assert_close(unit, torch.full_like(unit, 0.1))
        assert weight.shape[0] == view.shape[1]


def test_a_stacked_matrix_has_a_unit_for_each_of_its_columns() -> None:
    """[columns, in, out], as the embeddings of numbers have: the norm runs over `in` alone."""
    layout = Layout((Entry("numbers.weight", (3, 4, 2), "weight"),))
    weights, grad = torch.ones(1, 24).double(), torch.zeros(1, 24).double()
    layout.views(grad)["numbers.weight"][0, 1] = 1.0
    clipped = clip_adaptive(grad, weights, layout, _vector([0.5]), _vector([1e-3]))
    torch.testing.assert_close(clipped, grad / 2)


ETA, GAMMA = [0.0, 0.01, 1.0], [0.55, 0.0, 0.55]


@pytest.mark.parametrize("step", [0, 1, 9, 999])
def test_gradient_noise_has_the_variance_of_its_law(step: int) -> None:
    grad = _random(3, 40000, seed=3)
    draws = Draws((0, 1, 2), step=step)
    noise = gradient_noise(grad, draws, step, _vector(ETA), _vector(GAMMA)) - grad
    assert not noise[0].any()
    for i in (1, 2):
        variance = ETA[i] / (1 + step) ** GAMMA[i]
        # The variance of a sample variance of normal numbers is 2 variance^2 / n.
        error = 4 * (2 / noise.shape[1]) ** 0.5
        assert float(noise[i].var() / variance) == pytest.approx(1, abs=error)
        assert float(noise[i].mean()) == pytest.approx(0, abs=4 * (variance / 40000) ** 0.5)
