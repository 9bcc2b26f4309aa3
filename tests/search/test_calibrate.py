"""A study's probabilities and choices after training: fitted out of fold, kept in the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shrinkage
from conftest import mixed, tiny_fit
from shrinkage import Classifier, run
from shrinkage.calibration import best_temperature, tempered, with_one_wrong
from shrinkage.cutoff import best_cutoff
from shrinkage.data.builtin import load
from shrinkage.data.together import Together
from shrinkage.errors import BadInput
from shrinkage.losses.huber import Huber
from shrinkage.losses.pinball import Pinball
from shrinkage.losses.squared_error import SquaredError
from shrinkage.model import Model
from shrinkage.recipe import Recipe
from shrinkage.report.words import after_training
from shrinkage.search import calibrate, rows
from shrinkage.search.aim import aimed
from shrinkage.search.contest import finalists
from shrinkage.search.folder import Folder
from shrinkage.search.rows import Rows
from shrinkage.store.tables import Store


def rare(count: int = 400, classes: int = 2, seed: int = 0) -> pd.DataFrame:
    """A table whose first class is most of it."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 3))
    noise = 0.8 * random.normal(size=count)
    place = np.digitize(x[:, 0] + noise, [1.0, 2.0][: classes - 1])
    frame = pd.DataFrame(x.round(3)).add_prefix("x")
    return frame.assign(y=np.array(["most", "some", "third"])[place])


def unseen(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The winner's out-of-fold probabilities, classes and groups, from the folder alone."""
    cut, result = rows.load(folder / "work"), run.opened(folder).result
    store = Store(Folder(folder).database)
    try:
        found = finalists(store, Folder(folder), cut)
    finally:
        store.close()
    return calibrate.unseen(found[result["winner"]["trial"]].parts, cut)


@pytest.fixture(scope="module")
def by_f1(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    return tiny_fit(
        rare(), "y", tmp_path_factory.mktemp("f1") / "run", tiny, metric="f1", single=True
    )


def test_the_temperature_is_that_of_the_rows_not_seen(study: Path) -> None:
    result, model = run.opened(study).result, Model.load(study)
    probability, target, group = unseen(study)
    assert len(np.unique(group)) == 3
    found = result["calibration"]
    assert found["log_loss_out_of_fold"]["temperature_found"] == pytest.approx(
        best_temperature(*with_one_wrong(probability, target)), rel=1e-6
    )
    assert found["temperature"] == model.temperature
    loss = found["log_loss_out_of_fold"]
    kept = loss["gain"] > loss["standard_error"]
    assert loss["temperature"] == (loss["temperature_found"] if kept else 1)
    # One network has not seen a row, three predict together: only sharpening is sure to help.
    assert model.temperature == min(loss["temperature"], 1)
    assert result["cutoff"] is result["decision"] is model.cutoff is None  # accuracy: a half


def test_what_is_said_of_the_test_rows_is_true(study: Path) -> None:
    result, model, cut = run.opened(study).result, Model.load(study), rows.load(study / "work")
    target = cut.target(cut.test)
    outputs = model.predict_proba(cut.test)
    raw = replace(model, temperature=1.0).predict_proba(cut.test)
    np.testing.assert_allclose(outputs, tempered(raw, model.temperature))
    said = result["calibration"]
    for name, p in (("before", raw), ("after", outputs)):
        loss = -np.log(p[np.arange(len(p)), target]).mean()
        assert said["log_loss_test"][name] == pytest.approx(loss, abs=1e-6)
    tables = said["reliability_test"]
    assert set(tables) == {"top_class", "class_1"}
    assert sum(row["count"] for row in tables["class_1"]) == len(target)
    error = sum(
        row["count"] * abs(row["rate"] - row["confidence"]) for row in tables["top_class"]
    ) / len(target)
    assert said["calibration_error_test"]["after"] == pytest.approx(error)


def test_a_cutoff_is_tuned_kept_and_used(by_f1: Path) -> None:
    result, model, cut = run.opened(by_f1).result, Model.load(by_f1), rows.load(by_f1 / "work")
    probability, target, _ = unseen(by_f1)
    heat = result["calibration"]["log_loss_out_of_fold"]["temperature"]
    score = tempered(probability, heat)[:, 1]
    decision = result["decision"]
    assert decision["cutoff_found"] == pytest.approx(best_cutoff(score, target, "f1"))
    assert decision["gain"] > decision["standard_error"]
    assert model.cutoff == result["cutoff"] == decision["cutoff_found"] < 0.45
    assert decision["class"] == "some"
    outputs = model.predict_proba(cut.test)
    labels = model.predict(cut.test)
    assert set(labels) == {"most", "some"}
    np.testing.assert_array_equal(labels == "some", outputs[:, 1] > model.cutoff)
    assert (labels == "some").sum() > (outputs.argmax(1) == 1).sum()
    truth = cut.target(cut.test)
    hits = 2 * ((labels == "some") & (truth == 1)).sum()
    f1 = hits / ((labels == "some").sum() + (truth == 1).sum())
    assert result["scores"]["winner"]["test"]["f1"] == pytest.approx(f1)


def test_a_person_is_told(by_f1: Path, command) -> None:
    text = command("show", by_f1).out
    cutoff = run.opened(by_f1).result["cutoff"]
    assert f"lass 'some' from a probability of {cutoff:.3g} up" in text
    assert "F1" in text


def test_classes_of_unequal_shares_are_chosen_by_probability_over_share(
    tiny: Path, tmp_path: Path
) -> None:
    frame = rare(700, classes=3)
    folder = tiny_fit(
        frame, "y", tmp_path / "run", tiny, metric="balanced_accuracy", trials=2, keep_all=True
    )
    model, cut = Model.load(folder), rows.load(folder / "work")
    assert model.cutoff is None
    assert model.priors == pytest.approx(cut.priors)
    outputs = model.predict_proba(cut.test)
    expected = np.array(cut.schema.classes)[(outputs / cut.priors).argmax(1)]
    np.testing.assert_array_equal(model.predict(cut.test), expected)


def test_the_estimators_labels_know_the_cutoff(tiny: Path) -> None:
    frame = rare()
    X, y = frame.drop(columns="y"), frame["y"]
    model = Classifier(
        budget=60, trials=2, workers=0, cv=3, recipe=tiny, metric="f1", test=0.3
    ).fit(X, y)
    assert model.model_.cutoff is not None
    probability = model.predict_proba(X)
    np.testing.assert_array_equal(
        model.predict(X) == "some", probability[:, 1] > model.model_.cutoff
    )


def test_a_model_of_before_calibration_predicts_as_it_did(study: Path, tmp_path: Path) -> None:
    model = Model.load(study)
    old = replace(model, temperature=1.0)
    old.save(tmp_path / "model", {})
    path = tmp_path / "model" / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("temperature", "cutoff", "priors", "says", "digest"):
        del manifest[name]
    from shrinkage.store import artifact

    manifest["digest"] = artifact._digest_of(manifest)
    path.write_text(json.dumps(manifest))
    again, frame = Model.load(tmp_path / "model"), mixed(20, seed=3)
    assert (again.temperature, again.cutoff, again.priors) == (1.0, None, None)
    np.testing.assert_array_equal(again.predict_proba(frame), old.predict_proba(frame))


def test_a_regression_has_nothing_to_calibrate(regression: Path) -> None:
    result = run.opened(regression).result
    assert result["calibration"] is result["cutoff"] is result["decision"] is None


def cut_in(folds: list[list[int]], count: int) -> Any:
    """Rows of a table that is all but its folds."""
    from shrinkage.data.split import Fold

    every = np.arange(count)
    parts = tuple(Fold(np.setdiff1d(every, f), np.array(f)) for f in folds)
    frame = pd.DataFrame({"x": every, "y": np.where(every % 2, "a", "b")})
    from shrinkage.data.schema import infer
    from shrinkage.data.source import Table

    schema, frame = infer(Table(frame, "t"), "y", "auto", keep=["x"], min_rows=6)
    return Rows(schema, frame, frame, parts, ())


GROUPS = [
    ("folds", [[0, 3], [1, 4], [2, 5]], [0, 1, 2, 0, 1, 2]),
    ("two repeats", [[0, 3, 1], [4, 2, 5], [0, 1, 2], [3, 4, 5]], [0, 0, 1, 0, 1, 1]),
    ("a holdout", [[0, 1, 2, 3, 4, 5]], [0, 1, 2, 3, 4, 0]),
]


@pytest.mark.parametrize(("name", "folds", "expected"), GROUPS, ids=[g[0] for g in GROUPS])
def test_repeats_are_averaged_and_groups_are_folds(name: str, folds, expected) -> None:
    cut = cut_in(folds, 6)
    parts = [np.full((len(f), 2), float(k)) for k, f in enumerate(folds)]
    probability, target, group = calibrate.unseen(parts, cut)
    assert group.tolist() == expected
    assert target.tolist() == cut.target(cut.train).tolist()
    by_row = [[k for k, f in enumerate(folds) if i in f] for i in range(6)]
    np.testing.assert_allclose(probability[:, 0], [np.mean(k) for k in by_row])


def test_rows_that_belong_together_are_in_one_group_of_a_holdout() -> None:
    clusters = np.array([4, 4, 4, 9, 9, 2])
    cut = replace(cut_in([[0, 1, 2, 3, 4, 5]], 6), together=Together("a", clusters, clusters[:0]))
    _, _, group = calibrate.unseen([np.zeros((6, 2))], cut)
    assert group.tolist() == [1, 1, 1, 2, 2, 0]


def gain(target: np.ndarray, output: np.ndarray) -> float:
    """A person's own metric: what right answers are worth, minus what wrong ones cost."""
    named = output[:, 1] > 0.5
    return float((5 * (named & (target == 1)) - (named & (target == 0))).mean())


def test_a_function_is_what_a_study_is_judged_by(tiny: Path, tmp_path: Path) -> None:
    folder = tiny_fit(rare(), "y", tmp_path / "run", tiny, metric=gain, workers=1, trials=3)
    result, cut, model = run.opened(folder).result, rows.load(folder / "work"), Model.load(folder)
    assert result["metric"] == "function:gain"
    expected = gain(cut.target(cut.test), model.predict_proba(cut.test))
    assert result["scores"]["winner"]["test"]["function:gain"] == pytest.approx(expected)
    with pytest.raises(BadInput, match=r"metric=gain\)"):
        shrinkage.resume(folder, "20s")
    with pytest.raises(BadInput, match="judged by function:gain, and not by function:rare"):
        shrinkage.resume(folder, "20s", metric=rare)
    again = shrinkage.resume(folder, "20s", metric=gain)
    assert again.result["metric"] == "function:gain"


def test_a_function_that_fails_is_found_before_any_work(tiny: Path, tmp_path: Path) -> None:
    def broken(target: np.ndarray, output: np.ndarray) -> float:
        return output["profit"]

    with pytest.raises(BadInput, match="metric=broken: the function failed with IndexError"):
        tiny_fit(rare(), "y", tmp_path / "run", tiny, metric=broken)
    assert not (tmp_path / "run").exists()


def test_a_function_that_fails_on_the_test_rows_is_found_before_any_work(
    tiny: Path, tmp_path: Path
) -> None:
    """It asks for both classes, and the file of test rows has one."""

    def balanced(target: np.ndarray, output: np.ndarray) -> float:
        return min(output[target == k, k].min() for k in (0, 1))

    table, file = rare(), tmp_path / "test.csv"
    table[table["y"] == table["y"].iloc[0]].head(30).to_csv(file, index=False)
    with pytest.raises(
        BadInput, match="on the test rows, metric=balanced: the function failed with V"
    ):
        tiny_fit(table, "y", tmp_path / "run", tiny, metric=balanced, test=str(file))
    assert not (tmp_path / "run").exists()


def test_a_quantile_is_a_goal(tiny: Path, tmp_path: Path, command) -> None:
    frame = load("diabetes")[:120]
    folder = tiny_fit(frame, "target", tmp_path / "run", tiny, metric="pinball_0.9", trials=2)
    result = run.opened(folder).result
    assert result["metric"] == "pinball_0.9"
    cut = rows.load(folder / "work")
    error = cut.target(cut.test) - Model.load(folder).predict(cut.test)
    expected = np.maximum(0.9 * error, -0.1 * error).mean()
    assert result["scores"]["winner"]["test"]["pinball_0.9"] == pytest.approx(expected)
    assert "quantile loss 0.9" in command("show", folder).out
    for trial in run.trials_of(folder):
        assert Recipe.from_toml(trial.recipe).get("loss") == Pinball(level=0.9)


def test_a_quantile_leaves_a_loss_that_was_asked_for() -> None:
    asked = Recipe(Huber())
    assert aimed(asked, "regression", "pinball_0.9") == asked
    assert aimed(Recipe(), "regression", "mae") == Recipe(SquaredError())


def test_a_temperature_is_told(study: Path) -> None:
    from shrinkage.cli import terminal

    loss = {"temperature": 1.33, "before": 0.5, "after": 0.45}
    told = {"temperature": 1.09, "log_loss_out_of_fold": loss}
    lines = terminal.summary({**run.opened(study).result, "calibration": told}, "run")
    assert (
        "Probabilities softened (temperature 1.09), as the networks were surer than right: on rows "
        "that a network has not seen, 1.33 takes the log loss from 0.5000 to 0.4500." in lines
    )
    told["temperature"] = 1.0
    lines = terminal.summary({**run.opened(study).result, "calibration": told}, "run")
    assert not [line for line in lines if "temperature" in line]
    told["temperature"] = 1.09
    ensemble = {"shares": {"3": 0.6, "0": 0.4}, "networks": 6, "temperatures": [0.371, 1.0]}
    result = {"calibration": told, "ensemble": ensemble}
    assert after_training(result) == [
        "Probabilities of each recipe at a temperature of its own, 0.371 to 1, before they are "
        "averaged; their mean softened (temperature 1.09), as it was surer than right: on rows "
        "that a network has not seen, 1.33 takes the log loss from 0.5000 to 0.4500."
    ]
    ensemble["temperatures"], told["temperature"] = [1.0, 1.0], 1.0
    assert after_training(result) == []
