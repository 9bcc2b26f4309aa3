"""The whole way from Python."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shrinkage
from conftest import mixed, tiny_fit
from shrinkage import run
from shrinkage.errors import BadInput
from shrinkage.recipe import Recipe
from shrinkage.search.folder import Folder, chosen


def test_the_public_names() -> None:
    for name in ("Classifier", "Regressor", "fit", "Recipe", "Space", "Model", "resume"):
        assert name in dir(shrinkage)
        assert getattr(shrinkage, name).__module__.startswith("shrinkage.")
    with pytest.raises(AttributeError, match="'fti'"):
        _ = shrinkage.fti  # pyright: ignore[reportAttributeAccessIssue]


def test_arrays_and_frames_are_fitted(tiny: Path, tmp_path: Path) -> None:
    frame = mixed(80)
    X, y = frame[["a"]].to_numpy(), frame["y"].to_numpy()
    found = shrinkage.fit(
        (X, y), budget="30s", recipe=tiny, trials=2, workers=0, cv=2, out=tmp_path / "run"
    )
    assert found.folder == tmp_path / "run"
    assert found.recipe.to_toml() == found.result["recipe"]
    predicted = found.model.predict(X)
    assert predicted.shape == (80,)
    np.testing.assert_array_equal(
        found.model.predict(frame.rename(columns={"a": "x0"})[["x0"]]), predicted
    )


def test_what_was_fitted_can_be_predicted(tiny: Path, tmp_path: Path) -> None:
    """Names that are no text, and numpy's whole numbers."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2))).assign(y=[0, 1] * 30)
    found = shrinkage.fit(
        frame, "y", budget="30s", recipe=tiny, trials=np.int64(2), workers=0, cv=2,
        seed=np.int64(3), out=tmp_path / "run", task="classification",
    )  # fmt: skip
    assert found.result["seed"] == 3
    assert found.model.predict(frame).shape == (60,)
    assert found.model.predict(frame[:0]).shape == (0,)
    doubled = frame.set_axis(["0", "1", "0"], axis=1)
    with pytest.raises(BadInput, match="'0'"):
        found.model.predict(doubled)


def test_the_same_seed_finds_the_same_and_another_does_not(
    study: Path, tiny: Path, tmp_path: Path
) -> None:
    table = str(study.parent / "table.csv")
    again = run.opened(tiny_fit(table, "y", tmp_path / "again", tiny)).result
    first = run.opened(study).result
    for name in ("plain", "default", "winner"):
        for part in ("validation", "test"):
            assert again["scores"][name][part] == first["scores"][name][part]
    assert again["recipe"] == first["recipe"]
    other = run.opened(tiny_fit(table, "y", tmp_path / "other", tiny, seed=1)).result
    assert other["scores"]["plain"] != first["scores"]["plain"]


def test_processes_find_what_one_process_finds(study: Path, tiny: Path, tmp_path: Path) -> None:
    """Two trials, so that no rung depends on which cohort came first."""
    table = str(study.parent / "table.csv")
    one, two = (
        run.opened(tiny_fit(table, "y", tmp_path / str(n), tiny, trials=2, workers=n)).result
        for n in (0, 2)
    )
    for name in ("plain", "default", "winner", "linear", "gradient_boosting"):
        for part in ("validation", "test"):
            for metric, value in one["scores"][name][part].items():
                assert two["scores"][name][part][metric] == pytest.approx(value, abs=1e-6)


def test_the_winner_is_not_below_the_plain_network_on_validation(study: Path) -> None:
    scores = run.opened(study).result["scores"]
    assert scores["winner"]["validation"]["accuracy"] >= scores["plain"]["validation"]["accuracy"]


def test_trials_are_bounded_and_recorded(study: Path) -> None:
    trials = run.trials_of(study)
    assert [trial.number for trial in trials] == list(range(6))
    assert [trial.source for trial in trials] == ["default", "plain", *["random"] * 4]
    assert all(trial.status in ("finished", "dropped", "diverged") for trial in trials)
    assert all(trial.share == 1 for trial in trials if trial.status == "finished")


def test_fresh_folders_never_collide(tmp_path: Path, monkeypatch, tiny: Path) -> None:
    monkeypatch.chdir(tmp_path)
    names = [
        shrinkage.fit(
            mixed(40), "y", budget="20s", recipe=tiny, trials=2, workers=0, cv="holdout"
        ).folder.name
        for _ in range(2)
    ]
    assert names == ["shrinkage-run", "shrinkage-run-2"]


@pytest.mark.parametrize("trials", [-1, 0, 1])
def test_fewer_trials_than_the_default_and_the_plain_network_are_refused(
    trials: int, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=f"--trials {trials}: at least 2"):
        shrinkage.fit(mixed(40), "y", trials=trials, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_fresh_folder_that_nothing_came_into_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with chosen(None) as one, chosen(None) as other:
        assert (one.name, other.name) == ("shrinkage-run", "shrinkage-run-2")
        assert one.is_dir()
    with pytest.raises(BadInput, match="no column"):
        shrinkage.fit(mixed(40), "y", by="c", budget="20s")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shrinkage-run", "shrinkage-run-2"]


def test_two_that_begin_in_one_folder_do_each_other_no_harm(tmp_path: Path) -> None:
    one, other = Folder(tmp_path / "run"), Folder(tmp_path / "run")
    with one.founding():
        (one.work / "train.parquet").write_text("of the first")
        with pytest.raises(BadInput, match="another run is about to begin"), other.founding():
            pass
        assert (one.work / "train.parquet").read_text() == "of the first"
        one.database.touch()
    with pytest.raises(BadInput, match="shrinkage resume"), other.founding():
        pass
    assert one.database.exists()


def test_a_start_that_was_killed_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path / "run")
    folder.work.mkdir(parents=True)  # killed at once
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Folder, "_discard", lambda *_, **__: None)
        with folder.founding():
            (folder.work / "whatever.parquet").write_text("left")
            raise KeyboardInterrupt
    (folder.root / "mine.txt").write_text("a person's")
    with pytest.raises(BadInput, match="not an empty folder"), folder.founding():
        pass
    (folder.root / "mine.txt").unlink()
    with folder.founding():
        assert not any(folder.trials.iterdir())
        assert not (folder.work / "whatever.parquet").exists()
        folder.database.touch()
    assert [path.name for path in folder.work.iterdir()] == ["trials"]
    with pytest.raises(BadInput, match="shrinkage resume"), folder.founding():
        pass
    with pytest.raises(RuntimeError), Folder(tmp_path / "new").founding():
        raise RuntimeError
    assert not (tmp_path / "new").exists()


def test_the_base_of_a_space_is_where_a_search_begins(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "space.toml").write_text(
        f'base = "{tiny}"\n[vary]\n"network.mlp.width" = [2, 8, 30]\n'
    )
    asked = {"trials": 3, "workers": 0, "cv": "2", "budget": "10m", "single": True}
    folder = shrinkage.fit(
        mixed(60), "y", space=tmp_path / "space.toml", out=tmp_path / "run", **asked
    ).folder  # pyright: ignore
    first = Recipe.from_toml(run.trials_of(folder)[0].recipe)
    assert first.values.items() >= Recipe.from_toml(tiny.read_text()).values.items()
    (tmp_path / "space.toml").write_text("gone")
    assert "too few" in run.importance(folder).reason  # and it can be read without that file


def test_a_metric_without_a_value_on_a_fold_is_refused(tmp_path: Path) -> None:
    frame = mixed(100)
    frame["y"] = ["rare"] * 4 + ["often"] * 96
    with pytest.raises(BadInput, match="ROC AUC is not defined on every fold"):
        shrinkage.fit(frame, "y", metric="roc_auc", cv=5, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_watchers_hear_every_phase(tiny: Path, tmp_path: Path) -> None:
    heard = []
    tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2, watch=heard.append)
    phases = list(dict.fromkeys(progress.phase for progress in heard))
    assert phases[:3] == ["reading", "timing a few steps", "searching"]
    assert phases[-1] == "scoring"
    assert max(progress.tried for progress in heard) == 2
    assert any(progress.best is not None for progress in heard)


def test_a_divergent_recipe_is_recorded_and_harms_nobody(tiny: Path, tmp_path: Path) -> None:
    space = tmp_path / "wild.toml"
    space.write_text('[vary]\n"update.sgd.lr" = { low = 1e5, high = 1e9 }\n')
    wild = tmp_path / "sgd.toml"
    wild.write_text("[update.sgd]\nlr = 0.01\n[network.mlp]\nwidth = 8\n[data.minibatch]\nepochs=9")
    folder = tiny_fit(mixed(100), "y", tmp_path / "run", wild, space=space, trials=10)
    found = run.opened(folder).result
    diverged = [trial for trial in run.trials_of(folder) if trial.status == "diverged"]
    assert found["n_members_diverged"] == sum(trial.diverged for trial in diverged)
    assert all(1 <= trial.diverged <= found["rows"]["folds"] for trial in diverged)
    assert diverged
    assert all(trial.reason for trial in diverged)
    assert np.isfinite(list(found["scores"]["winner"]["test"].values())).all()


def test_a_study_that_did_not_end_says_so(study: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(study, tmp_path / "run"))
    (folder / "result.json").unlink()
    with pytest.raises(BadInput, match="shrinkage resume"):
        run.opened(folder)
    with pytest.raises(BadInput, match="not a study"):
        run.opened(tmp_path)


def test_the_log_is_left_as_it_was(tiny: Path, tmp_path: Path) -> None:
    log = logging.getLogger("shrinkage")
    before = log.level, list(log.handlers)
    folder = tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)
    assert (log.level, log.handlers) == before
    text = (folder / "run.log").read_text()
    for words in ("training rows", "cohort 0 rung 2", "baseline linear ended", "done after"):
        assert words in text
