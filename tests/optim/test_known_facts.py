"""What is known of update rules in closed form, on gradients and quadratics written here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim._muon import _zeropower_via_newtonschulz

from shrinkage.catalog import Entry as Ingredient
from shrinkage.catalog import entry_of
from shrinkage.ingredient import fields_of
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.layout import Entry, Layout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.optim.adadelta import Adadelta
from shrinkage.optim.adagrad import Adagrad
from shrinkage.optim.adam import Adam
from shrinkage.optim.lion import Lion, lion
from shrinkage.optim.muon import Muon, hidden, orthogonalized
from shrinkage.optim.nadam import Nadam
from shrinkage.optim.radam import Radam, radam, rectification
from shrinkage.optim.rmsprop import Rmsprop
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import network_of
from shrinkage.recipe import Recipe
from shrinkage.slots import Slots

M, P = 3, 5
LAYOUT = Layout(
    (
        Entry("layer0.weight", (4, 6), "weight"),
        Entry("layer1.weight", (6, 9), "weight"),
        Entry("layer1.bias", (9,), "bias"),
        Entry("layer2.weight", (9, 6), "weight"),
        Entry("head.weight", (6, 2), "weight"),
    )
)


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _numbers(rule: Any, members: int = M) -> dict[str, Any]:
    """The rule's numbers but its rate, the same for all members."""
    return {
        field.name: torch.full((members,), getattr(rule, field.name), dtype=torch.float64)
        if field.per_member
        else getattr(rule, field.name)
        for field in fields_of(type(rule))
        if field.name != "lr"
    }


def _slots(entry: Ingredient, weights: Tensor, numbers: dict[str, Any]) -> Slots:
    assert entry.slots is not None
    return entry.slots(weights, **numbers)


def directions(rule: Any, grads: Tensor, **needs: Any) -> Tensor:
    """grads: [T, M, P], or [T, M, P] of float32. Directions [T, M, P]."""
    entry, numbers = entry_of(rule), _numbers(rule, grads.shape[1])
    numbers = {k: x.to(grads.dtype) if torch.is_tensor(x) else x for k, x in numbers.items()}
    slots, found = _slots(entry, torch.zeros_like(grads[0]), numbers), []
    for t, grad in enumerate(grads):
        direction, slots = entry.apply(grad, slots, t, **needs, **numbers)
        found.append(direction.clone())
    return torch.stack(found)


def test_adagrads_rate_falls_with_the_root_of_time_on_constant_gradients() -> None:
    grad = _noise(M, P)
    t = torch.arange(1, 101, dtype=torch.float64)[:, None, None]
    found = directions(Adagrad(eps=1e-12), grad.expand(100, M, P))
    torch.testing.assert_close(found, grad.sign() / t.sqrt(), rtol=0, atol=1e-8)


def test_adadelta_does_not_see_the_scale_of_a_loss() -> None:
    grads = _noise(50, M, P)
    small, large = (directions(Adadelta(eps=1e-15), scale * grads) for scale in (1.0, 1e4))
    torch.testing.assert_close(small, large, rtol=1e-6, atol=0)


def test_rmsprop_ends_at_the_sign_of_constant_gradients() -> None:
    grad = _noise(M, P)
    found = directions(Rmsprop(alpha=0.9, eps=1e-12), grad.expand(300, M, P))
    torch.testing.assert_close(found[-1], grad.sign(), rtol=0, atol=1e-8)
    torch.testing.assert_close(found[0], grad.sign() / 0.1**0.5, rtol=0, atol=1e-8)


def test_centered_rmsprop_stays_a_number_where_rounding_makes_the_variance_negative() -> None:
    grads = (1 + 1e-6 * _noise(400, 1, 2000)).float()
    rule = Rmsprop(alpha=0.9, centered=True)
    square, mean = torch.zeros(1, 2000), torch.zeros(1, 2000)
    for grad in grads:
        square, mean = square.lerp(grad.square(), 0.1), mean.lerp(grad, 0.1)
    assert (square - mean.square()).min() < 0  # otherwise this shows nothing
    assert torch.isfinite(directions(rule, grads)).all()


def test_nadam_without_momentum_is_adam_without_momentum() -> None:
    grads = _noise(40, M, P)
    torch.testing.assert_close(
        directions(Nadam(beta1=0.0, eps=1e-8), grads),
        directions(Adam(beta1=0.0, eps=1e-8), grads),
        rtol=0,
        atol=1e-12,
    )


def test_radam_begins_as_momentum_and_ends_as_adam() -> None:
    grads = _noise(4000, 1, 4)
    rule = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-15}
    ours, adam = directions(Radam(**rule), grads), directions(Adam(**rule), grads)
    m = torch.zeros(1, 4, dtype=torch.float64)
    for t in range(5):
        m = 0.9 * m + 0.1 * grads[t]
        torch.testing.assert_close(ours[t], m / (1 - 0.9 ** (t + 1)), rtol=0, atol=1e-12)
    assert not torch.allclose(ours[5], m / (1 - 0.9**5), rtol=1e-3)
    torch.testing.assert_close(ours[-1], adam[-1], rtol=1e-12, atol=0)


def test_radam_switches_each_member_by_its_own_beta2_and_in_float32_at_the_same_step() -> None:
    beta2 = torch.tensor([0.6, 0.9, 0.99, 0.999, 0.9999])
    double = torch.stack([rectification(beta2.double(), t)[1] for t in range(40)])
    single = torch.stack([rectification(beta2, t)[1] for t in range(40)])
    assert torch.equal(single, double)
    assert not double[:, 0].any()  # rho_inf = 4: never
    assert double[:, 1:].int().argmax(0).tolist() == [5, 5, 5, 5]
    for t in range(40):
        ours, exact = rectification(beta2, t)[0], rectification(beta2.double(), t)[0]
        torch.testing.assert_close(ours[double[t]], exact[double[t]].float(), rtol=1e-6, atol=0)


def test_radam_that_never_rectifies_stays_momentum_beside_one_that_does() -> None:
    """The search range of beta2 switches all members at one step; below it they part."""
    grads, beta2 = _noise(30, 2, 4), torch.tensor([0.6, 0.99], dtype=torch.float64)
    numbers = _numbers(Radam(), 2) | {"beta2": beta2}
    slots = {name: torch.zeros(2, 4, dtype=torch.float64) for name in ("mean", "square")}
    for t, grad in enumerate(grads):
        direction, slots = radam(grad, slots, t, **numbers)
    plain = slots["mean"] / (1 - 0.9 ** len(grads))
    torch.testing.assert_close(direction[0], plain[0], rtol=0, atol=1e-12)
    alone = directions(Radam(beta2=0.99), grads[:, 1:])[-1, 0]
    torch.testing.assert_close(direction[1], alone, rtol=0, atol=1e-12)
    assert not torch.allclose(alone, plain[1], rtol=0.1)


def test_lion_moves_every_weight_by_exactly_its_rate() -> None:
    found = directions(Lion(), 10.0 ** (6 * _noise(50, M, P)) * _noise(50, M, P, seed=1).sign())
    assert torch.equal(found.abs(), torch.ones_like(found))


def test_lions_first_step_is_the_sign_of_the_gradient_and_zero_stays() -> None:
    grads = torch.tensor([[[3.0, -1e-9, 0.0]]], dtype=torch.float64)
    assert directions(Lion(), grads)[0].tolist() == [[1.0, -1.0, 0.0]]


@pytest.mark.parametrize("shape", [(6, 6), (6, 9), (9, 6), (1, 7)], ids=str)
def test_newton_schulz_keeps_directions_and_brings_singular_values_near_one(shape) -> None:
    u, s, vt = torch.linalg.svd(_noise(4, *shape), full_matrices=False)
    # Five iterations lift 1/20 of the norm to near 1; less would stay below.
    s = torch.linspace(1, 0.2, s.shape[1]) * torch.tensor([1e-3, 1.0, 50.0, 1e4])[:, None]
    left = u.mT @ orthogonalized(u * s[:, None] @ vt, 5) @ vt.mT
    values = left.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(left, torch.diag_embed(values), rtol=0, atol=1e-10)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_newton_schulz_in_bfloat16_is_torchs() -> None:
    matrices = _noise(4, 5, 8)
    for ours, matrix in zip(orthogonalized(matrices.bfloat16(), 5), matrices, strict=True):
        theirs = _zeropower_via_newtonschulz(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.03)


def test_newton_schulz_scales_each_member_by_its_own_norm() -> None:
    pair = _noise(2, 4, 6) * torch.tensor([1.0, 1e6])[:, None, None]
    torch.testing.assert_close(
        orthogonalized(pair, 5)[:1], orthogonalized(pair[:1], 5), rtol=0, atol=1e-12
    )


def test_beside_heads_of_their_own_all_hidden_matrices_are_turned() -> None:
    """A batch ensemble's head has three axes: the last matrix of two is a hidden one."""
    shape = TableShape(4, (), 3)
    for depth in (1, 2, 3):
        recipe = Recipe(Mlp(width=8, depth=depth), BatchEnsemble(k=4))
        expected = [f"layer{i}.weight" for i in range(1, depth)]
        assert hidden(network_of(recipe, shape).weights) == expected
        assert hidden(network_of(Recipe(Mlp(width=8, depth=depth)), shape).weights) == expected


def test_muon_turns_hidden_matrices_only_and_the_rest_goes_by_adam() -> None:
    assert hidden(LAYOUT) == ["layer1.weight", "layer2.weight"]
    grads = _noise(20, M, LAYOUT.size)
    ours = directions(Muon(), grads, layout=LAYOUT)[-1]
    turned, adam = LAYOUT.views(ours), LAYOUT.views(directions(Adam(), grads)[-1])
    for name in ("layer0.weight", "layer1.bias", "head.weight"):
        assert torch.equal(turned[name], adam[name])
    for name in hidden(LAYOUT):
        values = torch.linalg.svdvals(turned[name] / (0.2 * 9**0.5))
        assert ((values > 0.6) & (values < 1.3)).all()
        # As large as Adam's entries, so that one rate serves both.
        assert 0.1 < turned[name].square().mean().sqrt() < 0.3


def _schedule_free(rule: ScheduleFree, grads: Tensor, rates: list[float]) -> tuple[Tensor, Tensor]:
    """y and x after these gradients; rates: one a step, for all members."""
    entry, numbers = entry_of(rule), _numbers(rule)
    y = torch.zeros(M, P, dtype=torch.float64)
    slots, mask = _slots(entry, y, numbers), torch.ones(P, dtype=torch.float64)
    for t, (grad, lr) in enumerate(zip(grads, rates, strict=True)):
        rate = torch.full((M,), lr, dtype=torch.float64)
        needs = {"weights": y, "mask": mask, "rate": rate}
        direction, slots = entry.apply(grad, slots, t, **needs, **numbers)
        y = y - rate[:, None] * direction
    assert entry.shows is not None
    return y, entry.shows(y, slots, **numbers)


def test_schedule_free_without_interpolation_is_adam_with_polyaks_average() -> None:
    """The mean of z_1 ... z_T; the start does not count."""
    grads = _noise(60, M, P)
    adam = directions(Adam(beta1=0.0), grads)
    path = -0.01 * adam.cumsum(0)
    y, x = _schedule_free(ScheduleFree(beta1=0.0), grads, [0.01] * 60)
    torch.testing.assert_close(y, path[-1], rtol=0, atol=1e-12)
    torch.testing.assert_close(x, path.mean(0), rtol=0, atol=1e-12)


def test_schedule_free_counts_steps_by_the_square_of_the_largest_rate_so_far() -> None:
    grads, rates = _noise(5, M, P), [0.0, 0.01, 0.02, 0.01, 0.0]
    path = -(torch.tensor(rates)[:, None, None] * directions(Adam(beta1=0.0), grads)).cumsum(0)
    share = torch.tensor([0.0, 1, 4, 4, 4], dtype=torch.float64) / 13
    y, x = _schedule_free(ScheduleFree(beta1=0.0), grads, rates)
    torch.testing.assert_close(y, path[-1], rtol=0, atol=1e-9)
    torch.testing.assert_close(x, (share[:, None, None] * path).sum(0), rtol=0, atol=1e-9)


def test_schedule_free_weights_lie_between_the_average_and_the_fast_point() -> None:
    rule, grads = ScheduleFree(beta1=0.7), _noise(30, M, P)
    y, x = _schedule_free(rule, grads, [0.02] * 30)
    fast = -0.02 * directions(Adam(beta1=0.0), grads).sum(0)
    torch.testing.assert_close(y, 0.3 * fast + 0.7 * x, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "lr"),
    [
        (Sgd(momentum=0.9), 0.05),
        (Adagrad(), 0.5),
        (Adadelta(eps=1e-4), 1.0),
        (Rmsprop(), 1e-3),
        (Nadam(), 1e-2),
        (Radam(), 1e-2),
        (Lion(), 1e-3),
    ],
    ids=lambda x: type(x).__name__ if not isinstance(x, float) else "",
)
def test_a_rule_finds_the_minimum_of_a_quadratic(rule: Any, lr: float) -> None:
    """Curvatures from 0.1 to 1; the minimum is at 1."""
    entry, numbers = entry_of(rule), _numbers(rule)
    curvature = torch.linspace(0.1, 1, P, dtype=torch.float64)
    w = torch.zeros(M, P, dtype=torch.float64)
    slots = _slots(entry, w, numbers)
    for t in range(3000):
        direction, slots = entry.apply(curvature * (w - 1), slots, t, **numbers)
        w = w - lr * direction
    assert (w - 1).abs().max() < 0.02


def test_lions_sign_of_what_is_no_number_is_none() -> None:
    """torch's is 0, and a member that has gone wrong would stand still unseen."""
    grad = torch.tensor([[torch.nan, 2.0, 0.0], [1.0, -3.0, torch.inf]])
    beta1, beta2 = torch.full((2,), 0.9), torch.full((2,), 0.99)
    direction, slots = lion(grad, {"momentum": torch.zeros(2, 3)}, 0, beta1, beta2)
    expected = torch.tensor([[torch.nan, 1.0, 0.0], [1.0, -1.0, 1.0]])
    torch.testing.assert_close(direction, expected, rtol=0, atol=0, equal_nan=True)
    assert slots["momentum"].isnan().tolist() == [[True, False, False], [False] * 3]
