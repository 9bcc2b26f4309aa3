"""Splits: a test part the search never sees, and folds inside the rest.

Pure functions of their arguments: the same target, task, clusters and seed give the same rows
everywhere and always. Positions count from 0 in the given target, in scikit-learn's order.

| symbol | meaning |
|---|---|
| n | rows of the given target |
| K | folds of one repeat, 1 for a holdout |
| clusters | [n], numbers of rows that belong together, which no split parts; None: strangers |
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from shrinkage.clusters import Clusters
from shrinkage.errors import BadInput

HOLDOUT_SHARE = 0.2

_DRAWS = 20
"""Of a part made of clusters: the draw whose size and classes come nearest is taken."""

_STRATIFIED = 2_000
"""With more clusters, chance alone spreads classes and sizes, and scikit-learn's search for a
better spread takes long."""

_FEW = 100
"""Clusters below which their number decides how they are validated, and not the rows'."""


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
    clusters: Clusters = None,  # noqa: PT028
) -> tuple[np.ndarray, np.ndarray]:
    """Set a test part aside.

    y: [n] target.   share: in (0, 1), of the rows for the test.
    Returns the positions of the remaining rows and of the test rows: scikit-learn's
    `train_test_split(test_size=share, random_state=seed, stratify=y)` (no `stratify` for
    regression). Where that is impossible, because a class has one row or there are more
    classes than test rows, the split is not stratified. With clusters it is, of 20 draws of whole
    clusters, the one whose size and classes are nearest to what was asked for.
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
    if clusters is not None:
        codes = pd.factorize(labels, sort=True)[0] if task == "classification" else None
        return _whole_clusters(codes, clusters, share, seed)
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


def choose_of_clusters(n_rows: int, clusters: int) -> Literal["holdout"] | int:
    """The same where rows belong together; below 100 clusters 5 folds, as a holdout has too few.

    Each fold has two clusters at least where there are four: one alone says nothing of chance.
    """
    if clusters >= _FEW:
        return choose(n_rows)
    return max(2, min(5, clusters // 2))


def inside(
    y: Any,
    task: str,
    cv: str | int = "auto",
    seed: int = 0,
    repeats: int = 1,
    clusters: Clusters = None,
) -> tuple[Fold, ...]:
    """Folds inside the rows that are left for the search.

    y: [n] target.   cv: "auto" (`choose`), "holdout", or K >= 2 folds.
    repeats: how often the whole is drawn anew; repeat r depends on (seed, r) only, and
    repeat 0 is scikit-learn's own split with random_state=seed.
    Returns K * repeats folds, repeat by repeat. Stratified for classification. With folds,
    every row is validated exactly once a repeat; in a holdout, classes of fewer than two
    rows stay in training.
    Raises BadInput when cv is something else, or larger than the number of rows or clusters.
    """
    labels = np.asarray(y)
    _check_seed(seed)
    if repeats < 1:
        raise BadInput(f"repeats: expected 1 or more, got {repeats}.")
    most, things = len(labels), "rows"
    if clusters is not None:
        most, things = len(np.unique(clusters)), "groups of rows that belong together"
        if most < 2:
            raise BadInput("the rows that are left all belong together; set fewer aside to test.")
    if cv == "auto":
        cv = choose(len(labels)) if clusters is None else choose_of_clusters(len(labels), most)
        repeats = 1 if cv == most else repeats
    if isinstance(cv, str) and cv.isdigit():
        cv = int(cv)
    if cv != "holdout" and (not isinstance(cv, int) or not 2 <= cv <= most):
        raise BadInput(
            f"cv: expected auto, holdout or a number of folds from 2 to the {most} {things}, "
            f"got {cv!r}."
        )
    if repeats > 1 and cv == most:
        raise BadInput(
            f"cv: {cv} folds of {most} {things} are the same {repeats} times; ask for once."
        )
    codes = pd.factorize(labels, sort=True)[0] if task == "classification" else None
    folds: list[Fold] = []
    for repeat in range(repeats):
        state = repeat_seed(seed, repeat)
        if isinstance(cv, int) and clusters is not None:
            folds += _folds_of_clusters(codes, clusters, cv, state)
        elif isinstance(cv, int):
            folds += _folds(len(labels), codes, cv, state)
        elif clusters is not None:
            folds.append(Fold(*_whole_clusters(codes, clusters, HOLDOUT_SHARE, state)))
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


def _folds_of_clusters(
    codes: np.ndarray | None, clusters: np.ndarray, k: int, seed: int
) -> list[Fold]:
    """Rows, and the classes among them, are spread as evenly as whole clusters allow."""
    few = len(np.unique(clusters)) <= _STRATIFIED
    cutters = [GroupKFold(k, shuffle=True, random_state=seed)]
    codes = np.zeros(len(clusters), np.int64) if codes is None else codes
    if few and np.bincount(codes).max() >= k:
        cutters.insert(0, StratifiedGroupKFold(k, shuffle=True, random_state=seed))
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    least = min(2, len(np.unique(clusters)) // k)
    for cutter in cutters:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class of few rows, as in `_folds`
            parts = list(cutter.split(np.zeros(len(clusters)), codes, clusters))
        # An even spread of rows may leave a fold with one large cluster, or with none.
        if all(len(np.unique(clusters[validation])) >= least for _, validation in parts):
            break
    return [Fold(train, validation) for train, validation in parts]


def _whole_clusters(
    codes: np.ndarray | None, clusters: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(the others, about this share of the rows): the nearest of 20 draws.

    Near: the share of each class (of all rows, where there are none) that is in the part, and the
    part's size.
    """
    n, count = len(clusters), len(np.unique(clusters))
    if count < 2:
        raise BadInput("all rows belong together: nothing can be set aside.")
    kinds = np.zeros(n, np.int64) if codes is None else codes
    whole = np.bincount(kinds)
    size = min(max(round(share * count), 1), count - 1)
    draws = GroupShuffleSplit(_DRAWS, test_size=size, random_state=seed)

    def away(part: tuple[np.ndarray, np.ndarray]) -> float:
        held = np.bincount(kinds[part[1]], minlength=len(whole))
        return float(np.abs(held - share * whole).sum()) + abs(len(part[1]) - share * n)

    return min(((a, b) for a, b in draws.split(kinds, groups=clusters)), key=away)


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
