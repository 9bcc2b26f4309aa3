"""Focal loss, confidence penalty and elastic net: their equations, gradients and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import pytest
import torch
from sklearn.linear_model import ElasticNet as Theirs
from torch import Tensor

from population.samples import cohort_of, table, trained
from shrinkage.losses.confidence_penalty import ConfidencePenalty, penalize_confidence
from shrinkage.losses.cross_entropy import cross_entropy
from shrinkage.losses.elastic_net import elastic_net
from shrinkage.losses.focal import focus
from shrinkage.losses.l1 import l1
from shrinkage.losses.l2 import l2
from shrinkage.losses.squared_error import squared_error
from shrinkage.nets.mlp import Mlp
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe

MEMBERS, ROWS, CLASSES = 3, 20, 4
STRENGTHS = [0.0, 0.5, 2.0]


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


def _vector(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


SOFT = _random(MEMBERS, ROWS, CLASSES, seed=1).softmax(-1)
HARD = torch.eye(CLASSES, dtype=torch.float64)[
    torch.arange(MEMBERS * ROWS).reshape(MEMBERS, ROWS) % CLASSES
]


def _focal(output: Tensor, target: Tensor, strength: Tensor) -> Tensor:
    return cross_entropy(output, focus(target, output, strength))


def _focal_twin(output: Tensor, target: Tensor, gamma: float) -> Tensor:
    p = torch.softmax(output, -1)
    total = torch.zeros(len(output), dtype=output.dtype)
    for c in range(output.shape[1]):
        total = total - target[:, c] * (1 - p[:, c]) ** gamma * torch.log(p[:, c])
    return total


def _confident(output: Tensor, target: Tensor, strength: Tensor) -> Tensor:
    return penalize_confidence(cross_entropy(output, target), output, strength)


def _confident_twin(output: Tensor, target: Tensor, weight: float) -> Tensor:
    entropy = torch.distributions.Categorical(logits=output).entropy()
    return torch.nn.CrossEntropyLoss(reduction="none")(output, target) - weight * entropy


@dataclass(frozen=True)
class Case:
    """ours: all members; twin: one member, in plain words. Both: one loss a row."""

    name: str
    ours: Callable[[Tensor, Tensor, Tensor], Tensor]
    twin: Callable[[Tensor, Tensor, float], Tensor]

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("focal", _focal, _focal_twin),
    Case("confidence penalty", _confident, _confident_twin),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_target = pytest.mark.parametrize("target", [SOFT, HARD], ids=["soft", "hard"])


@each_target
@each_case
def test_each_member_equals_its_twin_loss_and_gradient(case: Case, target: Tensor) -> None:
    output = _random(MEMBERS, ROWS, CLASSES, seed=2).requires_grad_()
    losses = case.ours(output, target, _vector(STRENGTHS))
    (grad,) = torch.autograd.grad(losses.sum(), output)
    for i, strength in enumerate(STRENGTHS):
        own = output[i].detach().requires_grad_()
        expected = case.twin(own, target[i], strength)
        torch.testing.assert_close(losses[i], expected, rtol=0, atol=1e-12)
        (wanted,) = torch.autograd.grad(expected.sum(), own)
        torch.testing.assert_close(grad[i], wanted, rtol=0, atol=1e-12)


@each_target
@each_case
def test_the_gradient_passes_a_difference_check(case: Case, target: Tensor) -> None:
    output = _random(MEMBERS, ROWS, CLASSES, seed=3).requires_grad_()
    strengths = _vector(STRENGTHS)
    assert torch.autograd.gradcheck(lambda z: case.ours(z, target, strengths), (output,))


@each_target
@each_case
def test_off_is_cross_entropy_bit_for_bit_beside_members_with_it_on(
    case: Case, target: Tensor
) -> None:
    output = _random(MEMBERS, ROWS, CLASSES, seed=4).requires_grad_()
    plain, ours = cross_entropy(output, target), case.ours(output, target, _vector(STRENGTHS))
    (wanted,), (grad,) = (torch.autograd.grad(x.sum(), output) for x in (plain, ours))
    assert torch.equal(ours[0], plain[0])
    assert torch.equal(grad[0], wanted[0])
    assert not torch.equal(grad[1], wanted[1])


SURE = [0.0, 30.0, 90.0, 800.0, 1e30]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("strength", [0.0, 0.05, 0.5, 1.0, 3.0])
@each_case
def test_sure_predictions_have_finite_losses_and_gradients(
    case: Case, strength: float, dtype: torch.dtype
) -> None:
    """Probabilities that round to 1 and 0, right and wrong."""
    strengths = torch.tensor([strength], dtype=dtype)
    output = torch.tensor([[s, 0.0, -s] for s in SURE], dtype=dtype)[None].requires_grad_()
    for column in range(3):
        target = torch.eye(3, dtype=dtype)[column].expand(1, len(SURE), 3)
        losses = case.ours(output, target, strengths)
        (grad,) = torch.autograd.grad(losses.sum(), output)
        assert torch.isfinite(losses).all()
        assert torch.isfinite(grad).all()
    right = case.ours(
        output.detach(), torch.eye(3, dtype=dtype)[:1].expand(1, len(SURE), 3), strengths
    )
    assert float(right[0, -1]) == 0.0


def test_focal_weighs_a_row_less_the_surer_it_is() -> None:
    """A half-right row keeps 2^-gamma of its loss, a nearly right one next to nothing."""
    output = torch.tensor([[0.0, 0.0], [5.0, -5.0]], dtype=torch.float64).expand(2, 2, 2)
    target = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(2, 2, 2)
    losses = _focal(output, target, _vector([0.0, 2.0]))
    torch.testing.assert_close(losses[1, 0], losses[0, 0] / 4)
    assert losses[1, 1] < 1e-8 * losses[0, 1]


def test_the_entropy_of_even_probabilities_is_log_c() -> None:
    even = torch.zeros(1, 1, CLASSES).double()
    paid = penalize_confidence(torch.zeros(1, 1).double(), even, _vector([0.5]))
    assert float(paid) == pytest.approx(-0.5 * log(CLASSES), abs=1e-12)


WEIGHTS, RATIOS = [0.0, 0.3, 2.0], [0.5, 0.0, 0.9]


def test_elastic_net_is_l1_and_l2_of_their_shares() -> None:
    flat, mask = _random(MEMBERS, 12, seed=5), _vector([1.0] * 8 + [0.0] * 4)
    weight, ratio = _vector(WEIGHTS), _vector(RATIOS)
    penalty, grad = elastic_net(flat, mask, weight, ratio)
    parts = l1(flat, mask, weight * ratio), l2(flat, mask, weight * (1 - ratio))
    torch.testing.assert_close(penalty, parts[0][0] + parts[1][0])
    torch.testing.assert_close(grad, parts[0][1] + parts[1][1])
    assert not grad[0].any()
    assert not grad[:, 8:].any()
    for i in range(MEMBERS):
        w = flat[i, :8].clone().requires_grad_()
        plain = WEIGHTS[i] * (RATIOS[i] * w.abs().sum() + 0.5 * (1 - RATIOS[i]) * w.square().sum())
        torch.testing.assert_close(penalty[i], plain)
        torch.testing.assert_close(grad[i, :8], torch.autograd.grad(plain, w)[0])


@pytest.mark.parametrize(("alpha", "ratio"), [(0.1, 0.5), (0.5, 0.2), (0.05, 0.95)])
def test_at_scikit_learns_solution_the_pulls_balance(alpha: float, ratio: float) -> None:
    """Its loss is half the mean squared error, so our weight is twice its alpha.

    The optimum has no slope where a coefficient is not 0.
    """
    x, noise = _random(50, 6, seed=6), _random(50, seed=7)
    y = x @ _vector([1.0, -2.0, 0.0, 0.5, 0.0, 3.0]) + noise
    model = Theirs(alpha=alpha, l1_ratio=ratio, fit_intercept=False, tol=1e-14, max_iter=100000)
    w = torch.from_numpy(model.fit(x.numpy(), y.numpy()).coef_).requires_grad_()
    loss = squared_error((x @ w)[None, :, None], y[None, :, None]).mean()
    weight = 2 * alpha
    _, pull = elastic_net(w.detach()[None], torch.ones(6), _vector([weight]), _vector([ratio]))
    slope = torch.autograd.grad(loss, w)[0] + pull[0]
    assert (w != 0).any()
    assert slope[w != 0].abs().max() < 1e-6
    assert (slope[w == 0].abs() <= weight * ratio + 1e-6).all()


def test_a_loss_below_zero_from_the_start_is_no_divergence() -> None:
    """Much reward for even probabilities, which a new network nearly has."""
    recipe = Recipe(Mlp(width=8), ConfidencePenalty(weight=10.0)).for_task("classification")
    training = trained(cohort_of([Member(recipe)], table()), 20)
    assert training.outcome(0).reason is None
    assert float(training.state.first_loss) < -1
