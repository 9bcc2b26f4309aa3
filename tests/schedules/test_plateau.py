"""Reduce on plateau: torch's rule on the same numbers, and the rates that a population takes."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from population.samples import cohort_of, fit_quality, table
from shrinkage.engine.refit import without_validation
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Member
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.plateau import Plateau, observed, plateau, untouched
from shrinkage.schedules.step_decay import StepDecay
from shrinkage.stopping.early_stopping import EarlyStopping

FACTOR, PATIENCE = [0.5, 0.1, 0.9, 1.0], [0.0, 2.0, 5.0, 1.0]
LR, EPOCHS = 0.3, 80


def _noisy(epochs: int) -> Tensor:
    """A score a member and epoch that rises, flattens, and is sometimes no number."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(epochs, 4, generator=rng, dtype=torch.float64)
    score = -1 / (1 + torch.arange(epochs, dtype=torch.float64))[:, None] + 0.05 * noise
    score[20], score[21:24] = nan, 0.0
    return score


@pytest.mark.parametrize("watch", [0, 1], ids=["validation", "training"])
def test_each_member_equals_torch_fed_with_the_same_numbers(watch: int) -> None:
    numbers = [torch.tensor(x, dtype=torch.float64) for x in (FACTOR, PATIENCE, [watch] * 4)]
    optimizers = [torch.optim.SGD([torch.zeros(1)], lr=LR) for _ in FACTOR]
    twins = [
        ReduceLROnPlateau(
            o, mode="max", factor=min(f, 1 - 1e-15), patience=int(p), threshold=0, eps=0,
            threshold_mode="abs",
        )  # torch refuses a factor of 1
        for o, f, p in zip(optimizers, FACTOR, PATIENCE, strict=True)
    ]  # fmt: skip
    slots = untouched(torch.zeros(4, 7, dtype=torch.float64))
    seen = []
    for score in _noisy(EPOCHS):
        # Two steps an epoch, whose mean loss is minus the score.
        for loss in (-score - 1, -score + 1):
            slots = observed(slots, loss)
        other = torch.zeros_like(score)
        slots = plateau(slots, other if watch else score, *numbers)
        for twin, own in zip(twins, score.tolist(), strict=True):
            twin.step(own)
        rates = torch.tensor([o.param_groups[0]["lr"] for o in optimizers], dtype=torch.float64)
        torch.testing.assert_close(LR * slots["share"], rates, rtol=1e-12, atol=0)
        seen.append(slots["share"])
    assert (torch.stack(seen).diff(dim=0)[:, :3] < 0).sum(0).min() >= 2  # guards the comparison
    assert (torch.stack(seen)[:, 3] == 1).all()


ROWS = Minibatch(batch_size=20, epochs=10)  # 3 steps an epoch of 60 rows
FIXED = (ROWS, Mlp(width=6, depth=1), Adam(lr=0.02))
BASE = Recipe(*FIXED).for_task("classification")


def _run(options: list[tuple[Any, ...]], epochs: int, score=fit_quality) -> Training:
    members = [Member(BASE.using(*own), seed=1) for own in options]
    return advance(Training.begin(cohort_of(members, table())), 3 * epochs, score)


def _worse_and_worse():
    asked = 0

    def score(predictions: Tensor, target: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        return torch.full((len(predictions),), -float(asked))

    return score


def test_a_population_takes_the_lowered_rate_from_the_next_step_on() -> None:
    """Scores that only worsen: the best is epoch 1, and with a patience of 1 epochs 2 and 3 use
    it up. That is a drop after 9 steps of 30, and none again before step 15."""
    falling = [(Plateau(factor=0.2, patience=1.0),), (StepDecay(every=0.3, drop=0.2),), ()]
    ended = _run(falling, 5, _worse_and_worse()).state.weights
    assert torch.equal(ended[0], ended[1])
    assert not torch.equal(ended[0], ended[2])
    before = _run(falling, 3, _worse_and_worse()).state.weights
    assert torch.equal(before[0], before[2])


def test_a_member_with_factor_one_is_untouched_beside_one_with_less() -> None:
    off, on = (), (Plateau(factor=0.1, patience=0.0),)
    mixed = _run([off, on], 8, _worse_and_worse()).state
    plain = _run([off, off], 8, _worse_and_worse()).state
    assert torch.equal(mixed.weights[0], plain.weights[0])
    assert float(mixed.slots["plateau"]["share"][1]) < 1e-5


def test_members_may_watch_different_things() -> None:
    """Where validation only worsens, training does not."""
    pair = [(Plateau(factor=0.5, patience=0.0, watch=w),) for w in ("validation", "training")]
    share = _run(pair, 4, _worse_and_worse()).state.slots["plateau"]["share"]
    assert share.tolist() == [0.125, 1.0]


def test_what_watches_training_asks_for_no_validation_scores() -> None:
    def score(predictions: Tensor, target: Tensor) -> Tensor:
        raise AssertionError("there are no validation rows")

    watching = BASE.using(Plateau(factor=0.5, patience=1.0), EarlyStopping(patience=3.0))
    recipe = without_validation(watching)
    assert recipe.get("plateau") == Plateau(factor=0.5, patience=1.0, watch="training")
    assert without_validation(BASE) == BASE
    cohort = cohort_of([Member(recipe)], table())
    assert advance(Training.begin(cohort), 30, score).done


def test_factor_one_is_left_out_of_a_recipe_whatever_it_watches() -> None:
    assert BASE.using(Plateau(factor=1.0, watch="training")) == BASE
    one, other = (BASE.using(Plateau(factor=0.5, watch=w)) for w in ("validation", "training"))
    assert one.hash != other.hash
    assert one.signature == other.signature == BASE.signature
    assert Recipe.from_toml(other.to_toml()) == other


def test_an_infinite_score_is_never_better() -> None:
    slots = untouched(torch.zeros(1, 2, dtype=torch.float64))
    half, none = torch.tensor([0.5]).double(), torch.zeros(1).double()
    assert float(plateau(slots, torch.tensor([-inf]), half, none, none)["share"]) == 0.5
