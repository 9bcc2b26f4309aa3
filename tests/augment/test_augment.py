"""Mixup, input noise and dropout: what they preserve, and where they are the identity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from shrinkage.augment.input_noise import input_noise
from shrinkage.augment.mixup import mixup
from shrinkage.augment.pairs import mixing_share
from shrinkage.batch import Batch
from shrinkage.nets.dropout import dropout
from shrinkage.randomness import Draws


def _vector(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _batch(members: int, rows: int, classes: int = 3) -> Batch:
    """Equal rows for all members: numbers of very different sizes, and codes that name the row."""
    generator = torch.Generator().manual_seed(rows)
    numbers = torch.randn(rows, 4, generator=generator, dtype=torch.float64) * 10
    target = torch.rand(rows, classes, generator=generator, dtype=torch.float64)
    codes = torch.arange(rows)[:, None].expand(rows, 2)
    parts = (
        numbers,
        codes,
        target / target.sum(1, keepdim=True),
        torch.linspace(1, 2, rows).double(),
    )
    numbers, codes, target, weight = (p.expand(members, *p.shape).clone() for p in parts)
    return Batch({"numbers": numbers, "codes": codes}, target, weight)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**24 - 1), st.floats(0, 20))
def test_the_mixing_share_is_at_least_one_half(bits: int, alpha: float) -> None:
    lam = float(mixing_share(_vector([bits / 2**24]), _vector([alpha])))
    assert 0.5 <= lam <= 1


@pytest.mark.parametrize("alpha", [0.4, 1.0, 4.0])
def test_the_mixing_share_is_a_folded_beta(alpha: float) -> None:
    quantiles = (torch.arange(2000).double() + 0.5) / 2000
    lam = mixing_share(quantiles, torch.full_like(quantiles, alpha)).numpy()
    beta = stats.beta(alpha, alpha)
    folded = stats.kstest(lam, lambda x: np.where(x < 0.5, 0.0, 2 * beta.cdf(x) - 1))
    assert folded.statistic < 0.002


def test_the_mixing_share_moves_away_from_one_with_alpha() -> None:
    """Members of one seed share the quantile, so more alpha always mixes more."""
    alphas = _vector([0.0, 0.05, 0.2, 0.5, 1.0, 3.0])
    for quantile in (0.01, 0.3, 0.77):
        lam = mixing_share(torch.full_like(alphas, quantile), alphas)
        assert lam[0] == 1
        assert (lam.diff() <= 0).all()


def test_mixup_off_is_the_identity_beside_a_member_with_it_on() -> None:
    batch = _batch(2, 9)
    mixed = mixup(batch, Draws((3, 3), step=1), _vector([0.0, 1.0]))
    pairs = [(batch.inputs[n], mixed.inputs[n]) for n in batch.inputs]
    for before, after in [*pairs, (batch.target, mixed.target), (batch.weight, mixed.weight)]:
        assert torch.equal(before[0], after[0])
    assert not torch.equal(batch.inputs["numbers"][1], mixed.inputs["numbers"][1])


@pytest.mark.parametrize("step", range(5))
def test_mixup_preserves_sums_and_means(step: int) -> None:
    batch = _batch(3, 50)
    mixed = mixup(batch, Draws((0, 1, 2), step=step), _vector([0.2, 1.0, 5.0]))
    torch.testing.assert_close(mixed.target.sum(-1), torch.ones(3, 50).double())
    torch.testing.assert_close(mixed.target.mean(1), batch.target.mean(1))
    mean = batch.inputs["numbers"].mean(1)
    torch.testing.assert_close(mixed.inputs["numbers"].mean(1), mean)


def test_mixup_combines_a_row_and_its_partner_alike_in_inputs_and_target() -> None:
    batch, draws, alpha = _batch(2, 20), Draws((5, 6), step=2), _vector([1.0, 1.0])
    mixed = mixup(batch, draws, alpha)
    lam = mixing_share(draws.uniform("mixup.share", (1,))[:, 0], alpha)
    partner = draws.permutation("mixup.partner", 20)
    for i in range(2):
        for before, after in (
            (batch.inputs["numbers"][i], mixed.inputs["numbers"][i]),
            (batch.target[i], mixed.target[i]),
        ):
            expected = lam[i] * before + (1 - lam[i]) * before[partner[i]]
            torch.testing.assert_close(after, expected, rtol=0, atol=1e-12)


def test_mixup_keeps_codes_with_the_probability_of_the_share() -> None:
    rows = 4000
    batch, draws, alpha = _batch(1, rows), Draws((8,)), _vector([3.0])
    lam = float(mixing_share(draws.uniform("mixup.share", (1,))[:, 0], alpha))
    partner = draws.permutation("mixup.partner", rows)[0][:, None]
    codes, own = mixup(batch, draws, alpha).inputs["codes"][0], torch.arange(rows)[:, None]
    assert ((codes == own) | (codes == partner)).all()
    kept = float((codes == own).double().mean())
    assert abs(kept - lam) < 4 * (lam * (1 - lam) / (2 * rows)) ** 0.5


def test_input_noise_has_its_deviation_and_leaves_codes_alone() -> None:
    std, rows = _vector([0.0, 0.1, 2.0]), 20000
    batch = _batch(3, rows)
    noisy = input_noise(batch, Draws((1, 1, 1)), std)
    assert torch.equal(noisy.inputs["codes"], batch.inputs["codes"])
    noise = (noisy.inputs["numbers"] - batch.inputs["numbers"]).flatten(1)
    assert not noise[0].any()
    error = 4 / noise.shape[1] ** 0.5  # four standard errors
    for i in (1, 2):
        assert float(noise[i].std() / std[i]) == pytest.approx(1, abs=error)
        assert float(noise[i].mean() / std[i]) == pytest.approx(0, abs=error)
    torch.testing.assert_close(noise[2], 20 * noise[1])  # one seed, one noise


def test_dropout_preserves_the_expectation() -> None:
    rates = _vector([0.0, 0.1, 0.5, 0.9])
    x = torch.rand(1, 64, 50, generator=torch.Generator().manual_seed(0)).double().expand(4, -1, -1)
    draws = 200
    total = sum(dropout(x, rates, Draws((0, 1, 2, 3), step=t), "d") for t in range(draws))
    share = (total / draws).mean((1, 2)) / x.mean((1, 2))
    deviation = (rates / (1 - rates) / (draws * 64 * 50)).sqrt() * 1.5  # x is not constant
    assert ((share - 1).abs() <= 4 * deviation + 1e-12).all()


def test_dropout_zeroes_its_share_and_scales_the_rest() -> None:
    rates = _vector([0.0, 0.25, 0.8])
    x = torch.ones(3, 100, 100).double()
    y = dropout(x, rates, Draws((1, 1, 1)), "d")
    for i, rate in enumerate(rates.tolist()):
        zeroed = float((y[i] == 0).double().mean())
        assert zeroed == pytest.approx(rate, abs=4 * (rate * (1 - rate)) ** 0.5 / 100)
        torch.testing.assert_close(y[i][y[i] != 0].unique(), _vector([1 / (1 - rate)]))
    assert torch.equal(y[0], x[0])
    assert not ((y[1] == 0) & (y[2] != 0)).any()  # nested masks


def test_dropout_passes_a_difference_check() -> None:
    x = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    rates = _vector([0.3, 0.6])
    assert torch.autograd.gradcheck(lambda z: dropout(z, rates, Draws((0, 1)), "d"), (x,))
