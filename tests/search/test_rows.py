"""The cut: the test part is scikit-learn's, and nothing outside the training rows is fitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from conftest import mixed
from shrinkage.baselines import fit_baseline
from shrinkage.data.schema import conform
from shrinkage.data.source import Table, read
from shrinkage.data.split import Fold
from shrinkage.engine import arrays
from shrinkage.errors import BadInput
from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.recipe import Recipe
from shrinkage.search import baseline, cutting, rows
from shrinkage.search.rows import repeats_of
from shrinkage.search.settings import Settings

CLASSES = Settings("t", "y", cv="4", test=0.25, seed=0)
NUMBERS = Settings("t", "b2", cv="4", test=0.2, seed=0)


@pytest.fixture
def frame() -> pd.DataFrame:
    frame = mixed(120)
    frame["b2"] = frame["a"] * 2 + frame["b"].fillna(0) + 0.125
    return frame


@pytest.mark.parametrize("seed", [0, 7])
def test_the_test_part_is_scikit_learns_on_the_rows_of_the_file(
    seed: int, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read(tmp_path / "t.csv")
    for settings, stratify in ((CLASSES, frame["y"]), (NUMBERS, None)):
        settings = replace(settings, seed=seed)
        cut = cutting.cut(table, settings)
        share = {"test_size": settings.test, "random_state": seed, "stratify": stratify}
        train, test = train_test_split(frame, **share)
        assert list(cut.test["a"]) == list(test["a"])
        assert list(cut.train["a"]) == list(train["a"])


def test_folds_are_scikit_learns_within_the_training_rows(frame: pd.DataFrame) -> None:
    for settings, cutter in ((CLASSES, StratifiedKFold), (NUMBERS, KFold)):
        cut = cutting.cut(Table(frame, "t"), settings)
        y = cut.train[settings.target]
        expected = cutter(4, shuffle=True, random_state=0).split(np.zeros(len(y)), y)
        for fold, (train, validation) in zip(cut.folds, expected, strict=True):
            np.testing.assert_array_equal(fold.train, train)
            np.testing.assert_array_equal(fold.validation, validation)


def test_rows_without_a_target_are_cut_away_before_the_split(frame: pd.DataFrame) -> None:
    frame.loc[[3, 50], "y"] = np.nan
    cut = cutting.cut(Table(frame, "t"), CLASSES)
    kept = frame.dropna(subset="y")
    _, test = train_test_split(kept, test_size=0.25, random_state=0, stratify=kept["y"])
    assert list(cut.test["a"]) == list(test["a"])


def test_a_column_that_is_kept_is_used_although_it_looks_like_an_identifier(frame) -> None:
    frame["year"], frame["id"] = range(1900, 1900 + len(frame)), range(len(frame))
    assert not {"year", "id"} & {*cutting.cut(Table(frame, "t"), CLASSES).schema.used}
    found = cutting.cut(Table(frame, "t"), replace(CLASSES, keep=("year",)))
    assert "year" in found.schema.numbers
    assert "id" not in found.schema.used
    assert not any("'year'" in note for note in found.notes)
    assert any("'id'" in note and "--keep" in note for note in found.notes)


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
@pytest.mark.parametrize("settings", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_validation_and_test_rows_change_nothing_that_is_fitted(
    settings: Settings, scaling: str, frame: pd.DataFrame
) -> None:
    """Other values in the rows of fold 0's validation, and in the test rows."""
    cut = cutting.cut(Table(frame, "t"), settings)
    dataset, preparers = rows.prepare(cut, scaling)
    train, test = cut.train.copy(), cut.test.copy()
    at = cut.folds[0].validation
    number = train.columns.get_loc("a")
    train.iloc[at, number] = 1e6
    train.iloc[at, train.columns.get_loc("colour")] = "ochre"
    if settings is NUMBERS:
        train.iloc[at, train.columns.get_loc("b2")] = 1e6
    test["a"] = -1e6
    other, others = rows.prepare(replace(cut, train=train, test=test), scaling)
    one, two = dataset.folds[0], other.folds[0]
    for name, values in one.train.inputs.items():
        np.testing.assert_array_equal(values, two.train.inputs[name])
    np.testing.assert_array_equal(one.train.target, two.train.target)
    assert vars(one.units) == vars(two.units)
    assert preparers[0].vocabulary == others[0].vocabulary
    probe = cut.test.drop(columns=settings.target)
    np.testing.assert_array_equal(
        preparers[0].transform(probe).numbers, others[0].transform(probe).numbers
    )
    # and the oracle can fail: fold 1 trains on those rows
    assert not np.array_equal(dataset.folds[1].train.inputs["numbers"],
                              other.folds[1].train.inputs["numbers"])  # fmt: skip


def test_parts_survive_the_disk(frame: pd.DataFrame, tmp_path: Path) -> None:
    for settings in (CLASSES, NUMBERS):
        cut = cutting.cut(Table(frame, "t"), settings)
        rows.save(cut, tmp_path)
        again = rows.load(tmp_path)
        pd.testing.assert_frame_equal(again.train, cut.train)
        pd.testing.assert_frame_equal(again.test, cut.test)
        assert (again.schema, again.notes) == (cut.schema, cut.notes)
        np.testing.assert_array_equal(again.target(again.test), cut.target(cut.test))
        for one, two in zip(again.folds, cut.folds, strict=True):
            np.testing.assert_array_equal(one.validation, two.validation)


REPEATS = [
    ("4", 1, 4),
    ("4x3", 3, 4),
    ("holdout", 1, 1),
    ("holdoutx4", 4, 1),
    ("2x5", 5, 2),
    ("auto", 2, 5),
]


@pytest.mark.parametrize(("cv", "rounds", "folds"), REPEATS)
def test_repeats_are_told_apart(cv: str, rounds: int, folds: int, frame: pd.DataFrame) -> None:
    cut = cutting.cut(Table(frame, "t"), replace(CLASSES, cv=cv))
    groups = repeats_of(cut)
    assert [len(group) for group in groups] == [folds] * rounds
    assert sorted(k for group in groups for k in group) == list(range(rounds * folds))
    for group in groups:
        validated = np.concatenate([cut.folds[k].validation for k in group])
        assert len(set(validated)) == len(validated)
        assert cv.startswith("holdout") or len(validated) == len(cut.train)


def test_what_only_test_rows_hold_was_not_seen(frame: pd.DataFrame) -> None:
    """A category and a gap that training rows lack: prediction says so."""
    place = cutting.cut(
        Table(frame.assign(at=np.arange(120.0)), "t"), replace(CLASSES, keep=("at",))
    )
    first = int(place.test["at"].iloc[0])
    frame = frame.assign(a=frame["a"].fillna(0.5))
    frame.loc[first, ["a", "colour"]] = [np.nan, "ochre"]
    cut = cutting.cut(Table(frame, "t"), CLASSES)
    assert "ochre" in set(cut.test["colour"]) - set(cut.train["colour"])
    _, notes = conform(cut.schema, Table(frame.iloc[[first]].reset_index(drop=True), "new"))
    assert any("'a': 1 missing cell, where training had none" in note for note in notes)
    assert any("not seen in training ('ochre')" in note for note in notes)
    by_column = {column.name: column for column in cut.schema.columns}
    assert set(by_column["colour"].values) == set(cut.train["colour"].dropna())


def test_two_holdouts_that_share_no_row_are_two_repeats(frame: pd.DataFrame) -> None:
    cut = cutting.cut(Table(frame, "t"), replace(CLASSES, cv="holdout"))
    n = len(cut.train)
    parts = np.arange(n).reshape(-1, 6)[:3]
    folds = tuple(Fold(np.setdiff1d(np.arange(n), part), part) for part in parts)
    assert repeats_of(replace(cut, folds=folds)) == [[0], [1], [2]]


def test_a_test_file_must_fit(frame: pd.DataFrame, tmp_path: Path) -> None:
    mixed(20, seed=4).assign(b2=1.0).to_csv(tmp_path / "test.csv", index=False)
    settings = replace(CLASSES, test=str(tmp_path / "test.csv"))
    cut = cutting.cut(Table(frame, "t"), settings)
    assert (len(cut.train), len(cut.test)) == (120, 20)
    mixed(20).to_csv(tmp_path / "test.csv", index=False)  # b2 is missing
    with pytest.raises(BadInput, match="b2"):
        cutting.cut(Table(frame, "t"), settings)


@pytest.mark.parametrize("cv", ["3", "holdout"])
def test_an_hour_that_one_row_alone_has_fits_the_shape(cv: str, frame: pd.DataFrame) -> None:
    """Wherever it stands: some fold does not train on it."""
    when = pd.Series(pd.Timestamp("2024-01-01"), frame.index) + pd.to_timedelta(frame.index, "D")
    cut = cutting.cut(Table(frame.assign(when=when), "t"), replace(CLASSES, cv=cv))
    train = cut.train.copy()
    train.loc[cut.folds[0].validation[0], "when"] += pd.Timedelta(hours=14)
    cut = rows.Rows(cut.schema, train, cut.test, cut.folds, ())
    for scaling in ("robust", "ranked"):
        dataset, preparers = rows.prepare(cut, scaling)
        everyone, preparer = rows.prepare_all(cut, scaling)
        shape = rows.shape_of([*preparers, preparer], 2)
        assert "when (hour)" in preparer.number_names
        ranks = shape.ranks if scaling == "ranked" else 0
        for fold in (*dataset.folds, *everyone.folds):
            assert fold.train.inputs["numbers"].shape[1] == shape.numbers + ranks
    train.loc[:, "when"] = when[0]
    assert rows.Rows(cut.schema, train, cut.test, cut.folds, ()).timed == ()


def signs(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame 40 times, a changed, with 0 in three rows of five and else sums that name y."""
    random, many = np.random.default_rng(0), pd.concat([frame] * 40, ignore_index=True)
    many["a"] = random.normal(size=len(many))
    sums = random.integers(1, 31, len(many)).astype(float)
    many["y"] = np.where((sums % 2 == 1) ^ (random.random(len(many)) < 0.1), "yes", "no")
    return many.assign(sums=np.where(random.random(len(many)) < 0.6, 0.0, sums))


def test_what_is_read_as_categories_is_decided_once_and_kept(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Also where the rows that a fold trains on would say otherwise: here they hold no sum."""
    cut = cutting.cut(Table(signs(frame), "t"), CLASSES)
    assert cut.coded == ("sums",)
    assert any(note.startswith("Single values of 'sums' say more") for note in cut.notes)
    train = cut.train.copy()
    train.loc[cut.folds[0].train, "sums"] = 0.0
    cut = replace(cut, train=train)
    for scaling in ("robust", "ranked"):
        dataset, preparers = rows.prepare(cut, scaling)
        shape = rows.shape_of(preparers, 2)
        assert shape.cardinalities[1] == 2 + 30, "0 and 29 of 30 sums, and what is rare"
        for fold in dataset.folds:
            codes = fold.train.inputs["categories"]
            assert codes.shape[1] == len(shape.cardinalities) == 2, "colour and sums"
            assert (codes.amax(0) < torch.tensor(shape.cardinalities)).all()
    rows.save(cut, tmp_path)
    assert rows.load(tmp_path).coded == ("sums",)
    about = json.loads((tmp_path / "schema.json").read_text())
    del about["coded"]
    (tmp_path / "schema.json").write_text(json.dumps(about))
    assert rows.load(tmp_path).coded == (), "of an earlier version"


def test_many_columns_read_as_categories_are_told_in_one_line(frame: pd.DataFrame) -> None:
    many = signs(frame)
    wide = many.assign(**{f"s{i}": many["sums"] for i in range(4)})
    notes = cutting.cut(Table(wide, "t"), CLASSES).notes
    said = "Single values of 'sums', 's0', 's1' and 2 more say more than their neighbours: they"
    assert [note for note in notes if note.startswith(said)]


def test_marks_that_only_validation_rows_need_fit_the_shape(frame: pd.DataFrame) -> None:
    """One hole, in the rows that the only fold is validated on."""
    settings = replace(CLASSES, cv="holdout")
    whole = cutting.cut(Table(frame, "t"), settings)
    train = whole.train.assign(b=0.5)
    train.loc[whole.folds[0].validation[0], "b"] = np.nan
    cut = rows.Rows(whole.schema, train, whole.test, whole.folds, ())
    dataset, preparers = rows.prepare(cut, "robust")
    everyone, preparer = rows.prepare_all(cut, "robust")
    shape = rows.shape_of([*preparers, preparer], 2)
    assert len(preparers[0].number_names) < shape.numbers
    for fold in (*dataset.folds, *everyone.folds):
        assert fold.train.inputs["numbers"].shape[1] == shape.numbers
        assert fold.validation.inputs["numbers"].shape[1] == shape.numbers
    # A mark is of its number's cell; a column of zeros in its place may be of any.
    place = cut.schema.numbers.index("b")
    for fold, mark in ((everyone.folds[0], place), (dataset.folds[0], 0)):
        assert fold.cells["numbers"].tolist()[place] == place
        assert fold.cells["numbers"].tolist()[shape.numbers - 1 :] == [mark]
    # Ranks stand behind the numbers and their marks, at the same places in every fold.
    assert shape.ranks == preparer.places > 0
    ranked, fitted = rows.prepare(cut, "ranked")
    for part, at in (("train", whole.folds[0].train), ("validation", whole.folds[0].validation)):
        numbers = getattr(ranked.folds[0], part).inputs["numbers"].numpy()
        own = fitted[0].transform(train.iloc[at])
        np.testing.assert_array_equal(numbers[:, : own.numbers.shape[1]], own.numbers)
        assert not numbers[:, own.numbers.shape[1] : shape.numbers].any()
        np.testing.assert_array_equal(numbers[:, shape.numbers :], own.ranks)
        assert own.ranks.any()


def test_cells_come_back_with_the_arrays_and_are_each_folds_own(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """One fold has a mark of a missing number that the other has not."""
    whole = cutting.cut(Table(frame, "t"), replace(CLASSES, cv="2"))
    train = whole.train.assign(b=0.5 + np.arange(len(whole.train)))
    train.loc[whole.folds[0].validation[0], "b"] = np.nan
    cut = rows.Rows(whole.schema, train, whole.test, whole.folds, ())
    dataset, preparers = rows.prepare(cut, "ranked")
    arrays.write(dataset, tmp_path / "a.safetensors")
    back = arrays.read(tmp_path / "a.safetensors", 2, 2, "classification")
    place, mark = cut.schema.numbers.index("b"), preparers[0].places
    for fold, again in zip(dataset.folds, back.folds, strict=True):
        assert again.cells.keys() == {"numbers", "categories"} == fold.cells.keys()
        for name, each in fold.cells.items():
            assert torch.equal(again.cells[name], each)
            assert len(each) == again.train.inputs[name].shape[1]
    count, places = back.cells
    assert count == len(cut.schema.numbers + cut.schema.dates + cut.schema.categories)
    assert places["numbers"][:, mark].tolist() == [0, place]
    recipe = Recipe()
    members = tuple(Member(recipe, fold=k) for k in (1, 0, 1))
    cohort = Cohort(members, back, lambda recipe: network_of(recipe, TableShape(1, (), 2)))
    assert cohort.cells.places["numbers"][:, mark].tolist() == [place, 0, place]


@pytest.mark.parametrize("settings", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_a_model_takes_along_what_its_arrays_were_made_with(
    settings: Settings, frame: pd.DataFrame
) -> None:
    cut = cutting.cut(Table(frame, "t"), settings)
    dataset, preparers = rows.prepare(cut, "ranked")
    everyone, whole = rows.prepare_all(cut, "ranked")
    for part, fold in enumerate(dataset.folds):
        assert cut.preparer("ranked", part) is preparers[part], "fitted once"
        assert cut.units(part) == fold.units
    assert cut.preparer("ranked") is whole
    assert cut.units() == everyone.folds[0].units
    assert cut.width == len(whole.number_names)
    assert cut.preparer("robust") is not whole


def patients(frame: pd.DataFrame) -> pd.DataFrame:
    """Each of forty has three rows, whose `a` tells them apart."""
    place = np.arange(len(frame))
    return frame.assign(a=frame["a"] + place / 1e6, patient=[f"p{i:02d}" for i in place // 3])


def test_rows_that_belong_together_stay_on_one_side(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame = patients(frame)
    settings = replace(CLASSES, together="patient", cv="4x2")
    cut = cutting.cut(Table(frame, "t"), settings)
    who = dict(zip(frame["a"], frame["patient"], strict=True))
    sides = [{who[a] for a in part["a"]} for part in (cut.train, cut.test)]
    assert not sides[0] & sides[1]
    train = np.array([who[a] for a in cut.train["a"]])
    for fold in cut.folds:
        assert not set(train[fold.train]) & set(train[fold.validation])
    assert cut.together is not None
    for its, names in ((cut.together.train, train), (cut.together.test, cut.test["a"].map(who))):
        np.testing.assert_array_equal(pd.factorize(its)[0], pd.factorize(np.array(names))[0])
    assert "patient" not in cut.schema.used
    assert any("'patient' stay on one side of every split: 30 different" in n for n in cut.notes)
    kept = cutting.cut(Table(frame, "t"), replace(settings, keep=("patient",)))
    assert "patient" in kept.schema.used
    np.testing.assert_array_equal(kept.together.train, cut.together.train)
    rows.save(cut, tmp_path)
    back = rows.load(tmp_path)
    assert back.together is not None
    assert back.together.column == "patient"
    np.testing.assert_array_equal(back.together.train, cut.together.train)
    np.testing.assert_array_equal(back.test_clusters, cut.together.test)
    assert len(back.folds) == 8
    np.testing.assert_array_equal(back.clusters_of(back.validated[3:5]), cut.together.train[3:5])


def test_a_test_file_may_share_patients_with_the_training_rows(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame = patients(frame)
    later = frame[60:].assign(a=lambda f: f["a"] + 0.001)
    for name, given in (("later", later), ("nameless", later.drop(columns="patient"))):
        given.to_csv(tmp_path / f"{name}.csv", index=False)
        settings = replace(CLASSES, together="patient", test=str(tmp_path / f"{name}.csv"))
        cut = cutting.cut(Table(frame[:90], "t"), settings)
        (note,) = [n for n in cut.notes if "validate together: 30 different ones" in n]
        assert ("Of 20 in the test part 10 are among them" in note) == (name == "later")
        assert ("taken for strangers" in note) == (name == "nameless")
        assert cut.together.counts == (30, 20 if name == "later" else None)
        rows.save(cut, tmp_path)
        assert rows.load(tmp_path).together.counts == cut.together.counts


def test_whole_numbers_beyond_a_floats_are_told_apart(frame: pd.DataFrame) -> None:
    frame = frame.assign(patient=10**18 + np.arange(len(frame)) // 3)
    cut = cutting.cut(Table(frame, "t"), replace(CLASSES, together="patient"))
    assert sum(cut.together.counts) == 40


def test_a_huge_amount_leaves_the_others_numbers(frame: pd.DataFrame) -> None:
    """A column that is not read, and has one cell beyond what a float counts in ones."""
    amounts = np.append(1e16, np.arange(1, len(frame)) // 3 + 0.5)
    asked = replace(CLASSES, together="size")
    cut = cutting.cut(Table(frame.assign(size=amounts), "t"), asked)
    assert cut.unread is not None
    assert all(part["size"].dtype == np.float64 for part in cut.unread)


def test_what_a_baseline_holds_out_is_cut_as_the_study_is(frame: pd.DataFrame) -> None:
    """Ten folds of whole patients, or as many as there are; by time the latest tenth."""
    patient = cutting.cut(Table(patients(frame), "t"), replace(CLASSES, together="patient"))
    at = patient.folds[0].train
    its = patient.clusters_of(at)
    for part, folds in ((at, 10), (at[np.isin(its, np.unique(its)[:4])], 4)):
        its = patient.clusters_of(part)
        cuts = patient.held_out(part)
        assert len(cuts) == folds
        assert sorted(np.concatenate([cut.validation for cut in cuts])) == [*range(len(part))]
        for cut in cuts:
            assert not set(its[cut.train]) & set(its[cut.validation])
            assert len(cut.train) + len(cut.validation) == len(part)
    assert patient.held_out(at[its[0] == patient.clusters_of(at)]) == ()
    timed = cutting.cut(Table(frame, "t"), replace(CLASSES, time="when", cv="auto"))
    at = timed.folds[0].train
    (cut,) = timed.held_out(at)
    when = timed.column("when")[0].iloc[at]
    assert when.iloc[cut.train].max() < when.iloc[cut.validation].min()
    assert len(cut.validation) == pytest.approx(len(at) / 10, abs=2)
    assert timed.held_out(at[[0]]) == ()


@pytest.mark.parametrize("column", ["together", "time"])
def test_baselines_of_a_study_hold_out_what_it_would(
    column: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Ridge with penalties chosen by whole patients, or by later rows: as by hand."""
    table = patients(frame).assign(b2=np.random.default_rng(0).normal(size=len(frame)))
    asked = replace(NUMBERS, **{column: "patient" if column == "together" else "when"}, cv="auto")
    cut = cutting.cut(Table(table, "t"), asked)
    rows.save(cut, tmp_path)
    found = baseline.run("linear", tmp_path, "rmse", 0)
    given = cut.train, cut.target(cut.train), cut.schema, cut.folds, cut.test, 0
    scores = []
    for held_out in (cut.held_out, None):
        by_hand = fit_baseline("linear", *given, held_out=held_out).test_prediction
        away = by_hand - cut.target(cut.test)
        scores.append(float(np.sqrt(np.mean(away**2))))
    assert scores[0] != scores[1]
    assert found[1]["rmse"] == pytest.approx(scores[0])


def test_columns_that_look_like_people_are_pointed_at(frame: pd.DataFrame) -> None:
    frame = patients(frame)
    assert any("--together patient" in n for n in cutting.cut(Table(frame, "t"), CLASSES).notes)
    numbers = frame.assign(patient=frame["patient"].str[1:].astype(int))
    assert any("--together patient" in n for n in cutting.cut(Table(numbers, "t"), CLASSES).notes)
    asked = replace(CLASSES, together="patient")
    assert not any("too good" in n for n in cutting.cut(Table(frame, "t"), asked).notes)


def test_the_latest_rows_test_and_the_latest_of_the_others_validate(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    settings = replace(CLASSES, time="when", cv="auto")
    found = cutting.cut(Table(frame, "t"), settings)
    when = dict(zip(frame["a"] + frame["b2"], frame["when"], strict=True))
    train, test = ((part["a"] + part["b2"]).map(when) for part in (found.train, found.test))
    (fold,) = found.folds
    assert train.max() < test.min()
    assert train[fold.train].max() < train[fold.validation].min()
    assert len(test) == pytest.approx(0.25 * len(frame), abs=2)
    assert len(fold.validation) == pytest.approx(0.2 * len(train), abs=2)
    assert "when" not in found.schema.used
    assert "when" in cutting.cut(Table(frame, "t"), replace(settings, keep=("when",))).schema.used
    said = f"{len(test)} rows from {test.min():%Y-%m-%d} on test"
    assert any(said in note for note in found.notes)
    assert not any("--time" in note for note in found.notes)
    assert any("--time when" in note for note in cutting.cut(Table(frame, "t"), CLASSES).notes)
    later = frame.sort_values("when")[90:]
    later.to_csv(tmp_path / "later.csv", index=False)
    given = replace(settings, test=str(tmp_path / "later.csv"))
    found = cutting.cut(Table(frame.sort_values("when")[:90], "t"), given)
    assert len(found.test) == 30
    (fold,) = found.folds
    assert fold.validation.min() > fold.train.max()
    assert not any("on test" in note for note in found.notes)
    assert found.time == "when"
    rows.save(found, tmp_path)
    assert rows.load(tmp_path).time == "when"
    backwards = cutting.cut(Table(later, "t"), given)
    assert "30 test rows of 30 not later than all others." not in found.notes
    assert any("not later than all others" in note for note in backwards.notes)


def test_classes_that_only_later_rows_have(frame: pd.DataFrame) -> None:
    frame = frame.sort_values("when").reset_index(drop=True)
    asked = replace(CLASSES, time="when", cv="auto")
    some = frame.assign(y=frame["y"].where(frame.index < 112, "new"))
    (note,) = [n for n in cutting.cut(Table(some, "t"), asked).notes if "No row that is" in n]
    assert "of class 'new'" in note
    late = frame.assign(y=np.where(frame.index < 80, "old", "new"))
    with pytest.raises(BadInput, match=r"all rows that are earlier .* are of one class, 'old'"):
        cutting.cut(Table(late, "t"), asked)
    badly = frame.assign(when=frame["when"].dt.strftime("%Y-%m-%d"))
    badly.loc[7, "when"] = "soon"
    with pytest.raises(BadInput, match="--time when: row 7: 'soon'"):
        cutting.cut(Table(badly, "t"), asked)
