"""A saved model: text, dates and holes in, labels of the training data out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import mixed, one_by_one, tiny_fit
from shrinkage.data.source import Table, read
from shrinkage.engine import arrays
from shrinkage.errors import BadInput, UnseenWarning
from shrinkage.model import Model
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.population.cohort import network_of
from shrinkage.search import contest
from shrinkage.search.folder import Folder
from shrinkage.search.rows import load, load_shape

LABELS = [
    ("text", lambda y: y, ["no", "yes"]),
    ("bools", lambda y: y == "yes", [False, True]),
    ("integers", lambda y: np.where(y == "yes", 7, -2), [-2, 7]),
    ("fractions of whole numbers", lambda y: np.where(y == "yes", 1.0, 0.0), [0, 1]),
]


@pytest.mark.parametrize(("name", "change", "expected"), LABELS, ids=[c[0] for c in LABELS])
def test_labels_are_those_of_the_training_data(
    name: str, change, expected: list, tiny: Path, tmp_path: Path
) -> None:
    frame = mixed(80)
    frame["y"] = change(frame["y"])
    run = tiny_fit(frame, "y", tmp_path / "run", tiny, trials=2, task="classification")
    model = Model.load(run)
    found = model.predict(frame.drop(columns="y"))
    assert set(found.tolist()) <= set(expected)
    assert np.mean(found == frame["y"].to_numpy()) > 0.6
    probability = model.predict_proba(frame.drop(columns="y"))
    np.testing.assert_array_equal(
        found, np.array(model.schema.classes, dtype=found.dtype)[probability.argmax(1)]
    )


def test_files_and_frames_predict_alike(study: Path, tmp_path: Path) -> None:
    frame, model = mixed(30, seed=4).drop(columns="y"), Model.load(study)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    expected = model.predict_proba(frame)
    for name in ("t.csv", "t.parquet"):
        np.testing.assert_allclose(model.predict_proba(read(tmp_path / name)), expected, atol=1e-12)


def test_the_order_of_rows_and_columns_does_not_matter(study: Path) -> None:
    frame, model = mixed(30, seed=4), Model.load(study)
    expected = model.predict_proba(frame)
    shuffled = frame[frame.columns[::-1]].sample(frac=1, random_state=0)
    np.testing.assert_allclose(
        model.predict_proba(shuffled), expected[shuffled.index.to_numpy()], atol=1e-12
    )


def test_networks_that_share_weights_are_saved_and_predict(study: Path, tmp_path: Path) -> None:
    model, frame = Model.load(study), mixed(30, seed=4)
    recipe = model.recipe.using(BatchEnsemble(k=3))
    network = network_of(recipe, model.shape)
    weights = torch.stack([network.start(seed) for seed in range(len(model.parts))])
    statistics = torch.full((len(weights), network.statistics.size), 0.5)
    ensemble = replace(model, recipe=recipe, weights=weights, statistics=statistics)
    ensemble.save(tmp_path / "model", {})
    again = Model.load(tmp_path / "model")
    probability = again.predict_proba(frame)
    np.testing.assert_array_equal(probability, ensemble.predict_proba(frame))
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(again.predict_proba(frame[10:15]), probability[10:15], atol=1e-12)


def test_missing_and_unseen_cells_are_predicted(study: Path) -> None:
    frame = mixed(6, seed=4)
    frame.loc[0, ["a", "b", "colour", "when"]] = None
    frame.loc[1, "colour"] = "ochre"
    model = Model.load(study)
    with pytest.warns(UnseenWarning) as caught:
        probability = model.predict_proba(frame)
    said = " ".join(str(each.message) for each in caught)
    assert re.search(r"'colour': 1 cell .*'ochre'", said)
    complete = [c.name for c in model.schema.columns if c.complete]
    assert complete == re.findall(r"'(\w+)': 1 missing cell, where training had none", said)
    assert np.isfinite(probability).all()
    with pytest.warns(UnseenWarning, match=r"1 column ignored.*'more'"):
        model.predict(frame[2:].assign(more=1))


def test_no_rows_give_no_predictions(study: Path) -> None:
    model = Model.load(study)
    assert model.predict(mixed(5)[:0]).shape == (0,)
    assert model.predict_proba(mixed(5)[:0]).shape == (0, 2)


def test_a_column_that_nobody_reads_may_hold_anything(study: Path) -> None:
    frame = mixed(6, seed=4)
    model = Model.load(study)
    expected = model.predict_proba(frame)
    with pytest.warns(UnseenWarning, match=r"1 column ignored.*'vector'"):
        found = model.predict_proba(frame.assign(vector=[[1.0]] * 6))
    np.testing.assert_array_equal(found, expected)


def test_a_missing_column_is_named(study: Path) -> None:
    with pytest.raises(BadInput, match="'colour'"):
        Model.load(study).predict(mixed(5).drop(columns="colour"))


def test_a_regression_predicts_in_the_targets_unit(regression: Path) -> None:
    from shrinkage.data.builtin import load

    frame = load("diabetes")[:120]
    model = Model.load(regression)
    predicted = model.predict(frame)
    assert 60 < predicted.mean() < 250
    table, notes = model.table(Table(frame, "t"))
    assert list(table) == ["target"]
    assert notes == ()
    with pytest.raises(BadInput, match="--proba"):
        model.table(Table(frame, "t"), proba=True)
    with pytest.raises(BadInput, match="no classes"):
        model.predict_proba(frame)


def test_a_target_far_from_zero_is_learned_as_well(tmp_path: Path, tiny: Path) -> None:
    """In seconds of this century float32 goes by steps of 128, here all that there is to learn."""
    frame = mixed(90).assign(y=lambda f: (20 * f["a"] + 10 * (f["colour"] == "red")).round(1))
    found = {}
    for far in (0, 2**31):
        run = tiny_fit(frame.assign(y=frame["y"] + far), "y", tmp_path / str(far), tiny, trials=2)
        result = json.loads((run / "result.json").read_text())
        said = Model.load(run).predict(frame.drop(columns="y")) - far
        told = np.load(run / "work" / "said" / "winner.npy") - far
        found[far] = result["scores"]["winner"], said, told
    near, away = found.values()
    for part in ("validation", "test"):
        assert near[0][part]["rmse"] == pytest.approx(away[0][part]["rmse"], rel=1e-4)
    for a, b in zip(near[1:], away[1:], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_the_model_depends_on_what_it_reads(study: Path) -> None:
    model, frame = Model.load(study), mixed(50, seed=6)
    base = model.predict_proba(frame)
    for column, value in (("a", 3.0), ("colour", "red"), ("when", pd.Timestamp("2024-10-01"))):
        changed = model.predict_proba(frame.assign(**{column: value}))
        assert np.abs(changed - base).max() > 1e-4, column


@pytest.mark.parametrize("name", ["study", "regression"])
def test_members_predict_together_and_each_in_its_own_preparation(name: str, request) -> None:
    model, frame = Model.load(request.getfixturevalue(name)), mixed(25, seed=7)
    model = replace(model, temperature=1.0)
    if name == "regression":
        from shrinkage.data.builtin import load

        frame = load("diabetes")[200:225]
    alone = one_by_one(model, frame)
    assert len(alone) >= 3
    assert not np.allclose(alone[0], alone[1], rtol=1e-3)
    np.testing.assert_allclose(model.outputs(frame), np.mean(alone, axis=0), rtol=1e-10)


def test_members_say_their_part_of_the_whole(study: Path, tmp_path: Path) -> None:
    model, frame = Model.load(study), mixed(25, seed=7)
    says = (0.1, 0.2, 0.7)
    replace(model, temperature=1.0, says=says).save(tmp_path / "model", {})
    again = Model.load(tmp_path / "model")
    expected = np.average(one_by_one(again, frame), axis=0, weights=says)
    np.testing.assert_allclose(again.outputs(frame), expected, rtol=1e-10)
    assert model.equals == pytest.approx(3)
    assert again.equals == pytest.approx(1 / (0.01 + 0.04 + 0.49))
    both = replace(again, share=0.5, others=(replace(model, share=0.5),))
    assert both.equals == pytest.approx(4 / (0.54 + 1 / 3))


def test_a_model_reads_ranks_where_its_recipe_asks_for_them(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside numbers with holes, and as they were prepared for training."""
    monkeypatch.setattr(contest, "choose", lambda _losses, default, _plain: default)
    recipe = tmp_path / "ranked.toml"
    recipe.write_text(tiny.read_text() + "\n[data.ranked]\n")
    study = tiny_fit(mixed(), "y", tmp_path / "run", recipe, trials=2)
    model, folder = Model.load(study), Folder(study)
    cut, shape = load(folder.work), load_shape(folder.work)
    assert model.shape == shape
    assert shape.ranks == 6, "a, b and four parts of the date"
    dataset = arrays.read(folder.work / "ranked.safetensors", len(cut.folds), 2, "classification")
    numbers = dataset.folds[0].validation.inputs["numbers"]
    assert numbers.shape[1] == shape.numbers + shape.ranks
    frame = cut.train.iloc[cut.folds[0].validation]
    samples: dict = {}
    first = model.outputs(frame, samples)
    torch.testing.assert_close(samples[model.preparers[0]].inputs["numbers"], numbers)
    np.testing.assert_array_equal(model.outputs(frame[:0], {}), first[:0])
    np.testing.assert_array_equal(model.outputs(frame, samples), first)
    entries = network_of(model.recipe, shape).weights.entries
    read = {entry.shape[0] for entry in entries if len(entry.shape) == 2}
    assert shape.numbers + shape.ranks + 8 in read, "and eight numbers for the colour"
