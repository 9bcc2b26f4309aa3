"""Test rows that repeat a training row are found whatever their cells are, and scored apart."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import mixed, tiny_fit
from shrinkage import run, scores
from shrinkage.data.source import Table
from shrinkage.errors import BadInput
from shrinkage.model import Model
from shrinkage.report.words import copies_line
from shrinkage.search import copies, cutting, rows, said
from shrinkage.search.settings import Settings

FEATURES = ["a", "b", "colour", "when"]


def cells(frame: pd.DataFrame) -> list[tuple]:
    """Rows as Python compares them; what is missing is None."""
    whole = frame[FEATURES].astype(object)
    return [tuple(row) for row in whole.where(whole.notna(), None).to_numpy()]


def test_a_copy_has_all_cells_of_a_training_row() -> None:
    """Against every pair of rows; numbers, texts, dates and missing cells repeat by chance."""
    random = np.random.default_rng(0)
    frame = mixed(300, seed=1)
    frame["a"], frame["b"] = frame["a"].round(0), frame["b"].round(0)
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 3, 300), "D")
    train, test = frame[:200], frame[200:]
    expected = [row in set(cells(train)) for row in cells(test)]
    assert 10 < sum(expected) < 90
    assert any(row[1] is None for row, seen in zip(cells(test), expected, strict=True) if seen)
    found = copies.repeated(train[FEATURES], test[FEATURES])
    assert found.tolist() == expected


def test_one_cell_makes_another_row() -> None:
    train = mixed(50)[FEATURES]
    test = train.copy()
    assert copies.repeated(train, test).all()
    test["a"] += 1e-9
    assert not copies.repeated(train, test).any()


@pytest.fixture(scope="module")
def doubled(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of a table a third of whose rows stand there twice."""
    frame = mixed(240, seed=2)
    table = pd.concat([frame, frame[:80]], ignore_index=True)
    return tiny_fit(table, "y", tmp_path_factory.mktemp("doubled") / "run", tiny)


def test_the_others_are_scored_apart(doubled: Path) -> None:
    result: dict[str, Any] = json.loads((doubled / "result.json").read_text())
    table = rows.load(doubled / "work")
    seen = set(cells(table.train))
    new = np.array([row not in seen for row in cells(table.test)])
    told = result["copies"]
    assert (told["rows"], told["others"]) == ((~new).sum(), new.sum())
    assert told["rows"] > 10
    predicted = Model.load(doubled).predict(table.test[new])
    expected = np.mean(predicted == table.test["y"][new].to_numpy())
    assert told["scores"]["winner"] == pytest.approx(expected)
    ran = {name for name, row in result["scores"].items() if row}
    assert set(told["scores"]) == ran >= {"plain", "default", "winner", "linear"}
    line = copies_line(result)
    assert line is not None
    for text in ((doubled / "report.html").read_text(), (doubled / "report.md").read_text()):
        assert line.partition(":")[0] in text


def test_nothing_is_said_where_no_row_repeats(study: Path) -> None:
    result = json.loads((study / "result.json").read_text())
    assert result["copies"] is None
    assert copies_line(result) is None


def test_few_others_are_not_scored(doubled: Path, tmp_path: Path) -> None:
    table = rows.load(doubled / "work")
    same = rows.Rows(
        table.schema, table.train, table.train[:100].reset_index(drop=True), table.folds, ()
    )
    said.keep(tmp_path, "winner", np.full((100, 2), 0.5))
    told = copies.apart(tmp_path, same, scores.find("accuracy"), ["winner"])
    assert told == {"rows": 100, "others": 0, "scores": None}
    line = copies_line({"copies": told})
    assert line is not None
    assert line.endswith("Too few others are left to be scored apart.")


def cut(frame: pd.DataFrame, target: str = "y") -> rows.Rows:
    return cutting.cut(Table(frame, "t"), Settings("t", target))


def test_rows_that_a_start_was_trained_on_are_refused(study: Path, tmp_path: Path) -> None:
    """All of the table that the study is of; its test rows are nothing that networks saw."""
    schema, seen = Model.load(study).schema, len(rows.load(study / "work").train)
    frame = pd.read_csv(study.parent / "table.csv", parse_dates=["when"])
    with pytest.raises(BadInput, match=f"{seen} rows of {len(frame)}: networks start from"):
        copies.trained_on(str(study), schema, cut(frame))
    new = mixed(400, seed=77)
    assert copies.trained_on(str(study), schema, cut(new)) == ()
    train = rows.load(study / "work").train.drop_duplicates()
    few = pd.concat([new, train[:3]], ignore_index=True)
    (note,) = copies.trained_on(str(study), schema, cut(few))
    assert note.startswith("3 rows of 403")
    # What the networks learned of these rows was another target, or is not known.
    other = frame.assign(z=frame["a"] + 1).drop(columns="y")
    assert copies.trained_on(str(study), schema, cut(other, "z")) == ()
    with pytest.raises(BadInput, match="networks start from"):
        copies.trained_on(str(study / "model"), schema, cut(frame))
    shutil.copytree(study / "model", tmp_path / "model")
    assert copies.trained_on(str(tmp_path / "model"), schema, cut(frame)) == ()


def test_rows_that_repeat_by_chance_are_not_remembered(tiny: Path, tmp_path: Path) -> None:
    """Of few kinds: nearly all new ones equal an old one, as the old study's test rows did."""
    random = np.random.default_rng(0)

    def drawn(count: int) -> pd.DataFrame:
        return pd.DataFrame({name: random.choice(list("uvw"), count) for name in "abcy"})

    folder = tiny_fit(drawn(300), "y", tmp_path / "run", tiny, trials=2)
    schema, new = Model.load(folder).schema, cut(drawn(200))
    theirs = rows.load(folder / "work").train
    assert copies.repeated(theirs, pd.concat([new.train, new.test])).mean() > 0.5
    assert copies.trained_on(str(folder), schema, new) == ()


def test_a_study_is_not_begun_from_a_model_that_knows_its_rows(study: Path, tmp_path: Path) -> None:
    table = study.parent / "table.csv"
    with pytest.raises(BadInput, match="--start-from"):
        run.fit(table, "y", out=tmp_path / "run", start_from=study, trials=2, workers=0)
    assert not (tmp_path / "run").exists()


def test_a_start_that_knows_the_patients_is_refused(tmp_path: Path, tiny: Path) -> None:
    """Other rows of the same patients: no row repeats, and yet all are known."""
    frame = mixed(120).assign(patient=[f"p{i}" for i in np.arange(120) // 3])
    seen = tiny_fit(frame, "y", tmp_path / "run", tiny, trials=2, together="patient")
    schema, new = Model.load(seen).schema, mixed(120, seed=5)
    asked = Settings("t", "y", together="patient")
    same = cutting.cut(Table(new.assign(patient=frame["patient"]), "t"), asked)
    with pytest.raises(BadInput, match="rows of 32 of the 40 different 'patient'"):
        copies.trained_on(str(seen), schema, same)
    new[:20].drop(columns="when").assign(when="2024-03-01").to_csv(tmp_path / "t.csv", index=False)
    apart = replace(asked, test=str(tmp_path / "t.csv"))  # which says of nobody who it is
    with pytest.raises(BadInput, match="rows of 32 of the 40 different 'patient'"):
        copies.trained_on(
            str(seen), schema, cutting.cut(Table(new.assign(patient=frame["patient"]), "t"), apart)
        )
    others = cutting.cut(Table(new.assign(patient="q" + frame["patient"]), "t"), asked)
    assert copies.trained_on(str(seen), schema, others) == ()
    model = Model.load(tiny_fit(frame, "y", tmp_path / "reads", tiny, trials=2, keep="patient"))
    with pytest.raises(BadInput, match="--together patient: the model to start from reads this"):
        cutting.cut(Table(frame, "t"), asked, model)


def test_a_start_that_knows_later_rows_is_refused(tmp_path: Path, tiny: Path) -> None:
    frame = mixed(200).sort_values("when").reset_index(drop=True)
    early = tiny_fit(
        frame[:100], "y", tmp_path / "early", tiny, trials=2, cv="holdout", time="when"
    )
    schema, asked = Model.load(early).schema, Settings("t", "y", time="when")
    copies.trained_on(str(early), schema, cutting.cut(Table(frame[120:], "t"), asked))
    other = mixed(200, seed=4).assign(when=frame["when"])[:100]
    with pytest.raises(BadInput, match="by 'when' the model was trained on rows that are not earl"):
        copies.trained_on(str(early), schema, cutting.cut(Table(other, "t"), asked))
