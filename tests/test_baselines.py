"""The peers: fair on scikit-learn's own tables, and unshaken by what tables contain."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shrinkage import baselines
from shrinkage.baselines import PEERS, BaselineResult, fit_baseline
from shrinkage.errors import BadInput


@dataclass(frozen=True)
class Schema:
    """What the peers read of a schema."""

    task: str
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fold:
    train: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True)
class Bundled:
    """A bundled table and what either peer reaches on it: accuracy, or R²."""

    load: str
    task: str
    at_least: float

    def __str__(self) -> str:
        return self.load


BUNDLED = [
    Bundled("load_breast_cancer", "classification", 0.93),
    Bundled("load_wine", "classification", 0.88),
    Bundled("load_iris", "classification", 0.88),
    Bundled("load_diabetes", "regression", 0.15),  # boosting's defaults overfit 331 rows
]
NAMES = list(PEERS)


def _folds(y: np.ndarray, task: str, k: int = 3) -> list[Fold]:
    kind = StratifiedKFold if task == "classification" else KFold
    return [Fold(a, b) for a, b in kind(k, shuffle=True, random_state=0).split(y, y)]


def _quality(prediction: np.ndarray, y: np.ndarray, task: str) -> float:
    if task == "classification":
        return float((prediction.argmax(1) == y).mean())
    return float(1 - ((prediction - y) ** 2).mean() / y.var())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", BUNDLED, ids=str)
def test_a_peer_learns_a_bundled_table(name: str, table: Bundled) -> None:
    bunch = getattr(datasets, table.load)(as_frame=True)
    frame, y = bunch.data, bunch.target.to_numpy()
    classes = tuple(map(str, np.unique(y))) if table.task == "classification" else ()
    schema = Schema(table.task, numbers=tuple(frame.columns), classes=classes)
    train, test = train_test_split(np.arange(len(y)), random_state=0)
    y_train = y[train]
    result = fit_baseline(
        name, frame.iloc[train], y_train, schema, _folds(y_train, table.task), frame.iloc[test], 0
    )
    rows = result.validation_rows
    assert sorted(rows) == list(range(len(train)))  # every row out of fold once
    assert _quality(result.validation_prediction, y_train[rows], table.task) > table.at_least
    assert result.test_prediction is not None
    assert _quality(result.test_prediction, y[test], table.task) > table.at_least
    assert result.seconds > 0
    again = fit_baseline(name, frame.iloc[train], y_train, schema, [], frame.iloc[test], 0)
    np.testing.assert_array_equal(again.test_prediction, result.test_prediction)
    assert len(again.validation_prediction) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.1, 0.9])
def test_a_peer_predicts_the_quantile_it_is_asked_for(name: str, level: float) -> None:
    """The share of targets below it is its level, and not that of the mean."""
    random = np.random.default_rng(0)
    x = random.uniform(size=3000)
    y = 2 * x + random.exponential(size=3000)
    frame, schema = pd.DataFrame({"x": x}), Schema("regression", numbers=("x",))
    given = frame[:2000], y[:2000], schema, [], frame[2000:], 0
    found = fit_baseline(name, *given, quantile=level).test_prediction
    assert found is not None
    assert np.mean(y[2000:] < found) == pytest.approx(level, abs=0.06)


PLAIN = {
    ("linear", "classification"): make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    ("linear", "regression"): make_pipeline(
        StandardScaler(), RidgeCV(alphas=np.logspace(-3, 3, 13))
    ),
    ("gradient_boosting", "classification"): HistGradientBoostingClassifier(random_state=0),
    ("gradient_boosting", "regression"): HistGradientBoostingRegressor(random_state=0),
}


@pytest.mark.parametrize("table", BUNDLED, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_on_numbers_a_peer_is_what_ten_lines_of_scikit_learn_give(
    name: str, table: Bundled
) -> None:
    bunch = getattr(datasets, table.load)(as_frame=True)
    frame, y = bunch.data, bunch.target.to_numpy()
    classification = table.task == "classification"
    classes = tuple(map(str, np.unique(y))) if classification else ()
    schema = Schema(table.task, numbers=tuple(frame.columns), classes=classes)
    plain = clone(PLAIN[name, table.task]).fit(frame.to_numpy(), y)
    predict = plain.predict_proba if classification else plain.predict
    result = fit_baseline(name, frame, y, schema, [], frame, 0)
    np.testing.assert_allclose(result.test_prediction, predict(frame.to_numpy()))


def _messy(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A table with all that a table may contain, and a score that it explains."""
    draw = np.random.default_rng(seed)
    kind = draw.choice(["a", "b", "c"], rows)
    size = draw.normal(size=rows)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 700, rows), unit="D")
    frame = pd.DataFrame(
        {
            "size": np.where(draw.random(rows) < 0.1, draw.choice([np.nan, np.inf], rows), size),
            "empty": np.nan,
            "huge": np.where(draw.random(rows) < 0.05, np.inf, 1e300 * size),
            "blank": pd.Series([None] * rows, dtype=object),
            "kind": pd.Series(kind).where(draw.random(rows) > 0.1),
            "code": [f"k{i}" for i in draw.integers(0, 900, rows)],  # over 255 categories
            "flag": draw.random(rows) < 0.5,
            "day": pd.Series(day).where(draw.random(rows) > 0.1),
            "day month": 1.0,  # the name one might give to a part of a date
        }
    )
    return frame, 2 * (kind == "a") + size


MESSY = {
    "numbers": ("size", "empty", "huge", "day month"),
    "categories": ("kind", "code", "flag", "blank"),
    "dates": ("day",),
}


def _fit_messy(name: str, task: str, **keywords: bool) -> tuple[BaselineResult, np.ndarray]:
    frame, score = _messy(1500, seed=0)
    y = np.digitize(score, [0.0, 1.5]) if task == "classification" else score
    classes = ("low", "mid", "high") if task == "classification" else ()
    schema = Schema(task, classes=classes, **MESSY)
    test, _ = _messy(50, seed=1)
    test.loc[:9, "kind"] = "never seen"
    result = fit_baseline(name, frame, y, schema, _folds(y, task), test, 0, **keywords)
    return result, y


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", NAMES)
def test_a_messy_table_is_learnt(name: str, task: str) -> None:
    result, y = _fit_messy(name, task)
    prediction = result.validation_prediction
    assert np.isfinite(prediction).all()
    assert result.test_prediction is not None
    assert np.isfinite(result.test_prediction).all()
    assert _quality(prediction, y[result.validation_rows], task) > 0.85
    if task == "classification":
        np.testing.assert_allclose(prediction.sum(1), 1)


@pytest.mark.parametrize("name", NAMES)
def test_categories_alone_and_their_spelling(name: str) -> None:
    """1 in the training rows, 1.0 and "1" at prediction: one category."""
    draw = np.random.default_rng(0)
    code = draw.integers(0, 3, 300)
    schema = Schema("classification", categories=("code",), classes=("no", "yes"))
    y = (code == 1).astype(np.int64)
    tests = [pd.DataFrame({"code": [0, 1, 2]}).astype({"code": kind}) for kind in (int, float, str)]
    predicted = [
        fit_baseline(name, pd.DataFrame({"code": code}), y, schema, [], test, 0).test_prediction
        for test in tests
    ]
    assert predicted[0] is not None
    assert predicted[0].argmax(1).tolist() == [0, 1, 0]
    for other in predicted[1:]:
        np.testing.assert_array_equal(other, predicted[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_training_rows_keeps_its_column(name: str) -> None:
    frame = pd.DataFrame({"x": np.arange(90.0)})
    y = np.repeat([0, 2, 3], 30)  # class 1 of 0..3 is nowhere
    schema = Schema("classification", numbers=("x",), classes=("a", "b", "c", "d"))
    folds = [
        Fold(np.arange(60), np.arange(60, 90)),  # trains on classes 0 and 2
        Fold(np.arange(60, 90), np.arange(5)),  # on class 3 alone
    ]
    result = fit_baseline(name, frame, y, schema, folds, frame, 0)
    first, second = result.validation_prediction[:30], result.validation_prediction[30:]
    assert (first[:, [1, 3]] == 0).all()
    assert (first.argmax(1) == 2).all()
    assert (second == [0, 0, 0, 1]).all()
    assert result.test_prediction is not None
    assert _quality(result.test_prediction, y, "classification") > 0.9
    assert (result.test_prediction[:, 1] == 0).all()


def test_a_class_of_one_row_does_not_stop_early_stopping_tables() -> None:
    """Above 10,000 rows gradient boosting sets a stratified tenth aside."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=10_500)
    y = (x > 0).astype(np.int64)
    y[7] = 2
    schema = Schema("classification", numbers=("x",), classes=("a", "b", "c"))
    frame = pd.DataFrame({"x": x})
    result = fit_baseline("gradient_boosting", frame, y, schema, [], frame[:100], 0)
    assert result.test_prediction is not None
    assert _quality(result.test_prediction, y[:100], "classification") > 0.95


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_column_of_one_value_does_not_stop_boosting(task: str) -> None:
    """Where its row is among the watched ones, those to train on have none of it."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=10_500)
    y = (x > 0).astype(np.int64) if task == "classification" else x
    classes = ("no", "yes") if task == "classification" else ()
    rare = np.full(10_500, np.nan)
    rare[baselines.test_split(y, task, 0.1, 0)[1][0]] = 1.0
    frame = pd.DataFrame({"x": x, "rare": rare})
    schema = Schema(task, numbers=("x", "rare"), classes=classes)
    result = fit_baseline("gradient_boosting", frame, y, schema, [], frame[:100], 0)
    assert result.test_prediction is not None
    assert _quality(result.test_prediction, y[:100], task) > 0.95


def _of_patients(count: int, rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Eight features that say who a patient is, and a target that is the patient's own."""
    draw = np.random.default_rng(seed)
    patient = np.repeat(np.arange(count), rows)
    frame = pd.DataFrame(draw.normal(size=(count, 8))[patient]).add_prefix("x")
    frame += 0.02 * draw.normal(size=frame.shape)
    return frame, draw.normal(size=count)[patient] + 0.1 * draw.normal(size=len(frame)), patient


def _by_patient(patient: np.ndarray) -> Callable[[np.ndarray], list[Fold]]:
    def cuts(at: np.ndarray) -> list[Fold]:
        parts = GroupKFold(5, shuffle=True, random_state=3).split(at, groups=patient[at])
        return [Fold(train, validation) for train, validation in parts]

    return cuts


def test_ridge_chooses_its_penalty_by_the_rows_held_out() -> None:
    """As scikit-learn's own RidgeCV with these cuts; row by row it takes the least penalties."""
    frame, y, patient = _of_patients(24, 40, seed=0)
    schema, cuts = Schema("regression", numbers=tuple(frame.columns)), _by_patient(patient)
    y = y + frame["x0"].to_numpy()  # else every score asks for the largest penalty
    given = "linear", frame, y, schema, [], frame, 0
    found = fit_baseline(*given, held_out=cuts).test_prediction
    parts = [(cut.train, cut.validation) for cut in cuts(np.arange(len(y)))]
    own = RidgeCV(np.logspace(-3, 3, 13), cv=parts, scoring="neg_mean_squared_error")
    by_hand = make_pipeline(StandardScaler(), own).fit(frame.to_numpy(), y)
    np.testing.assert_allclose(found, by_hand.predict(frame.to_numpy()))
    alone = fit_baseline(*given).test_prediction
    assert np.var(found) < 0.9 * np.var(alone)  # a larger penalty


@pytest.mark.parametrize("balanced", [None, False, True])
def test_boosting_stops_by_the_rows_held_out(balanced: bool | None) -> None:
    """None: a regression."""
    frame, y, patient = _of_patients(700, 15, seed=1)
    schema = Schema("regression", numbers=tuple(frame.columns))
    if balanced is not None:
        y = (y > 1).astype(np.int64)
        schema = replace(schema, task="classification", classes=("no", "yes"))
    cuts = _by_patient(patient)
    given = "gradient_boosting", frame, y, schema, [], frame[:500], 0
    found = fit_baseline(*given, held_out=cuts, balanced=bool(balanced)).test_prediction
    cut, x = cuts(np.arange(len(y)))[0], frame.to_numpy()
    watched = {"X_val": x[cut.validation], "y_val": y[cut.validation]}
    model = clone(PLAIN["gradient_boosting", schema.task]).set_params(early_stopping=True)
    if balanced:
        model.set_params(class_weight="balanced")
        shares = np.bincount(y[cut.train])
        watched["sample_weight_val"] = shares.sum() / (2 * shares[watched["y_val"]])
    model.fit(x[cut.train], y[cut.train], **watched)
    predict = model.predict if balanced is None else model.predict_proba
    np.testing.assert_allclose(found, predict(x[:500]))
    assert model.n_iter_ < 30
    assert not np.allclose(fit_baseline(*given, balanced=bool(balanced)).test_prediction, found)


def test_boosting_does_not_stop_where_every_cut_loses_a_class() -> None:
    """The one that it would stop by has all rows of it, or there is none."""
    frame, y, _ = _of_patients(700, 15, seed=1)
    classes = np.zeros(len(y), np.int64)
    classes[:2000] = 1
    schema = Schema("classification", numbers=tuple(frame.columns), classes=("no", "yes"))
    given = "gradient_boosting", frame, classes, schema, [], frame[:500], 0
    cut = Fold(np.arange(2000, len(y)), np.arange(2000))
    whole = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    expected = whole.fit(frame.to_numpy(), classes).predict_proba(frame.to_numpy()[:500])
    for cuts in ([cut], []):
        found = fit_baseline(*given, held_out=lambda _, cuts=cuts: cuts).test_prediction
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_balanced_weights_raise_the_rare_class(name: str) -> None:
    draw = np.random.default_rng(0)
    y = (draw.random(2000) < 0.1).astype(np.int64)
    frame = pd.DataFrame({"x": y + draw.normal(size=2000)})
    schema = Schema("classification", numbers=("x",), classes=("no", "yes"))

    def found(balanced: bool) -> int:
        result = fit_baseline(name, frame, y, schema, [], frame, 0, balanced=balanced)
        assert result.test_prediction is not None
        return int(result.test_prediction.argmax(1)[y == 1].sum())

    assert found(True) > 2 * found(False)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_no_warning_reaches_a_person(task: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in NAMES:
            _fit_messy(name, task)


def test_an_unknown_peer_is_refused() -> None:
    with pytest.raises(BadInput, match="linear, gradient_boosting"):
        fit_baseline("forest", pd.DataFrame(), np.zeros(0), Schema("regression"), [], None, 0)
