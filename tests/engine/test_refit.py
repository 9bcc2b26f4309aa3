"""Networks on all rows: the recipe trained alone, kept only where they are any good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conftest import mixed
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.averaging.swa import Swa
from shrinkage.data.source import Table
from shrinkage.engine import arrays, refit, task
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.train import Training, advance
from shrinkage.recipe import load
from shrinkage.schedules.plateau import Plateau
from shrinkage.search import cutting, rows
from shrinkage.search.settings import Settings
from shrinkage.stopping.early_stopping import EarlyStopping


@pytest.fixture
def work(tmp_path: Path, tiny: Path) -> refit.Refit:
    cut = cutting.cut(Table(mixed(100), "t"), Settings("t", "y", cv="2"))
    recipe = load(tiny).for_task("classification")
    dataset, preparer = rows.prepare_all(cut, task.scaling_of(recipe))
    arrays.write(dataset, refit.arrays_of(tmp_path, recipe))
    shape = rows.shape_of([preparer], 2)
    problem = task.Problem(tmp_path, 2, shape, "classification", "accuracy")
    after = tmp_path / "refit.safetensors"
    return refit.Refit(problem, recipe, (0, 7), 0.5, 0.0, after, float("inf"))


def alone(work: refit.Refit, seed: int) -> torch.Tensor:
    """The weights of the recipe trained by hand on all rows, to the same share."""
    shape = work.problem.shape
    path = refit.arrays_of(work.problem.folder, work.recipe)
    dataset = arrays.read(path, 1, shape.outputs, "classification")
    recipe = work.recipe.without("early_stopping")
    cohort = Cohort((Member(recipe, seed),), dataset, lambda r: network_of(r, shape))
    until = max(1, round(work.share * cohort.total_steps))
    training = advance(Training.begin(cohort), until, lambda p, y: torch.zeros(len(p)))
    return training.outcome(0).weights[0]


def test_each_seed_is_the_recipe_trained_alone_on_all_rows(work: refit.Refit) -> None:
    assert refit.run(work)[0] == 2
    found = load_file(work.after)["weights"]
    for row, seed in enumerate(work.seeds):
        torch.testing.assert_close(found[row], alone(work, seed), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0], found[1])


def test_all_training_rows_are_trained_on_and_none_of_the_test_rows() -> None:
    cut = cutting.cut(Table(mixed(100), "t"), Settings("t", "y", cv="2"))
    dataset, _ = rows.prepare_all(cut, "standard")
    assert dataset.folds[0].train.rows == len(cut.train) == 80


@pytest.mark.parametrize(
    "change", [{"bar": 1.1}, {"deadline": 0.0}], ids=["worse than the bar", "no time"]
)
def test_what_is_no_good_or_not_done_is_not_kept(work: refit.Refit, change: dict) -> None:
    assert refit.run(replace(work, **change))[0] == 0
    assert not work.after.exists()
    # What was trained for nothing is noted, what time cut short is not.
    noted = work.after.with_suffix(refit.NO_GOOD)
    assert noted.exists() == ("deadline" not in change)
    assert not noted.exists() or noted.read_text() == str(len(work.seeds))


def test_a_longer_share_trains_on(work: refit.Refit) -> None:
    assert refit.run(work)[0] == 2
    half = load_file(work.after)["weights"]
    assert refit.run(replace(work, share=1.0))[0] == 2
    assert not torch.allclose(half, load_file(work.after)["weights"])


def test_what_watches_validation_scores_can_be_refitted(work: refit.Refit) -> None:
    """With averages too: all that a refit asks of a training."""
    recipe = work.recipe.using(
        Plateau(factor=0.5, patience=0.0), Swa(start=0.2), BatchNorm(), EarlyStopping(patience=9.0)
    )
    assert refit.run(replace(work, recipe=recipe))[0] == 2
    assert load_file(work.after)["statistics"].shape[1] > 0


def test_a_refit_with_snapshots_keeps_all_networks_of_each_seed(work: refit.Refit) -> None:
    recipe = work.recipe.using(Snapshot(count=3))
    assert refit.run(replace(work, recipe=recipe, share=1.0))[0] == 6
    found = load_file(work.after)
    assert int(found["seeds"]) == 2
    for seed in range(2):
        for k in range(3):
            part = replace(work, share=(k + 1) / 3)
            expected = alone(part, work.seeds[seed])
            torch.testing.assert_close(
                found["weights"][3 * seed + k], expected, rtol=1e-4, atol=1e-5
            )


def test_a_refit_that_diverges_is_not_kept(work: refit.Refit) -> None:
    """With no network finished, and with some that were kept before."""
    wild = work.recipe.set({"update.adam.lr": 1e30})
    for recipe in (wild, wild.using(Snapshot(count=6))):
        assert refit.run(replace(work, recipe=recipe, bar=float("-inf")))[0] == 0
