"""One test behind each line of docs/equivalences.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shrinkage.averaging.ema import ema
from shrinkage.batch import Batch
from shrinkage.losses.cross_entropy import cross_entropy
from shrinkage.losses.l2 import L2
from shrinkage.losses.label_smoothing import smooth_labels
from shrinkage.nets.activation import Tanh
from shrinkage.nets.batch_norm import batch_norm_train
from shrinkage.nets.dropout import dropout
from shrinkage.nets.initialize import Zeros
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.optim.decay import Decay
from shrinkage.optim.sgd import Sgd, sgd
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.testing import cohort_of, small_table

PAGE = Path(__file__).parents[1] / "docs" / "equivalences.md"
STEPS = 100


def _numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_every_test_that_the_page_names_is_here() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text()))
    assert len(named) >= 9
    assert named <= set(globals())


def _weights_after(recipes: list[Recipe]) -> Tensor:
    """Ends of recipes trained side by side on all rows of a small regression, [M, P]."""
    dataset = small_table("regression", rows=30, folds=1)
    cohort = cohort_of([Member(recipe.for_task("regression")) for recipe in recipes], dataset)
    positions = torch.arange(30).expand(len(recipes), 30)
    state, batch = start(cohort), dataset.batch(cohort.folds, positions)
    for _ in range(STEPS):
        state, _ = step(cohort, state, batch)
    return state.weights


def _gap(optimizer: Any) -> float:
    """Largest difference between L2 and decoupled decay of the same strength."""
    fixed = [Minibatch(batch_size=30, epochs=STEPS), Mlp(width=6, depth=1), Tanh(), optimizer]
    ends = _weights_after([Recipe(*fixed, p) for p in (L2(weight=0.3), Decay(weight_decay=0.3))])
    return float((ends[0] - ends[1]).abs().max())


def test_l2_is_decoupled_decay_for_sgd() -> None:
    assert _gap(Sgd(lr=0.1)) < 1e-12


def test_l2_is_not_decoupled_decay_for_adam_nor_with_momentum() -> None:
    assert _gap(Adam(lr=0.01)) > 1e-2
    assert _gap(Sgd(lr=0.03, momentum=0.9)) > 1e-3


def _heavy_ball(rates: list[float], mu: float, curvature: Tensor) -> tuple[Tensor, Tensor]:
    """Ends of both momentum forms on a quadratic: ours, and the difference of the last weights."""
    w = torch.ones_like(curvature)
    slots, momentum = {"momentum": torch.zeros_like(w)}, torch.full((1,), mu, dtype=w.dtype)
    for t, rate in enumerate(rates):
        direction, slots = sgd(curvature * w, slots, t, momentum, False)
        w = w - rate * direction
    now = before = torch.ones_like(curvature)
    for rate in rates:
        now, before = now - rate * curvature * now + mu * (now - before), now
    return w, now


def test_the_two_momentum_forms_agree_at_a_constant_rate_only() -> None:
    curvature = torch.tensor([[0.1, 1.0, 5.0]], dtype=torch.float64)
    ours, theirs = _heavy_ball([0.05] * STEPS, 0.9, curvature)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    ours, theirs = _heavy_ball([0.05] * 10 + [0.005] * 10, 0.9, curvature)
    assert float((ours - theirs).abs().max()) > 1e-2


def test_inverted_dropout_preserves_the_expectation() -> None:
    x, rates = _numbers(3, 2, 50), torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64)
    count = 4000
    mean = sum(dropout(x, rates, Draws((0, 0, 0), t), "here") for t in range(count)) / count
    # The mean of `count` draws has deviation |x| sqrt(rate / (1 - rate) / count); 5 of them.
    margin = 5 * x.abs() * (rates / (1 - rates) / count).sqrt()[:, None, None]
    assert bool(((mean - x).abs() <= margin).all())


def _normed(x: Tensor, weight: Tensor) -> Tensor:
    one, none = torch.ones(1, 6, dtype=x.dtype), torch.zeros(1, 6, dtype=x.dtype)
    return batch_norm_train(x @ weight, one, none, none, one, torch.full((1,), 0.1).double())[0]


def test_batch_norm_makes_the_scale_of_the_weights_irrelevant() -> None:
    """Forward nothing changes; the gradient shrinks by the same factor and is orthogonal."""
    x, weight = _numbers(1, 40, 5), 3 * _numbers(1, 5, 6, seed=1)
    goal = _numbers(1, 40, 6, seed=2)
    slopes = []
    for scale in (1.0, 10.0):
        scaled = (scale * weight).requires_grad_()
        loss = (_normed(x, scaled) - goal).square().sum()
        slopes.append(torch.autograd.grad(loss, scaled)[0])
    out = _normed(x, weight)
    torch.testing.assert_close(_normed(x, 10 * weight), out, rtol=0, atol=1e-4)
    torch.testing.assert_close(slopes[1], slopes[0] / 10, rtol=1e-3, atol=1e-6)
    radial = (weight * slopes[0]).sum(1) / weight.norm(dim=1) / slopes[0].norm(dim=1)
    assert float(radial.abs().max()) < 1e-4  # zero but for the eps of the norm


def test_label_smoothing_mixes_the_loss_with_that_of_uniform_targets() -> None:
    output, eps = _numbers(2, 9, 4), torch.tensor([0.1, 0.4], dtype=torch.float64)
    target = torch.eye(4, dtype=torch.float64)[torch.arange(18).view(2, 9) % 4]
    uniform = torch.full_like(target, 1 / 4)
    mixed = cross_entropy(output, smooth_labels(target, eps))
    share = eps[:, None]
    parts = (1 - share) * cross_entropy(output, target) + share * cross_entropy(output, uniform)
    torch.testing.assert_close(mixed, parts, rtol=0, atol=1e-12)


def test_the_average_of_constant_weights_is_those_weights() -> None:
    weights, decay = _numbers(3, 7), torch.tensor([0.0, 0.9, 0.999], dtype=torch.float64)
    slots = {"average": weights.clone()}
    for t in range(STEPS):
        _, slots = ema(weights, slots, t, decay)
    torch.testing.assert_close(slots["average"], weights, rtol=0, atol=1e-12)


# Least squares: 40 rows, 5 columns of very different spread, everything centred.
ROWS, COLUMNS = 40, 5
SPREADS = np.array([3.0, 1.5, 0.8, 0.4, 0.1])


def _least_squares() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, COLUMNS)) * SPREADS
    y = x @ rng.normal(size=COLUMNS) + rng.normal(size=ROWS)
    x, y = x - x.mean(0), y - y.mean()
    return x, y / y.std()


def _linear_fits(recipes: list[Recipe], steps: int) -> np.ndarray:
    """Coefficients [M, columns] of linear models trained from zero on all rows."""
    x, y = _least_squares()
    rows = Sample({"numbers": torch.from_numpy(x)}, torch.from_numpy(y))
    dataset = Dataset((Fold(rows, rows),), 1, "regression", torch.float64)
    shape = TableShape(COLUMNS, (), 1)
    members = tuple(Member(recipe.for_task("regression")) for recipe in recipes)
    cohort = Cohort(members, dataset, lambda recipe: network_of(recipe, shape))
    state = start(cohort)
    for _ in range(steps):
        batch: Batch = dataset.batch(cohort.folds, torch.arange(ROWS).expand(len(members), -1))
        state, _ = step(cohort, state, batch)
    return cohort.network.weights.views(state.weights)["head.weight"][..., 0].numpy()


def _filtered(shares: np.ndarray) -> np.ndarray:
    """The least-squares solution with each singular direction multiplied by its share."""
    x, y = _least_squares()
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return vt.T @ (shares * (u.T @ y) / s)


def _linear(rate: float, epochs: int, *more: Any) -> Recipe:
    return Recipe(
        Minibatch(batch_size=ROWS, epochs=epochs), Mlp(depth=0), Zeros(), Sgd(lr=rate), *more
    )


@pytest.mark.parametrize("steps", [1, 10, 300])
def test_gradient_descent_filters_singular_directions(steps: int) -> None:
    """The loss is |Xw - y|^2 / n, so each step removes 2 rate s^2 / n of what is left."""
    s = np.linalg.svd(_least_squares()[0], compute_uv=False)
    rates = [0.01, 0.03]
    found = _linear_fits([_linear(rate, steps) for rate in rates], steps)
    for row, rate in zip(found, rates, strict=True):
        shares = 1 - (1 - 2 * rate * s**2 / ROWS) ** steps
        np.testing.assert_allclose(row, _filtered(shares), rtol=0, atol=1e-10)


def test_an_l2_penalty_is_ridge_and_filters_the_same_directions() -> None:
    """Its minimum solves (2/n X'X + weight) w = 2/n X'y: shares s^2 / (s^2 + n weight / 2)."""
    s = np.linalg.svd(_least_squares()[0], compute_uv=False)
    weights, steps = [0.1, 1.0], 4000
    found = _linear_fits([_linear(0.04, steps, L2(weight=w)) for w in weights], steps)
    for row, weight in zip(found, weights, strict=True):
        shares = s**2 / (s**2 + ROWS * weight / 2)
        np.testing.assert_allclose(row, _filtered(shares), rtol=0, atol=1e-10)


def _shares(coefficients: np.ndarray) -> np.ndarray:
    """What `_filtered` made of the least-squares solution: the share of each direction."""
    x, y = _least_squares()
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return (vt @ coefficients) * s / (u.T @ y)


def test_stopping_after_t_steps_is_close_to_ridge_of_strength_one_over_rate_times_t() -> None:
    """Both, as they train here; weak directions are held back equally to first order."""
    rate, steps, ridge = 1e-4, 10, 0.04
    s = np.linalg.svd(_least_squares()[0], compute_uv=False)
    (stopped,) = map(_shares, _linear_fits([_linear(rate, steps)], steps))
    penalty = L2(weight=1 / (rate * steps))  # ridge's own strength, n / (2 rate t), as a mean
    (shrunk,) = map(_shares, _linear_fits([_linear(ridge / penalty.weight, 400, penalty)], 400))
    strengths = 2 * rate * steps * s**2 / ROWS
    assert strengths.max() < 0.03
    np.testing.assert_allclose(stopped, strengths, rtol=0.015)
    np.testing.assert_allclose(shrunk, strengths, rtol=0.03)
    np.testing.assert_allclose(stopped, shrunk, rtol=0.015)


APART = {1: 0.5, 2: 0.348, 4: 0.272, 10: 0.230, 50: 0.209, 10**6: 0.204}


def test_stopping_and_ridge_differ_less_the_smaller_and_more_the_steps() -> None:
    """a = 2 rate s^2 / n in [0, 1]; the limit is of 1 - exp(-at) and at / (1 + at)."""
    found = {}
    for steps in APART:
        a = np.minimum(np.logspace(-4, 4, 20_001) / steps, 1)
        found[steps] = np.abs(1 - (1 - a) ** steps - steps * a / (1 + steps * a)).max()
    assert found == pytest.approx(APART, abs=5e-4)
    at = np.logspace(-4, 4, 20_001)
    limit = np.abs(np.exp(-at) - 1 / (1 + at)).max()
    assert found[10**6] == pytest.approx(limit, abs=1e-5)
    assert min(found.values()) > limit - 1e-9


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_what_trains_here_differs_no_more(steps: int) -> None:
    """At the largest step that does not jump to and fro: a = 1 in the strongest direction."""
    s = np.linalg.svd(_least_squares()[0], compute_uv=False)
    rate = ROWS / (2 * s.max() ** 2)
    (stopped,) = map(_shares, _linear_fits([_linear(rate, steps)], steps))
    at = steps * 2 * rate * s**2 / ROWS
    apart = np.abs(stopped - at / (1 + at)).max()
    assert 0.01 < apart < APART[steps] + 1e-4
