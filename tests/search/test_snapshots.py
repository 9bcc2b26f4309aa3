"""Snapshots the whole way: through rungs, a refit, the model folder, and a study that is killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from conftest import one_by_one, tiny_fit
from search.kills import killed_after
from shrinkage import run
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.data.builtin import load as builtin
from shrinkage.model import Model
from shrinkage.optim.adam import Adam
from shrinkage.recipe import load
from shrinkage.schedules.cosine_restarts import CosineRestarts
from shrinkage.search import rows
from shrinkage.search.settings import Settings

FOLDS, NETWORKS = 3, 2


@pytest.fixture(scope="module")
def recipe(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its first cycle ends between the second rung and the last."""
    path = tmp_path_factory.mktemp("snapshots") / "recipe.toml"
    own = CosineRestarts(cycles=NETWORKS), Snapshot(count=NETWORKS), Adam(lr=0.03)
    path.write_text(load(tiny).using(*own).to_toml())
    return path


def _fit(recipe: Path, out: Path, settings: pytest.MonkeyPatch) -> Path:
    """Two trials, one recipe in the end, and a refit.

    `fit` leaves a refit out where it is told how many trials to do.
    """
    settings.setattr(run, "Settings", lambda **own: Settings(**{**own, "refit": True}))
    return tiny_fit("breast_cancer", None, out, recipe, trials=2, single=True, cv=str(FOLDS))


@pytest.fixture(scope="module")
def fitted(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return _fit(recipe, tmp_path_factory.mktemp("fitted") / "run", patch)


def test_all_networks_of_folds_and_refit_are_in_the_model(fitted: Path) -> None:
    model, winner = Model.load(fitted), run.opened(fitted).result["winner"]
    assert winner["source"] == "default"
    assert winner["networks_on_folds"] == FOLDS * NETWORKS
    refitted = winner["networks_on_all_rows"]
    assert refitted > 0
    assert refitted % NETWORKS == 0
    assert model.parts == [0, 0, 1, 1, 2, 2, *[FOLDS] * refitted]
    assert len(model.weights) == len(model.statistics) == len(model.parts)


def test_the_networks_of_a_fold_predict_its_rows_as_they_did_in_training(fitted: Path) -> None:
    """Training predicts in float32, a model in float64."""
    model, cut = replace(Model.load(fitted), temperature=1.0), rows.load(fitted / "work")
    trial = load_file(fitted / "work" / "trials" / "00000.safetensors")
    assert trial["weights"].shape == (FOLDS * NETWORKS, model.weights.shape[1])
    assert trial["shares"].tolist() == [1.0] * FOLDS
    for k, fold in enumerate(cut.folds):
        own = [i for i, part in enumerate(model.parts) if part == k]
        alone = replace(
            model,
            weights=model.weights[own],
            statistics=model.statistics[own],
            parts=[k] * len(own),
            says=None,
        )
        found = alone.outputs(cut.train.iloc[fold.validation])
        np.testing.assert_allclose(found, trial[f"prediction.{k}"].numpy(), atol=1e-5)


def test_a_saved_model_predicts_with_all_networks(fitted: Path, tmp_path: Path) -> None:
    model, frame = replace(Model.load(fitted), temperature=1.0), builtin("breast_cancer")[:40]
    alone = one_by_one(model, frame)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3  # networks of one fold, of two cycles
    expected = np.average(alone, axis=0, weights=model.says)
    np.testing.assert_allclose(model.outputs(frame), expected, rtol=1e-10)
    model.save(tmp_path / "again", {})
    np.testing.assert_array_equal(
        Model.load(tmp_path / "again").predict_proba(frame), model.predict_proba(frame)
    )


@pytest.mark.parametrize("commit", [1, 2, 4])
def test_a_killed_study_goes_on_with_the_networks_it_had(
    commit: int, fitted: Path, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after a worker wrote its checkpoint and before the database knew."""
    with killed_after(commit, monkeypatch) as patch:
        _fit(recipe, tmp_path / "run", patch)
    resumed = run.resume(tmp_path / "run").folder
    whole, again = (
        load_file(folder / "work" / "trials" / "00000.safetensors") for folder in (fitted, resumed)
    )
    for name, tensor in whole.items():
        np.testing.assert_array_equal(again[name].numpy(), tensor.numpy(), err_msg=name)
    assert (
        run.opened(resumed).result["scores"]["default"]["validation"]
        == (run.opened(fitted).result["scores"]["default"]["validation"])
    )
