"""Networks kept along the way: when, which, and that their mean is what predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from population.samples import cohort_of, fit_quality, table, trained
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.snapshot import Snapshot, snapshot_steps
from shrinkage.averaging.swa import Swa
from shrinkage.errors import BadInput
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.population import checkpoint
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.predict import forward, predict
from shrinkage.population.train import Training, advance, presented, validation_scores
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine_restarts import CosineRestarts, cosine_restarts
from shrinkage.stopping.early_stopping import EarlyStopping

STEPS = [
    (30, 3, (10, 20, 30)),
    (10, 4, (2, 5, 8, 10)),  # 2.5 and 7.5 are rounded to even
    (7, 1, (7,)),
    (3, 5, (1, 2, 3)),
]


@pytest.mark.parametrize(("total", "count", "expected"), STEPS)
def test_cycles_are_equal_up_to_a_step_and_the_last_ends_with_training(
    total: int, count: int, expected: tuple[int, ...]
) -> None:
    assert snapshot_steps(total, count) == expected


@pytest.mark.parametrize("total", [40, 41, 97, 200])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_a_network_is_kept_where_the_rate_has_fallen_and_jumps_back(total: int, count: int) -> None:
    rate = cosine_restarts(torch.arange(total, dtype=torch.float64), total, count, 1.0, 0.0)
    jumps = [t for t in range(1, total) if rate[t] > rate[t - 1]]
    assert snapshot_steps(total, count) == (*jumps, total)


ROWS = Minibatch(batch_size=20, epochs=10)  # 3 steps an epoch of 60 rows, 30 in all
FIXED = (ROWS, Mlp(width=6, depth=2), BatchNorm(), Adam(lr=0.03))
PLAIN = Recipe(*FIXED)
TOTAL = 30


def _kept(training: Training) -> tuple[Tensor, Tensor]:
    """Networks of all members, one member's after another's."""
    outcomes = [training.outcome(i) for i in range(len(training.cohort.members))]
    return torch.cat([o.weights for o in outcomes]), torch.cat([o.statistics for o in outcomes])


def _by_hand(recipe: Recipe, seed: int, fold: int, count: int, task: str) -> tuple[Tensor, ...]:
    """Weights at the ends of the cycles of one network trained alone, and their mean prediction.

    Probabilities, or numbers in the target's unit that stay within those of the training rows.
    """
    cohort = cohort_of([Member(recipe, seed, fold)], table(task))
    training, weights, predictions = Training.begin(cohort), [], []
    units = cohort.dataset.folds[fold].units
    for k in range(1, count + 1):
        training = advance(training, round(TOTAL * k / count), fit_quality)
        state = training.state
        sample = cohort.dataset.folds[fold].validation
        (output,) = forward(cohort.network, state.weights, state.statistics, [sample])
        number = (output[:, 0] * units.spread + units.center).clamp(units.lowest, units.highest)
        predictions.append(output.softmax(1) if task == "classification" else number)
        weights.append(state.weights[0].clone())
    return torch.stack(weights), sum(predictions) / count  # pyright: ignore


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_population_predicts_with_the_mean_of_networks_kept_by_hand(
    task: str, count: int
) -> None:
    base = PLAIN.using(CosineRestarts(cycles=count)).for_task(task)
    members = [Member(base.using(Snapshot(count=count)), seed=s, fold=s % 2) for s in range(3)]
    cohort = cohort_of(members, table(task))
    training = trained(cohort, TOTAL)
    weights, statistics = _kept(training)
    samples = [cohort.dataset.folds[member.fold].validation for member in members]
    predictions = predict(cohort, weights, statistics, samples)
    for i, member in enumerate(members):
        kept, mean = _by_hand(base, member.seed, member.fold, count, task)
        torch.testing.assert_close(training.outcome(i).weights, kept, rtol=0, atol=1e-10)
        torch.testing.assert_close(predictions[i], mean, rtol=0, atol=1e-10)


def test_a_score_is_that_of_the_mean_prediction_not_the_mean_of_scores() -> None:
    recipe = PLAIN.using(Snapshot(count=3)).for_task("classification")
    cohort = cohort_of([Member(recipe, seed=s) for s in range(2)], table())
    weights, statistics = _kept(trained(cohort, TOTAL))
    found = validation_scores(cohort, weights, statistics, fit_quality)
    single = [
        validation_scores(cohort, weights[k::3], statistics[k::3], fit_quality) for k in range(3)
    ]
    # The logarithm is concave: a mean of probabilities scores above the mean of their scores.
    assert (found > torch.stack(single).mean(0) + 1e-3).all()


COUNTS = [None, 1, 2, 5, None, 3]


def _mixed() -> Cohort:
    """Members with snapshots of several numbers beside members without."""
    plain = PLAIN.for_task("classification")
    recipes = [plain.using(Snapshot(count=n)) if n else plain for n in COUNTS]
    return cohort_of([Member(r, seed=i) for i, r in enumerate(recipes)], table())


def test_members_with_and_without_snapshots_share_a_population() -> None:
    """And train bit for bit as a population without any."""
    mixed, plain = _mixed(), PLAIN.for_task("classification")
    assert len({member.recipe.signature for member in mixed.members}) == 1
    ended = trained(mixed, TOTAL)
    without = trained(cohort_of([Member(plain, seed=i) for i in range(6)], table()), TOTAL)
    assert torch.equal(ended.state.weights, without.state.weights)
    assert torch.equal(ended.state.statistics, without.state.statistics)
    for i, count in enumerate(COUNTS):
        ours, theirs = ended.outcome(i), without.outcome(i)
        assert len(ours.weights) == (count or 1)
        assert torch.equal(ours.weights[-1:], theirs.weights)
        assert torch.equal(ours.statistics[-1:], theirs.statistics)
        assert ours.step == TOTAL


@pytest.mark.parametrize(
    ("step", "networks", "latest"), [(9, 1, 9), (10, 1, 10), (15, 1, 10), (20, 2, 20), (29, 2, 20)]
)
def test_before_the_first_cycle_ends_the_last_network_predicts_then_those_kept(
    step: int, networks: int, latest: int
) -> None:
    recipe = PLAIN.for_task("classification")
    cohort = cohort_of([Member(recipe.using(Snapshot(count=3)))], table())
    outcome = trained(cohort, step).outcome(0)
    alone = trained(cohort_of([Member(recipe)], table()), latest).outcome(0)
    assert (len(outcome.weights), outcome.step) == (networks, latest)
    assert torch.equal(outcome.weights[-1:], alone.weights)


@pytest.mark.parametrize(
    "average",
    [Ema(decay=0.9), Lookahead(k=7, alpha=0.5), Swa(start=0.2), ScheduleFree(lr=0.03)],
    ids=str,
)
def test_what_is_kept_is_what_is_shown(average: Any) -> None:
    """Averages, with the statistics that belong to them, at the end of each cycle."""
    recipe = PLAIN.using(average).for_task("classification")
    kept = trained(cohort_of([Member(recipe.using(Snapshot(count=3)))], table()), TOTAL).outcome(0)
    cohort = cohort_of([Member(recipe)], table())
    for k, step in enumerate((10, 20, 30)):
        state = trained(cohort, step).state
        weights, statistics, _ = presented(cohort, state)
        assert not torch.equal(weights, state.weights)
        assert torch.equal(kept.weights[k : k + 1], weights)
        assert torch.equal(kept.statistics[k : k + 1], statistics)


@pytest.mark.parametrize("step", [4, 15, 17, 25])
def test_a_checkpoint_of_a_mixed_population_continues_bit_for_bit(
    step: int, tmp_path: Path
) -> None:
    whole = trained(_mixed(), TOTAL)
    checkpoint.save(trained(_mixed(), step), tmp_path / "c.safetensors")
    again = advance(checkpoint.load(_mixed(), tmp_path / "c.safetensors"), TOTAL, fit_quality)
    for i in range(len(COUNTS)):
        assert torch.equal(again.outcome(i).weights, whole.outcome(i).weights)
        assert torch.equal(again.outcome(i).statistics, whole.outcome(i).statistics)


def test_when_members_leave_the_others_keep_their_own_networks() -> None:
    whole, half = trained(_mixed(), TOTAL), trained(_mixed(), 17).drop({1, 3})
    ended = advance(half, TOTAL, fit_quality)
    for i in (0, 2, 4, 5):
        torch.testing.assert_close(
            ended.outcome(i).weights, whole.outcome(i).weights, rtol=0, atol=1e-12
        )


def test_a_member_that_diverged_is_restored_with_the_networks_it_had(tmp_path: Path) -> None:
    recipe = PLAIN.using(Snapshot(count=10)).for_task("classification")
    cohort = cohort_of([Member(recipe), Member(recipe, seed=1)], table())
    half = trained(cohort, 16)
    half.state.weights[0] = torch.nan
    left = advance(half, 18, fit_quality)
    checkpoint.save(left, tmp_path / "c.safetensors")
    again = checkpoint.load(cohort, tmp_path / "c.safetensors")
    assert again.alive == left.alive == (1,)
    assert again.outcome(0).reason is not None
    kept = again.outcome(0).weights
    assert kept.isfinite().all(1).tolist() == [True] * 5 + [False]
    assert torch.equal(kept[:5], left.outcome(0).weights[:5])


def test_early_stopping_is_refused_beside_snapshots() -> None:
    with pytest.raises(BadInput, match="snapshot does not work beside early_stopping"):
        Recipe(Snapshot(), EarlyStopping(patience=9.0))
    assert Recipe(Snapshot(), EarlyStopping()) == Recipe(Snapshot())


@dataclass(frozen=True)
class Rate:
    lr: float
    epochs: int


@pytest.mark.parametrize("rate", [Rate(0.03, 20), Rate(0.01, 60), Rate(0.03, 60)], ids=str)
def test_on_noisy_rows_networks_of_all_cycles_have_a_lower_log_loss_than_the_last(
    rate: Rate,
) -> None:
    """Paired over ten seeds, each with rows of its own; one-sided at one in a thousand."""
    recipe = Recipe(
        Minibatch(batch_size=16, epochs=rate.epochs),
        Mlp(width=16, depth=2),
        Adam(lr=rate.lr),
        CosineRestarts(cycles=5),
        Snapshot(count=5),
    ).for_task("classification")
    members = [Member(recipe, seed=i, fold=i) for i in range(10)]
    cohort = cohort_of(members, table(folds=10))
    weights, statistics = _kept(trained(cohort, cohort.total_steps))
    together = validation_scores(cohort, weights, statistics, fit_quality)
    last = validation_scores(cohort, weights[4::5], statistics[4::5], fit_quality)
    assert stats.ttest_rel(together, last, alternative="greater").pvalue < 1e-3  # pyright: ignore


def test_a_checkpoint_from_before_outcomes_held_several_networks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 3)
        checkpoint.save(trained(_mixed(), 2), tmp_path / "c.safetensors")
    with pytest.raises(BadInput, match="an older version of shrinkage wrote it"):
        checkpoint.load(_mixed(), tmp_path / "c.safetensors")
