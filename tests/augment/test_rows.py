"""Noise on targets, and cells hidden or exchanged: exact shares, nesting, and where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise

import pytest
import torch
from torch import Tensor

from shrinkage.augment.cells import Cells, cell_uniforms
from shrinkage.augment.cutmix import cutmix
from shrinkage.augment.cutout import NOTHING, cutout
from shrinkage.augment.label_noise import label_noise
from shrinkage.augment.pairs import mixing_share
from shrinkage.augment.target_noise import target_noise
from shrinkage.batch import Batch
from shrinkage.data.tabular import RARE
from shrinkage.losses.label_smoothing import smooth_labels
from shrinkage.randomness import Draws

ROWS, CLASSES = 3000, 3
RATES = [0.0, 0.05, 0.3, 0.9]


def _vector(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _batch(members: int, rows: int = ROWS) -> Batch:
    """Equal rows for all members; every number and code names its row, none is 0."""
    name = 1 + torch.arange(rows)
    numbers = name[:, None].double() + torch.tensor([0.0, 0.25])
    codes = name[:, None].expand(rows, 3)
    target = torch.eye(CLASSES, dtype=torch.float64)[name % CLASSES]
    parts = (numbers, codes, target, torch.ones(rows).double())
    numbers, codes, target, weight = (p.expand(members, *p.shape).clone() for p in parts)
    return Batch({"numbers": numbers, "categories": codes}, target, weight)


def _same_seed(members: int, step: int = 0) -> Draws:
    return Draws((7,) * members, step=step)


@dataclass(frozen=True)
class Case:
    """touched: where a member's rows or cells were changed, [M, ...]; share: as it should be."""

    name: str
    apply: Callable[[Batch, Draws, Tensor], Batch]
    touched: Callable[[Batch, Batch], Tensor]
    share: Callable[[Tensor], Tensor]

    def __str__(self) -> str:
        return self.name


def _numbers(before: Batch, after: Batch) -> Tensor:
    return before.inputs["numbers"] != after.inputs["numbers"]


def _codes(before: Batch, after: Batch) -> Tensor:
    return before.inputs["categories"] != after.inputs["categories"]


def _labels(before: Batch, after: Batch) -> Tensor:
    return (before.target != after.target).any(-1)


CASES = [
    # A redrawn class is the old one in a C-th of all rows.
    Case("labels redrawn", label_noise, _labels, lambda rate: rate * (1 - 1 / CLASSES)),
    Case("numbers hidden", cutout, _numbers, lambda rate: rate),
    Case("codes hidden", cutout, _codes, lambda rate: rate),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rate_is_the_share_that_is_touched_and_larger_rates_touch_more(case: Case) -> None:
    steps, members, rates = 5, len(RATES), _vector(RATES)
    touched = torch.cat(
        [
            case.touched(
                _batch(members), case.apply(_batch(members), _same_seed(members, step), rates)
            ).flatten(1)
            for step in range(steps)
        ],
        dim=1,
    )
    for i, share in enumerate(case.share(rates).tolist()):
        error = 4 * (share * (1 - share) / touched.shape[1]) ** 0.5  # four standard errors
        assert float(touched[i].double().mean()) == pytest.approx(share, abs=error)
    for low, high in pairwise(touched):
        assert not (low & ~high).any()  # nested


@pytest.mark.parametrize("apply", [label_noise, target_noise, cutmix, cutout])
def test_off_is_the_identity_beside_a_member_with_it_on(apply: Callable) -> None:
    before = _batch(2, 50)
    after = apply(before, _same_seed(2, 3), _vector([0.0, 0.5]))
    pairs = [(before.inputs[name], after.inputs[name]) for name in before.inputs]
    pairs += [(before.target, after.target), (before.weight, after.weight)]
    assert all(torch.equal(old[0], new[0]) for old, new in pairs)
    assert not all(torch.equal(old[1], new[1]) for old, new in pairs)


def test_redrawn_classes_are_uniform_and_stay_classes() -> None:
    after = label_noise(_batch(1, 30000), _same_seed(1), _vector([0.999999]))
    assert torch.equal(after.target.sum(-1), torch.ones(1, 30000).double())
    assert set(after.target.unique().tolist()) == {0.0, 1.0}
    error = 4 * (CLASSES - 1) ** 0.5 / CLASSES / 30000**0.5
    assert (after.target.mean(1) - 1 / CLASSES).abs().max() < error


def test_label_noise_is_label_smoothing_on_average() -> None:
    rates, steps = _vector([0.1, 0.6]), 400
    before = _batch(2, 60)
    total = sum(label_noise(before, Draws((1, 2), step=t), rates).target for t in range(steps))
    # Rows of one class have one expectation, so they are averaged too.
    by_class = before.target.transpose(1, 2) / before.target.sum(1)[..., None]
    gap = by_class @ (total / steps - smooth_labels(before.target, rates))
    assert gap.abs().max() < 4 * 0.5 / (steps * 20) ** 0.5


def test_target_noise_has_its_deviation_and_one_shape_for_one_seed() -> None:
    std = _vector([0.0, 0.1, 2.0])
    numbers = torch.randn(20000, 1, generator=torch.Generator().manual_seed(0)).double()
    weight = torch.ones(3, 20000).double()
    before = Batch({}, numbers.expand(3, -1, -1), weight)
    noise = (target_noise(before, _same_seed(3), std).target - before.target)[..., 0]
    assert not noise[0].any()
    error = 4 / 20000**0.5
    for i in (1, 2):
        assert float(noise[i].std() / std[i]) == pytest.approx(1, abs=error)
        assert float(noise[i].mean() / std[i]) == pytest.approx(0, abs=error)
    torch.testing.assert_close(noise[2], 20 * noise[1])


def test_hidden_cells_hold_nothing_and_the_others_what_they_held() -> None:
    """Nothing: 0 for a number, and for a category the code of rare and unseen values."""
    before = _batch(2, 500)
    after = cutout(before, _same_seed(2), _vector([0.2, 0.7]))
    for name, x in after.inputs.items():
        assert x.dtype == before.inputs[name].dtype
        hidden = x == 0
        assert torch.equal(x[~hidden], before.inputs[name][~hidden])
    assert NOTHING == RARE
    assert after.target is before.target


@pytest.mark.parametrize("step", range(3))
def test_cutmix_takes_cells_from_one_partner_and_targets_by_the_share(step: int) -> None:
    alpha, draws = _vector([0.3, 1.0, 4.0]), Draws((4, 5, 6), step=step)
    before = _batch(3)
    after = cutmix(before, draws, alpha)
    lam = mixing_share(draws.uniform("cutmix.share", (1,))[:, 0], alpha)
    partner = draws.permutation("cutmix.partner", ROWS)
    for i in range(3):
        for name, x in before.inputs.items():
            own, other, now = x[i], x[i][partner[i]], after.inputs[name][i]
            assert ((now == own) | (now == other)).all()
            kept, share = float((now == own).double().mean()), float(lam[i])
            error = 4 * (share * (1 - share) / now.numel()) ** 0.5 + 1 / ROWS  # partner: itself
            assert kept == pytest.approx(share, abs=error)
        expected = lam[i] * before.target[i] + (1 - lam[i]) * before.target[i][partner[i]]
        torch.testing.assert_close(after.target[i], expected, rtol=0, atol=1e-12)
        cells = after.inputs["numbers"][i]
        assert lam[i] > 0.95 or (cells[:, 0] + 0.25 != cells[:, 1]).any()  # one by one


def test_cutmix_exchanges_more_cells_for_more_alpha() -> None:
    alphas = [0.0, 0.5, 1.0, 4.0]
    before = _batch(len(alphas), 400)
    # A step whose quantile is far from the ends, where a small alpha takes nothing.
    draws = next(
        draws
        for draws in (_same_seed(len(alphas), step) for step in range(100))
        if abs(float(draws.uniform("cutmix.share", (1,))[0, 0]) - 0.6) < 0.05
    )
    after = cutmix(before, draws, _vector(alphas))
    taken = _codes(before, after)
    assert not taken[0].any()
    for low, high in pairwise(taken):
        assert not (low & ~high).any()
        assert low.sum() < high.sum()


CELLS = Cells(
    4,
    {"numbers": torch.tensor([[0, 1], [1, 0]]), "categories": torch.tensor([[2, 0, 3], [2, 3, 1]])},
)
"""Of two members: one reads number 0 as category 1, too, the other number 0 as category 2."""


@pytest.mark.parametrize("apply", [cutout, cutmix])
def test_all_that_is_read_of_a_cell_shares_its_fate_and_cells_do_not(apply: Callable) -> None:
    before = _batch(2)
    after = apply(before, _same_seed(2, 1), _vector([0.5, 0.5]), cells=CELLS)
    numbers, codes = _numbers(before, after), _codes(before, after)
    assert torch.equal(numbers[0, :, 0], codes[0, :, 1])
    assert torch.equal(numbers[1, :, 0], codes[1, :, 2])
    # one cell, whichever column and member reads it
    assert torch.equal(numbers[0, :, 0], numbers[1, :, 1])
    apart = [numbers[0, :, 0], numbers[0, :, 1], codes[0, :, 0], codes[0, :, 2]]
    assert 0 < float(numbers.double().mean()) < 1
    for one, other in combinations(apart, 2):
        assert not torch.equal(one, other)


def test_an_input_without_cells_has_one_an_entry() -> None:
    inputs, draws = {**_batch(2, 40).inputs, "image": torch.zeros(2, 40, 3, 5)}, Draws((1, 2))
    found = cell_uniforms(inputs, draws, "cutout", CELLS)
    assert torch.equal(found["image"], draws.uniform("cutout.image", (40, 3, 5)))
    whole = draws.uniform("cutout.cells", (40, 4))
    assert torch.equal(found["numbers"][1], whole[1][:, [1, 0]])
    assert torch.equal(found["categories"][0], whole[0][:, [2, 0, 3]])
