"""Losses, what reshapes their target and rows, and penalties, against torch and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from shrinkage.losses.absolute_error import absolute_error
from shrinkage.losses.class_weight import ClassWeight, class_weights, weigh_rows
from shrinkage.losses.cross_entropy import cross_entropy
from shrinkage.losses.huber import huber
from shrinkage.losses.l1 import l1
from shrinkage.losses.l2 import l2
from shrinkage.losses.label_smoothing import smooth_labels
from shrinkage.losses.pinball import pinball
from shrinkage.losses.squared_error import squared_error
from shrinkage.population.cohort import Member
from shrinkage.population.step import mean_loss
from shrinkage.recipe import Recipe
from shrinkage.testing import cohort_of, small_table

MEMBERS, ROWS, CLASSES = 3, 60, 4
EPS = [0.0, 0.1, 0.6]
DELTA = [0.1, 1.0, 5.0]
POWER = [0.0, 0.5, 1.0]


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


def _vector(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


SHARES = [0.5, 0.2, 0.15, 0.15]
CODES = torch.from_numpy(np.random.default_rng(0).choice(CLASSES, (MEMBERS, ROWS), p=SHARES))
ONE_HOT = functional.one_hot(CODES, CLASSES).double()
SHARE = ONE_HOT.mean(1)
NUMBERS = _random(MEMBERS, ROWS, CLASSES, seed=1)


def _weighted(output: Tensor) -> Tensor:
    weight = weigh_rows(torch.ones(MEMBERS, ROWS).double(), ONE_HOT, SHARE, _vector(POWER))
    return (cross_entropy(output, ONE_HOT) * weight).sum(1) / weight.sum(1)


@dataclass(frozen=True)
class Case:
    """ours: output [M, B, C] to one loss a member. twin: the torch loss of member i."""

    name: str
    ours: Callable[[Tensor], Tensor]
    twin: Callable[[int], nn.Module]
    target: Tensor

    def __str__(self) -> str:
        return self.name


CASES = [
    Case(
        "cross entropy",
        lambda z: cross_entropy(z, ONE_HOT).mean(1),
        lambda i: nn.CrossEntropyLoss(),
        CODES,
    ),
    Case(
        "label smoothing",
        lambda z: cross_entropy(z, smooth_labels(ONE_HOT, _vector(EPS))).mean(1),
        lambda i: nn.CrossEntropyLoss(label_smoothing=EPS[i]),
        CODES,
    ),
    Case(
        "class weights",
        _weighted,
        lambda i: nn.CrossEntropyLoss(weight=class_weights(SHARE, _vector(POWER))[i]),
        CODES,
    ),
    Case("squared", lambda z: squared_error(z, NUMBERS).mean(1), lambda i: nn.MSELoss(), NUMBERS),
    Case("absolute", lambda z: absolute_error(z, NUMBERS).mean(1), lambda i: nn.L1Loss(), NUMBERS),
    Case(
        "huber",
        lambda z: huber(z, NUMBERS, _vector(DELTA)).mean(1),
        lambda i: nn.HuberLoss(delta=DELTA[i]),
        NUMBERS,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_member_equals_its_torch_twin_loss_and_gradient(case: Case) -> None:
    output = _random(MEMBERS, ROWS, CLASSES, seed=2).requires_grad_()
    loss = case.ours(output)
    (grad,) = torch.autograd.grad(loss.sum(), output)
    for i in range(MEMBERS):
        own = output[i].detach().requires_grad_()
        expected = case.twin(i)(own, case.target[i])
        torch.testing.assert_close(loss[i], expected, rtol=0, atol=1e-10)
        (wanted,) = torch.autograd.grad(expected, own)
        torch.testing.assert_close(grad[i], wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_loss_passes_a_difference_check(case: Case) -> None:
    output = _random(MEMBERS, ROWS, CLASSES, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(case.ours, (output,))


@pytest.mark.parametrize("penalty", [l1, l2], ids=["l1", "l2"])
def test_penalties_return_their_own_gradient(penalty: Callable) -> None:
    """Central differences along random directions, away from 0; masked weights feel nothing."""
    flat, weight = _random(MEMBERS, 12, seed=4), _vector([0.0, 0.1, 2.0])
    mask = _vector([1.0] * 8 + [0.0] * 4)
    _, grad = penalty(flat, mask, weight)
    for seed in range(5):
        direction, h = _random(MEMBERS, 12, seed=10 + seed), 1e-7
        above, below = (penalty(flat + s * h * direction, mask, weight)[0] for s in (1, -1))
        slope = (above - below) / (2 * h)
        torch.testing.assert_close(slope, (grad * direction).sum(1), rtol=1e-6, atol=1e-8)
    assert not grad[:, 8:].any()
    assert not grad[0].any()


def test_penalties_equal_their_equations() -> None:
    flat, ones = _vector([1.0, -2.0, 3.0])[None], torch.ones(3).double()
    assert float(l1(flat, ones, _vector([0.5]))[0]) == 3.0
    assert float(l2(flat, ones, _vector([0.5]))[0]) == 3.5


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0, 0.99), min_size=1, max_size=4),
    st.integers(2, 6),
    st.integers(0, 2**16),
)
def test_smoothed_targets_stay_probabilities(eps: list[float], classes: int, seed: int) -> None:
    target = _random(len(eps), 5, classes, seed=seed).softmax(-1)
    smooth = smooth_labels(target, _vector(eps))
    assert smooth.min() >= 0
    torch.testing.assert_close(smooth.sum(-1), torch.ones(len(eps), 5).double())


def test_no_smoothing_is_the_identity() -> None:
    target = _random(2, 5, 3, seed=1).softmax(-1)
    assert torch.equal(smooth_labels(target, torch.zeros(2).double()), target)


def test_weights_at_power_one_are_scikit_learns_balanced() -> None:
    ours = class_weights(SHARE, torch.ones(MEMBERS).double())
    for i in range(MEMBERS):
        theirs = compute_class_weight("balanced", classes=np.arange(CLASSES), y=CODES[i].numpy())
        torch.testing.assert_close(ours[i], torch.from_numpy(theirs))


def test_weights_give_classes_equal_totals_over_all_rows_and_do_nothing_at_zero() -> None:
    totals = SHARE * class_weights(SHARE, torch.ones(MEMBERS).double())
    torch.testing.assert_close(totals, torch.full_like(totals, 1 / CLASSES))
    assert torch.equal(class_weights(SHARE, torch.zeros(MEMBERS).double()), torch.ones_like(SHARE))


SMALL = [(0.01, 32, 0.214), (0.01, 256, 0.449), (0.01, 1024, 0.488), (0.05, 256, 0.491)]


@pytest.mark.parametrize(("share", "rows", "expected"), SMALL)
def test_small_batches_weaken_the_weights(share: float, rows: int, expected: float) -> None:
    """What a rare class has of the mean step's loss at power 1, where all rows cost the same."""
    counts = torch.arange(rows + 1)
    rare = (torch.arange(rows) < counts[:, None]).double()  # a batch for each number of rare rows
    target, shares = torch.stack([1 - rare, rare], -1), _vector([1 - share, share])
    each = torch.ones(rows + 1).double()
    weight = weigh_rows(torch.ones_like(rare), target, shares.expand(rows + 1, 2), each)
    parts = (weight * rare).sum(1) / weight.sum(1)
    chances = torch.from_numpy(binom.pmf(counts.numpy(), rows, share))
    assert float(parts @ chances) == pytest.approx(expected, abs=0.002)


def test_a_batch_of_one_class_costs_what_it_does_without_weights() -> None:
    """The loss is divided by the batch's own weights, as torch's is."""
    dataset = small_table()
    recipes = [Recipe(ClassWeight(power=p)).for_task("classification") for p in (0.0, 1.0)]
    cohort = cohort_of([Member(recipe) for recipe in recipes], dataset)
    rows = (dataset.folds[0].train.target == 2).nonzero()[:8, 0]
    batch = dataset.batch(cohort.folds, rows.expand(2, -1))
    off, on = mean_loss(cohort, _random(1, 8, 3, seed=7).expand(2, -1, -1), batch)
    torch.testing.assert_close(off, on)


def test_a_class_without_rows_weighs_one() -> None:
    share = _vector([0.5, 0.5, 0.0])[None]
    weights = class_weights(share, _vector([1.0]))
    torch.testing.assert_close(weights, _vector([2 / 3, 2 / 3, 1.0])[None])


def test_pinball_is_least_at_the_quantile_and_half_the_absolute_error_in_the_middle() -> None:
    target = _random(1, 999, 1, seed=5).sort(1).values
    level = torch.tensor([0.1, 0.5, 0.93], dtype=torch.float64)
    guesses = target[0, :, 0]
    losses = torch.stack(
        [
            pinball(guess.expand(3, 999, 1), target.expand(3, 999, 1), level).mean(1)
            for guess in guesses
        ]
    )
    for member, at in enumerate(losses.argmin(0).tolist()):
        below = float((target[0, :, 0] <= guesses[at]).double().mean())
        assert below == pytest.approx(float(level[member]), abs=1.5 / 999)
    output = _random(MEMBERS, ROWS, CLASSES, seed=6)
    half = pinball(output, NUMBERS, _vector([0.5] * MEMBERS))
    torch.testing.assert_close(half, absolute_error(output, NUMBERS) / 2)


def test_huber_far_above_every_residual_is_half_the_squared_error() -> None:
    output = _random(MEMBERS, ROWS, CLASSES, seed=5)
    wide = huber(output, NUMBERS, _vector([1e6] * MEMBERS))
    torch.testing.assert_close(wide, squared_error(output, NUMBERS) / 2)
