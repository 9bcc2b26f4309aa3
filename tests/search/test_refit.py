"""Which recipes are trained on all rows, with how many seeds, and what of it is in the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import tiny_fit
from shrinkage import run
from shrinkage.model import Model
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.search import ensemble, refit
from shrinkage.search.choose import Difference
from shrinkage.search.contest import kept_part
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings
from shrinkage.stopping.early_stopping import EarlyStopping


@pytest.mark.parametrize(("share", "seeds"), [(1.0, 8), (0.5, 4), (0.3, 2), (0.06, 1), (0.001, 1)])
def test_a_recipe_gets_networks_by_its_share(share: float, seeds: int) -> None:
    assert refit._seeds(share) == seeds


@pytest.mark.parametrize(
    ("seeds", "slots", "pieces"),
    [
        (range(8), 2, [(0, 4), (4, 4)]),
        (range(3), 2, [(0, 2), (2, 1)]),
        (range(2, 3), 4, [(2, 1)]),
        ([], 2, []),
        (range(5), 1, [(0, 5)]),
        ([0, 1, 4, 5, 7], 2, [(0, 2), (4, 1), (5, 1), (7, 1)]),
    ],
)
def test_seeds_are_dealt_out_to_processes(
    seeds: Sequence[int], slots: int, pieces: list[tuple[int, int]]
) -> None:
    found = refit._pieces(seeds, slots)
    assert found == pieces
    assert [first + i for first, count in found for i in range(count)] == list(seeds)


def test_seeds_that_were_no_good_are_not_tried_again_and_gaps_are(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.refits.mkdir(parents=True)
    save_file({"seeds": torch.tensor(2)}, folder.refits / "00003-0004.safetensors")
    (folder.refits / "00003-0001.tried").write_text("2")
    (folder.refits / "00007-0000.tried").write_text("8")
    assert refit._tried(folder, 3) == {1, 2, 4, 5}
    assert refit._tried(folder, 7) == {*range(8)}
    assert refit._tried(folder, 0) == set()


@pytest.mark.parametrize(
    ("stop", "trained"),
    [(None, 1.0), (EarlyStopping(1e9), 1.0), (EarlyStopping(10), 0.4), (EarlyStopping(80), 1.0)],
)
def test_patience_tells_how_long_a_training_was(
    stop: object, trained: float, tmp_path: Path
) -> None:
    """Best after 30 of 100 epochs, in the mean over folds."""
    recipe = Recipe(Minibatch(epochs=100), *filter(None, [stop]))
    path = tmp_path / "trial.safetensors"
    assert kept_part(path, recipe) == 1, "trained by another machine"
    path.write_bytes(b"damaged")
    assert kept_part(path, recipe) == 1
    save_file({"shares": torch.tensor([0.2, 0.4], dtype=torch.float64)}, path)
    assert kept_part(path, recipe) == pytest.approx(0.3 / trained)


def test_all_that_predict_together_are_trained_on_all_rows(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a study that goes on with a larger share tries the seeds that are still missing."""
    parts = {1: 0.7, 0: 0.3}
    monkeypatch.setattr(
        ensemble, "of_trials", lambda *_: ensemble.Blend(parts, Difference(0.1, 0.02, 96))
    )
    monkeypatch.setattr(run, "Settings", lambda **own: Settings(**{**own, "refit": True}))
    asked = {"trials": 2, "cv": "2", "budget": "300s"}
    folder = Folder(tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny, **asked))
    assert {path.stem for path in folder.refits.iterdir()} == {"00001-0000", "00000-0000"}
    model = Model.load(folder.root)
    (other,) = model.others
    for trial, own, share in ((1, model, 0.7), (0, other, 0.3)):
        kept = refit.networks(folder, trial)
        assert kept is not None
        assert own.share == pytest.approx(share)
        assert own.networks - sum(each.networks for each in own.others) == 2 + len(kept.weights)
        whole = 2 + 3 * len(kept.weights)
        assert own.says == pytest.approx([1 / whole] * 2 + [3 / whole] * len(kept.weights))
        assert int(load_file(folder.refits / f"{trial:05d}-0000.safetensors")["seeds"]) == round(
            8 * share
        )

    parts = {1: 0.5, 0: 0.5}
    run.resume(folder.root, "300s")
    assert {path.stem for path in folder.refits.iterdir()} == {
        "00001-0000",
        "00000-0000",
        "00000-0002",
    }
    assert int(load_file(folder.refits / "00000-0002.safetensors")["seeds"]) == 2
