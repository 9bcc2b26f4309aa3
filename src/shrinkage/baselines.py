"""The two peers every result stands beside: a linear model and gradient boosting.

Both are scikit-learn's with its defaults, on the same rows and the same split as the
networks: what a person would get from ten lines of scikit-learn.

    linear              numbers: median for missing, standard scaling; categories: one-hot;
                        LogisticRegression(C=1), or RidgeCV over 13 penalties
    gradient_boosting   HistGradientBoosting with its own treatment of missing values and
                        categories, early stopping above 10,000 rows as by default

The penalty of ridge and the end of boosting hang on rows that scikit-learn holds out one by one.
Where rows are no strangers that is too kind, and `held_out` says which rows are held out instead.

Notation: n rows, C classes. Rows are positions in the frame, starting at 0.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from shrinkage.data.split import Fold, test_split
from shrinkage.data.tabular import days
from shrinkage.errors import BadInput

if TYPE_CHECKING:
    from shrinkage.data.schema import Schema

MOST_CATEGORIES = 255
"""Categories of one column that HistGradientBoosting can hold; the rarest share one."""

MOST_ONE_HOT = 100
"""Columns that one-hot encoding may make of one column; the rarest share one."""

LARGEST = 1e100
"""Numbers are clipped to this size: the square of a larger one may overflow."""

STOPPING, WATCHED = 10_000, 0.1
"""With more rows than the one boosting stops early by the other share of them: scikit-learn's
defaults."""

RIDGE_CUTS = 5
"""By so many cuts a penalty is chosen: each is a fit a penalty, where row by row one is enough."""

HeldOut = Callable[[np.ndarray], Sequence[Fold]]
"""Positions [m] of training rows -> folds of places 0..m-1 among them, none where none can be."""


@dataclass(frozen=True)
class BaselineResult:
    """What one peer predicts.

    validation_rows: [v] positions of the validation rows, fold after fold; with repeated
        folds a row stands there more than once.
    validation_prediction: [v, C] probabilities or [v] numbers, each predicted by a model that
        was fitted on the fold's training rows only.
    test_prediction: [t, C] or [t], by one model fitted on all rows; None without a test frame.
    seconds: wall time of everything: all fits and predictions.
    """

    validation_rows: np.ndarray
    validation_prediction: np.ndarray
    test_prediction: np.ndarray | None
    seconds: float


def linear(task: str, numbers: Sequence[str], categories: Sequence[str]) -> Pipeline:
    """The linear peer, unfitted.

    A missing category is a category of its own; one unseen in the training rows counts as
    rare, or as none where no category is rare.
    """
    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                list(numbers),
            ),
            (
                "categories",
                OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MOST_ONE_HOT),
                list(categories),
            ),
        ]
    )
    if task == "regression":
        return Pipeline([("columns", columns), ("model", RidgeCV(alphas=np.logspace(-3, 3, 13)))])
    return Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=1000))])


def gradient_boosting(
    task: str, numbers: Sequence[str], categories: Sequence[str], seed: int = 0
) -> Pipeline:
    """The gradient boosting peer, unfitted.

    Missing cells, and categories unseen in the training rows, go the way of missing values.
    """
    columns = ColumnTransformer(
        [
            (
                "categories",
                OrdinalEncoder(
                    handle_unknown="use_encoded_value",
                    unknown_value=np.nan,
                    encoded_missing_value=np.nan,
                    max_categories=MOST_CATEGORIES,
                ),
                list(categories),
            ),
            ("numbers", "passthrough", list(numbers)),
        ],
        sparse_threshold=0,
    )
    regression = task == "regression"
    model = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    native: Any = list(range(len(categories)))  # the encoded columns come first
    head = model(categorical_features=native, random_state=seed)
    return Pipeline([("columns", columns), ("model", head)])


def fit_baseline(
    name: str,
    frame_train: pd.DataFrame,
    y_train: np.ndarray,
    schema: Schema,
    folds: Sequence[Fold],
    frame_test: pd.DataFrame | None,
    seed: int,
    *,
    balanced: bool = False,
    quantile: float | None = None,
    held_out: HeldOut | None = None,
    until: float = math.inf,
) -> BaselineResult:
    """Fit a peer on each fold and on all training rows, and predict.

    name: "linear" or "gradient_boosting".
    frame_train: [n] rows with the columns that `schema` uses.
    y_train: [n], classes as 0..C-1 (integers), or numbers.
    folds: each with `.train` and `.validation`, positions of rows in `frame_train`.
    frame_test: [t] rows with the same columns, or None.
    seed: decides which rows gradient boosting stops early on.
    balanced: weigh classes by the inverse of their frequency, where the metric is balanced
        (networks are, where a recipe holds class_weight); no effect on regression.
    quantile: the level to predict, where it is not the mean: boosting is trained for it, the
        linear model moved by that quantile of its residuals; no effect on classification.
    held_out: how training rows are cut for ridge's penalty (by the first five cuts) and for
        boosting's early stopping (by the first that leaves every class to train on; without one
        it does not stop early). None: row by row, as scikit-learn does.
    until: no further fit is begun after this second of time.monotonic().

    Returns probabilities of full class width: a class without a training row has 0.
    Raises BadInput when there is no such peer, TimeoutError where `until` came first.
    """
    if name not in PEERS:
        raise BadInput(f"there is no baseline {name!r}: use one of {', '.join(PEERS)}")
    started = time.perf_counter()
    table = _table(frame_train, schema)
    width = len(schema.classes or ())
    categories = [column for column in table if table[column].dtype == object]
    numbers = [column for column in table if table[column].dtype != object]

    def predict(train: np.ndarray, other: pd.DataFrame) -> np.ndarray:
        if time.monotonic() > until:
            raise TimeoutError
        model = PEERS[name](schema.task, numbers, categories, seed)
        rows = _without_empty_columns(table.iloc[train])
        y, cuts = y_train[train], None if held_out is None else held_out(train)
        if not width:
            return _numbers(model, rows, y, cuts, other, quantile)
        return _probabilities(model, rows, y, cuts, other, width, balanced)

    validation = [
        predict(np.asarray(fold.train), table.iloc[np.asarray(fold.validation)]) for fold in folds
    ]
    rows = [np.asarray(fold.validation, dtype=np.int64) for fold in folds]
    test = None
    if frame_test is not None:
        test = predict(np.arange(len(table)), _table(frame_test, schema))
    return BaselineResult(
        validation_rows=np.concatenate(rows) if rows else np.zeros(0, np.int64),
        validation_prediction=np.concatenate(validation) if rows else _nothing(width),
        test_prediction=test,
        seconds=time.perf_counter() - started,
    )


PEERS: dict[str, Callable[[str, Sequence[str], Sequence[str], int], Pipeline]] = {
    "linear": lambda task, numbers, categories, seed: linear(task, numbers, categories),
    "gradient_boosting": gradient_boosting,
}


Cuts = Sequence[Fold] | None


def _numbers(
    model: Pipeline,
    rows: pd.DataFrame,
    y: np.ndarray,
    cuts: Cuts,
    other: pd.DataFrame,
    level: float | None,
) -> np.ndarray:
    """Predictions for `other`, [n]: of the mean, or of the quantile of that level."""
    boosted = isinstance(model.named_steps["model"], HistGradientBoostingRegressor)
    if level is not None and boosted:
        model.set_params(model__loss="quantile", model__quantile=level)
    found = np.asarray(_fitted(model, rows, y, cuts).predict(other), dtype=np.float64)
    if level is None or boosted:
        return found
    return found + np.quantile(y - model.predict(rows), level)


def _probabilities(
    model: Pipeline,
    rows: pd.DataFrame,
    y: np.ndarray,
    cuts: Cuts,
    other: pd.DataFrame,
    width: int,
    even: bool,
) -> np.ndarray:
    """Probabilities for `other`, [n, width]."""
    probability = np.zeros((len(other), width))
    present = np.unique(y)
    if len(present) == 1:  # scikit-learn refuses to fit one class
        probability[:, present] = 1.0
        return probability
    model.set_params(model__class_weight="balanced" if even else None)
    with warnings.catch_warnings():
        # After 1,000 steps a linear model short of its optimum is still a fair peer, and the
        # person it is shown to can do nothing about the warning.
        warnings.simplefilter("ignore", ConvergenceWarning)
        probability[:, present] = _fitted(model, rows, y, cuts).predict_proba(other)
    return probability


def _fitted(model: Pipeline, rows: pd.DataFrame, y: np.ndarray, cuts: Cuts) -> Pipeline:
    """The model, fitted; what it decides by held-out rows it decides by these cuts."""
    head = model.named_steps["model"]
    if isinstance(head, RidgeCV) and cuts:
        parts = [(cut.train, cut.validation) for cut in cuts[:RIDGE_CUTS]]
        head.set_params(cv=parts, scoring="neg_mean_squared_error")
    if isinstance(head, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        return _boosted(model, head, rows, y, cuts)
    return model.fit(rows, y)


def _boosted(model: Pipeline, head: Any, rows: pd.DataFrame, y: np.ndarray, cuts: Cuts) -> Pipeline:
    """The same for boosting, which watches rows that it does not train on where it has many."""
    task = "classification" if isinstance(head, HistGradientBoostingClassifier) else "regression"
    cut = _watched(task, y, cuts, head.random_state) if len(y) > STOPPING else None
    head.set_params(early_stopping=cut is not None)
    if cut is None:
        return model.fit(rows, y)
    x = model.named_steps["columns"].fit_transform(rows)
    x[:, np.isnan(x[cut.train]).all(axis=0)] = 0  # as of `_without_empty_columns`
    watched: dict[str, Any] = {"X_val": x[cut.validation], "y_val": y[cut.validation]}
    if task == "classification" and head.class_weight is not None:
        known, weight = np.unique(y[cut.train], return_counts=True)
        watched["sample_weight_val"] = (1 / weight)[np.searchsorted(known, y[cut.validation])]
    head.fit(x[cut.train], y[cut.train], **watched)
    return model


def _watched(task: str, y: np.ndarray, cuts: Cuts, seed: int) -> Fold | None:
    """The first cut that leaves every class to train on; None where no cut does."""
    if cuts is None:
        cuts = [Fold(*test_split(y, task, WATCHED, seed))]
    if task == "regression":
        return next(iter(cuts), None)
    classes = len(np.unique(y))
    return next((cut for cut in cuts if len(np.unique(y[cut.train])) == classes), None)


def _without_empty_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns without a value in the training rows made constant, as neither peer takes them."""
    empty = rows.columns[rows.isna().all()]
    return rows.fillna({name: "" if rows[name].dtype == object else 0.0 for name in empty})


def _nothing(width: int) -> np.ndarray:
    return np.zeros((0, width)) if width else np.zeros(0)


def _table(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The used columns as both peers take them: floats, and categories as text or NaN.

    A date becomes days since 1970, month and weekday. Columns are named by their place, as a
    date's parts might otherwise take another column's name. Nothing looks at other rows.
    """
    numbers = [pd.Series(pd.to_numeric(frame[name], errors="coerce")) for name in schema.numbers]
    for name in schema.dates:
        date = pd.to_datetime(frame[name], errors="coerce")
        numbers += [pd.Series(days(date)), date.dt.month, date.dt.day_of_week]
    columns = [_finite(values.to_numpy(np.float64, na_value=np.nan)) for values in numbers]
    for name in schema.categories:
        codes, distinct = pd.factorize(frame[name])  # a missing cell has code -1: the last text
        columns.append(np.array([*map(_text, distinct), np.nan], dtype=object)[codes])
    index = pd.RangeIndex(len(frame))
    return pd.DataFrame({f"x{i}": pd.Series(c, index, c.dtype) for i, c in enumerate(columns)})


def _finite(values: np.ndarray) -> np.ndarray:
    """Infinite values as missing, the rest within [-LARGEST, LARGEST]."""
    return np.clip(np.where(np.isinf(values), np.nan, values), -LARGEST, LARGEST)


def _text(value: Any) -> str:
    """A category as text, equal for 1, 1.0 and "1"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
