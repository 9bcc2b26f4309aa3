"""The estimators are scikit-learn's in every respect that its own checks know of."""

from __future__ import annotations

import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from conftest import mixed
from shrinkage import Classifier, Recipe, Regressor, UnseenWarning
from shrinkage.data.source import read
from shrinkage.model import Model
from shrinkage.recipe import load
from shrinkage.search.folder import Folder
from shrinkage.search.shared import opened

RECIPE = load("default").set(
    {
        "data.minibatch.epochs": 30,
        "data.minibatch.batch_size": 32,
        "network.mlp.width": 32,
        "network.mlp.depth": 1,
        "update.adam.lr": 0.01,
    }
)
ASKED = {"budget": 120, "trials": 2, "workers": 0, "cv": "holdout", "recipe": RECIPE}


def classifier(**more: object) -> Classifier:
    return Classifier(**{**ASKED, **more})  # pyright: ignore[reportArgumentType]


def regressor(**more: object) -> Regressor:
    return Regressor(**{**ASKED, **more})  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("estimator", [classifier(), regressor()], ids=["classes", "numbers"])
def test_every_check_of_scikit_learn_passes(estimator) -> None:
    found = estimator_checks.check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in found if r["status"] == "failed"}
    assert not failed
    assert sum(r["status"] == "passed" for r in found) > 40


TELLING = [
    ("check_estimators_dtypes", regressor()),
    ("check_fit_idempotent", classifier()),
    ("check_estimators_pickle", classifier()),
    ("check_classifiers_train", classifier()),
    ("check_n_features_in_after_fitting", regressor()),
    ("check_dict_unchanged", classifier()),
    ("check_supervised_y_no_nan", regressor()),
    ("check_dataframe_column_names_consistency", regressor()),
    ("check_parameters_default_constructible", classifier()),
    ("check_methods_subset_invariance", classifier()),
]


@pytest.mark.parametrize(("name", "estimator"), TELLING, ids=[name for name, _ in TELLING])
def test_telling_checks_of_scikit_learn(name: str, estimator) -> None:
    check = getattr(estimator_checks, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(type(estimator).__name__, clone(estimator))


WINE, DIABETES = load_wine(return_X_y=True), load_diabetes(return_X_y=True)


def test_it_learns_within_a_pipeline_and_cross_validation() -> None:
    pipeline = make_pipeline(StandardScaler(), classifier())
    assert cross_val_score(pipeline, *WINE, cv=3).mean() > 0.93
    assert cross_val_score(regressor(), *DIABETES, cv=2).mean() > 0.3


LABELS = [
    ("text", ["ruby", "amber", "white"]),
    ("bools", [False, True, True]),
    ("numbers out of order", [30, -10, 20]),
    ("objects", np.array(["a", "b", "c"], dtype=object)),
    ("categories", pd.Categorical(["low", "mid", "high"])),
]


@pytest.mark.parametrize(("name", "labels"), LABELS, ids=[name for name, _ in LABELS])
def test_labels_come_back_as_they_were(name: str, labels) -> None:
    X, codes = WINE
    y = np.asarray(labels)[codes]
    model = classifier().fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    found = model.predict(X)
    assert found.dtype == model.classes_.dtype
    assert np.mean(found == y) > 0.9
    np.testing.assert_allclose(model.predict_proba(X).sum(1), 1, atol=1e-9)


def test_frames_with_text_dates_and_holes() -> None:
    frame = mixed(200)
    X, y = frame.drop(columns="y"), frame["y"]
    X["kind"] = pd.Categorical(["x", "y"] * 100)
    X["flag"] = [True, False] * 100
    model = classifier().fit(X, y)
    assert list(model.feature_names_in_) == list(X)
    assert np.mean(model.predict(X) == y) > 0.75
    other = mixed(20, seed=9).drop(columns="y").assign(kind="z", flag=True)
    other.loc[0, "colour"] = "ochre"
    with pytest.warns(UnseenWarning):
        assert model.predict(other).shape == (20,)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(other.rename(columns={"colour": "color"}))


def test_frames_of_other_libraries_keep_names_and_dates() -> None:
    frame = mixed(200)
    frame["when"] = frame["when"].astype("datetime64[s]")
    X, y = frame.drop(columns="y"), frame["y"]
    arrow = pa.Table.from_pandas(X.assign(when=X["when"].dt.date), preserve_index=False)
    model = classifier().fit(arrow, y)
    assert list(model.feature_names_in_) == list(X)
    assert {c.name: c.kind for c in model.model_.schema.columns}["when"] == "date"
    backed = X.convert_dtypes(dtype_backend="pyarrow").astype({"when": "date32[pyarrow]"})
    expected = model.predict_proba(X)
    for other in (arrow, backed):
        np.testing.assert_array_equal(model.predict_proba(other), expected)
    with pytest.raises(ValueError, match=r"'a'.*holds a list"):
        model.predict(X.assign(a=[[1]] * len(X)))


def test_a_saved_study_knows_the_columns_by_name_and_is_a_start_for_another(
    tmp_path: Path,
) -> None:
    """From a study of the command line's kind to an estimator, and back."""
    frame = mixed(200).rename(columns={"a": "target"})  # a feature of that name is no obstacle
    X, y = frame.drop(columns="y"), frame["y"]
    first = classifier(out=tmp_path / "first").fit(X, y)
    saved = Model.load(tmp_path / "first")
    assert set(saved.schema.used) == set(X)
    np.testing.assert_array_equal(saved.predict_proba(X), first.model_.predict_proba(X))
    numbers = X["target"] * 2 + (y == y.iloc[0])
    more = {"recipe": None, "trials": 3, "start_from": tmp_path / "first"}
    model = regressor(**more).fit(X.drop(columns="target").assign(target=X["target"]), numbers)
    assert model.result_["start_from"] == str(tmp_path / "first")
    assert model.recipe_.get("architecture") == first.recipe_.get("architecture")
    assert model.score(X[list(model.feature_names_in_)], numbers) > 0.8
    with pytest.raises(ValueError, match="'colour'"):
        regressor(**more).fit(X.drop(columns="colour"), numbers)


def test_a_row_is_read_as_the_training_rows_were(tiny: Path) -> None:
    """Beside text a bool is a category; a row to predict may happen to have no text."""
    random = np.random.default_rng(0)
    flag = random.random(80) < 0.5
    frame = pd.DataFrame({"flag": flag, "colour": random.choice(["red", "blue"], 80)})
    y = np.where(flag, "yes", "no")
    model = Classifier(budget="30s", recipe=tiny, trials=2, workers=0, cv=2).fit(frame, y)
    row = pd.DataFrame({"flag": [True, False], "colour": [np.nan, np.nan]})
    assert row["colour"].dtype == float
    beside = pd.DataFrame({"flag": [True, False, True], "colour": [np.nan, np.nan, "red"]})
    with pytest.warns(UnseenWarning, match="'colour': 2 missing cells"):
        alone, together = model.predict_proba(row), model.predict_proba(beside)
    np.testing.assert_array_equal(alone, together[:2])


def test_a_folder_reads_the_file_of_the_frame_that_it_was_fitted_on(
    tiny: Path, tmp_path: Path
) -> None:
    """Bools are written as True and False, and a name of a header has no blanks around it."""
    random = np.random.default_rng(0)
    flag, number = random.random(80) < 0.5, random.random(80)
    frame = pd.DataFrame({"flag": flag, " x": number})
    asked = {"recipe": tiny, "trials": 2, "workers": 0, "cv": 2, "out": tmp_path / "run"}
    model = Classifier(budget="30s", **asked).fit(frame, np.where(flag, "yes", "no"))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    table, notes = Model.load(tmp_path / "run").table(read(tmp_path / "rows.csv"), proba=True)
    assert not notes
    np.testing.assert_array_equal(table, model.predict_proba(frame))


def test_a_rare_class_keeps_its_column() -> None:
    X, y = WINE[0], WINE[1].copy()
    y[0] = 3  # one row of it
    model = classifier().fit(X, y)
    assert model.predict_proba(X).shape == (len(X), 4)


def test_a_fitted_estimator_is_saved_and_cloned(tmp_path: Path) -> None:
    model = classifier().fit(*WINE)
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(again.predict_proba(WINE[0]), model.predict_proba(WINE[0]))
    assert again.result_ == model.result_
    fresh = clone(model)
    assert fresh.get_params()["recipe"] == RECIPE
    with pytest.raises(NotFittedError):
        fresh.predict(WINE[0])


def test_what_was_found_is_told(tmp_path: Path) -> None:
    model = regressor(out=tmp_path / "run").fit(*DIABETES)
    assert isinstance(model.recipe_, Recipe)
    assert model.result_["scores"]["winner"]["test"]["rmse"] < 75
    assert (tmp_path / "run" / "model" / "manifest.json").is_file()


def test_the_folder_of_a_fit_without_out_is_gone(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    classifier().fit(*WINE)
    assert list(tmp_path.iterdir()) == []


def test_every_parameter_reaches_the_study_of_a_subclass_too(tmp_path: Path) -> None:
    class Quick(Regressor):
        def __init__(self, *, trials: int = 2) -> None:
            more = {"cv": "4x1", "metric": "mae", "out": tmp_path / "run", "single": True}
            super().__init__(**{**ASKED, **more, "trials": trials, "random_state": 11})  # pyright: ignore

    Quick().fit(*DIABETES)
    with opened(Folder(tmp_path / "run")) as known:
        settings = known.study().settings
    found = {name: settings[name] for name in ("cv", "metric", "seed", "trials", "ensemble")}
    assert found == {"cv": "4x1", "metric": "mae", "seed": 11, "trials": 2, "ensemble": False}
    assert (settings["budget_s"], settings["workers"], settings["keep_all"]) == (120, 0, True)


def test_seeds_are_scikit_learns() -> None:
    assert classifier(random_state=np.int64(7))._seed() == 7
    drawn = [classifier(random_state=np.random.RandomState(3))._seed() for _ in range(2)]
    assert drawn[0] == drawn[1] != classifier(random_state=np.random.RandomState(4))._seed()
    np.random.seed(5)  # noqa: NPY002  what None means to scikit-learn
    first = classifier(random_state=None)._seed()
    assert classifier(random_state=None)._seed() != first


ERRORS = [
    (classifier, {"budget": "soon"}, "budget"),
    (classifier, {"metric": "rmse"}, "rmse"),
    (regressor, {"metric": "accuracy"}, "accuracy"),
    (classifier, {"cv": "many"}, "cv"),
    (classifier, {"recipe": "defualt"}, "defualt"),
    (classifier, {"test": "rows.csv"}, "expected a share"),
]


IDS = [str(more) for _, more, _ in ERRORS]


@pytest.mark.parametrize(("kind", "more", "words"), ERRORS, ids=IDS)
def test_bad_parameters_are_named_when_fitting(kind, more: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**more).fit(*(WINE if kind is classifier else DIABETES))


def test_groups_keep_what_is_known_by_heart_out_of_the_score() -> None:
    """Labels are the patients' own, by chance; features say who it is, and nothing else."""
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(60), 5)
    X = random.normal(size=(60, 6))[who] + 0.1 * random.normal(size=(300, 6))
    y = random.permutation(np.repeat([0, 1], 30))[who]
    heart = classifier().fit(X, y).result_["scores"]["default"]["test"]["accuracy"]
    model = classifier().fit(X, y, groups=[f"patient {i}" for i in who])
    honest = model.result_["scores"]["default"]["test"]["accuracy"]
    assert heart > 0.95
    assert honest == pytest.approx(0.5, abs=0.3)
    assert model.n_features_in_ == 6
    assert model.predict(X[:3]).shape == (3,)
    low, high = model.result_["optimism"]["interval"]
    assert high - low > 4 * 0.98 / np.sqrt(240) / 2  # wider than of as many strangers
    with pytest.raises(ValueError, match="inconsistent"):
        classifier().fit(X, y, groups=who[:-1])
    frame = pd.DataFrame(X).assign(groups=0.0).rename(columns=str)
    assert classifier().fit(frame, y, groups=who).n_features_in_ == 7


def test_the_latest_rows_judge_where_a_column_says_when() -> None:
    """Labels are known from earlier rows up to the day when they turn around."""
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(300, 3)), columns=list("abc"))
    X["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.permutation(300), unit="D")
    y = (X["a"] > 0) ^ (X["when"] >= pd.Timestamp("2024-08-27"))  # the latest fifth
    model = classifier(time="when").fit(X, y)
    assert model.result_["scores"]["default"]["test"]["accuracy"] < 0.2
    assert model.result_["scores"]["default"]["validation"]["accuracy"] > 0.9
    assert model.result_["time"] == {"column": "when", "test": True}
    assert "when" not in model.model_.schema.used
    assert np.mean(model.predict(X) == (X["a"] > 0)) > 0.9
    with pytest.raises(ValueError, match="'then'"):
        classifier(time="then").fit(X, y)
    with pytest.raises(ValueError, match="name one"):
        classifier(time="when").fit(X, y, groups=X["when"].dt.month)
