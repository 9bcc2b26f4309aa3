"""scikit-learn estimators: the whole search behind fit and predict.

    model = Classifier(budget="2m").fit(X, y)
    model.predict_proba(X);  model.recipe_;  model.result_["scores"]

X may be a frame with text, dates and missing cells; nothing needs encoding.
"""

from __future__ import annotations

import numbers
import shutil
import tempfile
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from shrinkage.data.frames import plain_frame
from shrinkage.data.source import Table, pandas_frame
from shrinkage.recipe import Recipe
from shrinkage.run import Run, fit
from shrinkage.scores import Function
from shrinkage.search.settings import test_part


class _Estimator(BaseEstimator):
    """What both estimators do; their parameters are among those of `shrinkage.fit`."""

    _task = ""

    def __init__(
        self,
        *,
        budget: str | float = "1m",
        metric: str | Function = "auto",
        test: float | str = 0.2,
        cv: str | int = "auto",
        time: str | None = None,
        recipe: str | Path | Recipe | None = None,
        space: str | Path | None = None,
        start_from: str | Path | None = None,
        trials: int | None = None,
        search: str = "auto",
        portfolio: bool = False,
        workers: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        single: bool = False,
        out: str | Path | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.budget = budget
        self.metric = metric
        self.test = test
        self.cv = cv
        self.time = time
        self.recipe = recipe
        self.space = space
        self.start_from = start_from
        self.trials = trials
        self.search = search
        self.portfolio = portfolio
        self.workers = workers
        self.device = device
        self.precision = precision
        self.single = single
        self.out = out
        self.random_state = random_state

    def _fit(self, X: Any, y: Any, groups: Any) -> None:
        frame = self._frame(X, reset=True)
        target = _beside(frame, "target", y)
        together = None if groups is None else _beside(frame, "groups", groups)
        # Parameters have the names that `shrinkage.fit` gives them; only the seed has another.
        asked = {name: getattr(self, name) for name in signature(_Estimator).parameters}
        asked |= {"task": self._task, "seed": self._seed(), "together": together}
        del asked["random_state"]
        folder = Path(self.out) if self.out is not None else Path(tempfile.mkdtemp()) / "run"
        asked["out"] = folder
        try:
            run = fit(Table(frame, "X"), target, first_look=False, keep_all=True, **asked)
            self._adopt(run)
        finally:
            if self.out is None:
                shutil.rmtree(folder.parent, ignore_errors=True)

    def _seed(self) -> int:
        """As scikit-learn has it: a number is the seed, None draws one from NumPy's own state."""
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31))

    def _adopt(self, run: Run) -> None:
        self.model_ = run.model
        self.recipe_ = run.recipe
        self.result_ = run.result

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """X as a frame with its own column names, or x0, x1, ... where it has none.

        scikit-learn checks its shape and, against those of the training frame, its names.
        """
        fewest, X = 2 if reset else 1, pandas_frame(X)
        mixed = isinstance(X, pd.DataFrame) and not all(map(_numeric, X.dtypes))
        if reset:  # the same cells are read the same way whatever else stands beside them
            self._by_cells = mixed
        if mixed or (self._by_cells and isinstance(X, pd.DataFrame)):
            validate_data(self, X, reset=reset, skip_check_array=True)
            X = X if X.columns.is_unique else X.set_axis(range(X.shape[1]), axis=1)
            frame = plain_frame(X.reset_index(drop=True), "X")
            if len(frame) < fewest:
                raise ValueError(f"expected at least {fewest} samples, got n_samples={len(frame)}")
        else:
            array = validate_data(
                self,
                X,
                reset=reset,
                dtype="numeric",
                ensure_all_finite="allow-nan",
                ensure_min_samples=fewest,
            )
            frame = pd.DataFrame(np.asarray(array, dtype=np.float64))
        names = [str(name).strip() for name in getattr(self, "feature_names_in_", ())]
        if not names or len(set(names)) < len(names):
            names = [f"x{i}" for i in range(frame.shape[1])]
        return frame.set_axis(names, axis=1)

    def _rows(self, X: Any) -> Table:
        return Table(self._frame(X, reset=False), "X")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class Classifier(ClassifierMixin, _Estimator):
    """Finds the recipe under which a network classifies rows it has not seen.

    budget: time for everything, "90s" or "5m". metric: accuracy, balanced_accuracy, log_loss,
    roc_auc, f1, or a function. test: share set aside for `result_`, never trained on. time: a
    column of X whose latest rows test, and validate; networks do not read it. cv, recipe, space,
    start_from, trials, search, portfolio, workers, device, precision, single: as in
    `shrinkage.fit`. out: keep the study in this folder, of one `fit`. random_state: the seed.

    classes_: labels. model_, recipe_, result_: the winner, its recipe, all scores.
    """

    _task = "classification"

    def fit(self, X: Any, y: Any, groups: Any = None) -> Classifier:
        """X: [n, d] array or frame; y: [n] labels. Returns self.

        groups: [n], equal for rows that belong together, such as those of one patient: no split
        parts them, and networks do not read it.
        """
        X, y = _paired(X, y, groups)
        check_classification_targets(y)
        if isinstance(test_part(str(self.test)), str):
            raise ValueError(
                f"test={str(self.test)!r}: expected a share; rows of a file are scored by score()"
            )
        self.classes_, codes = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present in y.")
        self._fit(X, codes, groups)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities [n, C], columns in the order of `classes_`."""
        check_is_fitted(self)
        found = self.model_.predict_proba(self._rows(X))
        # A class too rare to be trained on keeps its column.
        probability = np.zeros((len(found), len(self.classes_)))
        probability[:, np.asarray(self.model_.schema.classes, dtype=int)] = found
        return probability

    def predict(self, X: Any) -> np.ndarray:
        """The label of each row [n]: the most probable one, or what the tuned cutoff says."""
        check_is_fitted(self)
        codes = self.model_.predict(self._rows(X))
        return self.classes_[np.asarray(codes, dtype=int)]


class Regressor(RegressorMixin, _Estimator):
    """Finds the recipe under which a network predicts numbers for rows it has not seen.

    metric: rmse, mae, r2, pinball_0.9 or another quantile loss, or a function; everything else as
    in `Classifier`.
    """

    _task = "regression"

    def fit(self, X: Any, y: Any, groups: Any = None) -> Regressor:
        """X: [n, d] array or frame; y: [n] numbers; groups: as of `Classifier`. Returns self."""
        X, y = _paired(X, y, groups)
        self._fit(X, np.asarray(y, dtype=np.float64), groups)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions [n]."""
        check_is_fitted(self)
        return self.model_.predict(self._rows(X))


def _beside(frame: pd.DataFrame, name: str, column: Any) -> str:
    """Put a column beside those of the frame; returns its name, which none of them has."""
    while name in frame:
        name += "_"
    frame[name] = np.asarray(column)
    return name


def _paired(X: Any, y: Any, groups: Any) -> tuple[Any, np.ndarray]:
    """y as a finite column, as long as X and groups; errors in scikit-learn's own words."""
    from sklearn.utils import assert_all_finite, check_consistent_length

    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "fc":
        assert_all_finite(y)
    if hasattr(X, "__len__") or hasattr(X, "shape"):
        check_consistent_length(X, y, groups)
    return X, y


def _numeric(dtype: Any) -> bool:
    """Yes and no are no numbers: in a file they would be text."""
    return getattr(dtype, "kind", "O") in "iuf" and not isinstance(dtype, pd.CategoricalDtype)
