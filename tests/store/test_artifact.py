"""The model folder appears whole, and reads back to the same predictions."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import mixed
from shrinkage.data.tabular import Preparer
from shrinkage.errors import BadInput
from shrinkage.model import Model
from shrinkage.store import artifact

from .digests import digests


class Stop(Exception):
    pass


def stop(*_: object, **__: object) -> None:
    raise Stop


STEPS = ["save_file", "_digest", "versions", "json.dumps", "Path.rename"]


@pytest.mark.parametrize("step", STEPS)
def test_a_write_that_stops_leaves_the_old_model(
    step: str, study: Path, tmp_path: Path, monkeypatch
) -> None:
    folder = Path(shutil.copytree(study / "model", tmp_path / "model"))
    model, before = Model.load(folder), digests(tmp_path)
    with monkeypatch.context() as patch:
        owner, _, name = f"shrinkage.store.artifact.{step}".rpartition(".")
        patch.setattr(f"{owner}.{name}", stop)
        with pytest.raises(Stop):
            model.save(folder, {})
    assert digests(tmp_path) == before


def test_the_last_move_failing_puts_the_old_model_back(
    study: Path, tmp_path: Path, monkeypatch
) -> None:
    folder = Path(shutil.copytree(study / "model", tmp_path / "model"))
    model, before, rename = Model.load(folder), digests(tmp_path), Path.rename

    def second_fails(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp"):
            raise Stop
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", second_fails)
        with pytest.raises(Stop):
            model.save(folder, {})
    assert digests(tmp_path) == before


def test_a_model_written_again_predicts_the_same(study: Path, tmp_path: Path) -> None:
    model, frame = Model.load(study), mixed(40, seed=3)
    model.save(tmp_path / "model", {"seed": 0})
    again = Model.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert again.recipe == model.recipe
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


def test_the_manifest_says_where_the_numbers_come_from(study: Path) -> None:
    manifest = json.loads((study / "model" / "manifest.json").read_text())
    assert manifest["format"] == artifact.FORMAT
    assert set(manifest["versions"]) >= {"python", "shrinkage", "torch", "scikit-learn"}
    assert manifest["recipe_hash"] == Model.load(study).recipe.hash
    assert set(manifest["files"]) == {
        str(path.relative_to(study / "model"))
        for path in (study / "model").rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert manifest["seed"] == 0


def test_no_file_is_a_pickle(study: Path) -> None:
    for path in (study / "model").rglob("*"):
        assert not path.is_file() or not path.read_bytes().startswith(b"\x80")


def test_a_folder_is_copied_anywhere(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "model", tmp_path / "elsewhere")
    frame = mixed(9, seed=1)
    expected = Model.load(study).predict(frame)
    assert list(Model.load(tmp_path / "elsewhere").predict(frame)) == list(expected)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere"):
        Model.load(tmp_path / "nowhere")


def test_recipes_that_share_a_preparation_share_it_when_loaded(study: Path, tmp_path: Path) -> None:
    """Else the rows to predict would be prepared once for each recipe; also of an older file."""
    one = Model.load(study)
    apart = [replace(each) for each in one.preparers]
    others = (replace(one, share=0.3, others=()), replace(one, share=0.2, preparers=apart))
    model = replace(one, share=0.5, others=others)
    model.save(tmp_path / "model", {})
    found, rows = Model.load(tmp_path / "model"), mixed(30, seed=5)
    parts = len(one.preparers)
    assert all(found.others[0].preparers[k] is found.preparers[k] for k in range(parts))
    assert not {*map(id, found.others[1].preparers)} & {*map(id, found.preparers)}
    np.testing.assert_array_equal(found.predict_proba(rows), model.predict_proba(rows))

    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    del manifest["same"], manifest["digest"]
    manifest["digest"] = artifact._digest_of(manifest)
    (tmp_path / "model" / "manifest.json").write_text(json.dumps(manifest))
    older = Model.load(tmp_path / "model")
    np.testing.assert_array_equal(older.predict_proba(rows), model.predict_proba(rows))


def test_many_rows_are_prepared_a_slice_at_a_time(study: Path, monkeypatch) -> None:
    model, rows, sizes = Model.load(study), mixed(31, seed=5), []
    whole = model.predict_proba(rows)
    transform = Preparer.transform

    def counted(self: Preparer, frame: pd.DataFrame):
        sizes.append(len(frame))
        return transform(self, frame)

    monkeypatch.setattr("shrinkage.model._SLICE", 10)
    monkeypatch.setattr(Preparer, "transform", counted)
    np.testing.assert_allclose(model.predict_proba(rows), whole, atol=1e-12)
    assert sorted(set(sizes)) == [1, 10]
