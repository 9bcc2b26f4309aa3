"""Splits: a test part the search never sees, and folds inside the rest.

Pure functions of their arguments: the same target, task and seed give the same rows
everywhere and always. Positions count from 0 in the given target, in scikit-learn's order.

| symbol | meaning |
|---|---|
| n | rows of the given target |
| K | folds of one repeat, 1 for a holdout |
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from shrinkage.errors import BadInput

HOLDOUT_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of the rows a member trains on and of those it is validated on."""

    train: np.ndarray
    validation: np.ndarray


def test_split(
    y: Any,
    task: str,
    share: float = 0.2,  # noqa: PT028
    seed: int = 0,  # noqa: PT028
) -> tuple[np.ndarray, np.ndarray]:
    """Set a test part aside.

    y: [n] target.   share: in (0, 1), of the rows for the test.
    Returns the positions of the remaining rows and of the test rows: scikit-learn's
    `train_test_split(test_size=share, random_state=seed, stratify=y)` (no `stratify` for
    regression). Where that is impossible, because a class has one row or there are more
    classes than test rows, the split is not stratified.
    Raises BadInput when the share leaves a part empty.
    """
    labels = np.asarray(y)
    n = len(labels)
    _check_seed(seed)
    if not 0 < share < 1 or n < 2 or n - int(np.ceil(n * share)) < 1:
        raise BadInput(
            f"a test share of {share} of {n} rows leaves nothing to train on or to test on.\n"
            "Give a share between 0 and 1, such as 0.2."
        )
    rows = np.arange(n)
    if task == "classification":
        codes = pd.factorize(labels)[0]
        n_test = int(np.ceil(n * share))
        n_classes = codes.max() + 1
        if np.bincount(codes).min() >= 2 and min(n_test, n - n_test) >= n_classes:
            # labels, not codes: scikit-learn sorts classes, and its order is the promise
            return _pair(
                train_test_split(rows, test_size=share, random_state=seed, stratify=labels)
            )
    return _pair(train_test_split(rows, test_size=share, random_state=seed))


# pytest collects imported names that begin with `test_`
test_split.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def choose(n_rows: int) -> Literal["holdout"] | int:
    """Folds by size: 5 up to 2,500 rows, 3 up to 12,000, above that a holdout of 20 %.

    No more than there are rows, and 2 at least.

    Small tables need every row for a score that is not noise; large ones need the time.
    """
    if n_rows <= 2_500:
        return max(2, min(5, n_rows))
    return 3 if n_rows <= 12_000 else "holdout"


def inside(
    y: Any, task: str, cv: str | int = "auto", seed: int = 0, repeats: int = 1
) -> tuple[Fold, ...]:
    """Folds inside the rows that are left for the search.

    y: [n] target.   cv: "auto" (`choose`), "holdout", or K >= 2 folds.
    repeats: how often the whole is drawn anew; repeat r depends on (seed, r) only, and
    repeat 0 is scikit-learn's own split with random_state=seed.
    Returns K * repeats folds, repeat by repeat. Stratified for classification. With folds,
    every row is validated exactly once a repeat; in a holdout, classes of fewer than two
    rows stay in training.
    Raises BadInput when cv is something else or larger than n.
    """
    labels = np.asarray(y)
    _check_seed(seed)
    if repeats < 1:
        raise BadInput(f"repeats: expected 1 or more, got {repeats}.")
    if cv == "auto":
        cv = choose(len(labels))
    if isinstance(cv, str) and cv.isdigit():
        cv = int(cv)
    if cv != "holdout" and (not isinstance(cv, int) or not 2 <= cv <= len(labels)):
        raise BadInput(
            f"cv: expected auto, holdout or a number of folds from 2 to the {len(labels)} rows, "
            f"got {cv!r}."
        )
    codes = pd.factorize(labels, sort=True)[0] if task == "classification" else None
    folds: list[Fold] = []
    for repeat in range(repeats):
        state = repeat_seed(seed, repeat)
        if isinstance(cv, int):
            folds += _folds(len(labels), codes, cv, state)
        else:
            folds.append(_holdout(len(labels), codes, state))
    return tuple(folds)


def repeat_seed(seed: int, repeat: int) -> int:
    """The seed of one repeat: `seed` itself for repeat 0, else hashed from (seed, repeat)."""
    if repeat == 0:
        return seed
    return int(np.random.SeedSequence((seed, repeat)).generate_state(1)[0])


def _folds(n: int, codes: np.ndarray | None, k: int, seed: int) -> list[Fold]:
    if codes is not None and np.bincount(codes).max() >= k:
        cutter = StratifiedKFold(k, shuffle=True, random_state=seed)
    else:  # regression, or so many classes that none reaches every fold
        cutter = KFold(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # a class with fewer rows than folds is absent from some folds; no row is lost
        warnings.simplefilter("ignore", UserWarning)
        parts = list(cutter.split(np.zeros(n), codes))
    return [Fold(train, validation) for train, validation in parts]


def _holdout(n: int, codes: np.ndarray | None, seed: int) -> Fold:
    rows = np.arange(n)
    if n < 2:
        raise BadInput(f"{n} rows cannot be split into training and validation rows.")
    if codes is None:
        return Fold(*_pair(train_test_split(rows, test_size=HOLDOUT_SHARE, random_state=seed)))
    counts = np.bincount(codes)
    usable, lonely = rows[counts[codes] >= 2], rows[counts[codes] < 2]
    if len(usable) < 2:
        usable, lonely = rows, rows[:0]
    n_validation = int(np.ceil(len(usable) * HOLDOUT_SHARE))
    n_classes = len(np.unique(codes[usable]))
    possible = min(n_validation, len(usable) - n_validation) >= n_classes
    train, validation = train_test_split(
        usable,
        test_size=HOLDOUT_SHARE,
        random_state=seed,
        stratify=codes[usable] if possible else None,
    )
    return Fold(np.concatenate([train, lonely]), np.asarray(validation))


def _pair(parts: Sequence) -> tuple[np.ndarray, np.ndarray]:
    return parts[0], parts[1]


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise BadInput(f"seed: expected a whole number from 0 to {2**32 - 1}, got {seed}.")
