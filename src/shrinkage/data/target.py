"""The target column: which task it sets, its labels or values, and the rows it costs."""

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from shrinkage.data import cells
from shrinkage.data.cells import show, where
from shrinkage.data.columns import FEW, HALF, check_finite, numeric_share
from shrinkage.data.labels import list_labels
from shrinkage.errors import BadInput
from shrinkage.wording import count

Task = Literal["classification", "regression"]

MOST_CLASSES = 1000


class Target(NamedTuple):
    """values: float64, or labels of one type, of the rows that can be used. rows: their positions.

    classes: in order; None for a regression. notes: for the person.
    """

    task: Task
    values: pd.Series
    rows: np.ndarray
    classes: tuple | None
    notes: list[str]


def prepare_target(series: pd.Series, name: str, task: str) -> Target:
    """Decide the task and clean the target.

    series: the target column with the table's index.   task: "auto" or the task itself.
    Raises BadInput when the column cannot be a target of the task.

    auto: text and bool are classes; numbers with a fraction are a regression; whole numbers
    are classes when at most 20 differ.
    """
    column = show(series.name)
    if task not in ("auto", "classification", "regression"):
        raise BadInput(f"task: expected auto, classification or regression, got {show(task)}.")
    if pd.api.types.is_datetime64_any_dtype(series):
        raise BadInput(
            f"{name}: the target {column} holds dates, which cannot be predicted.\n"
            "Turn them into numbers, such as days until, or choose another --target."
        )
    notes: list[str] = []
    words: Any = cells.text(series) if cells.is_text(series) else series
    # A category may be called None, too.
    is_category = isinstance(series.dtype, pd.CategoricalDtype)
    there = (cells.text(series) if is_category else words).notna()
    if not there.any():
        raise BadInput(f"{name}: the target {column} has no values.\nChoose another --target.")
    if not there.all():
        notes.append(f"{count(int((~there).sum()), 'row')} without a target dropped.")
        words = words[there]
    rows = np.flatnonzero(there)
    if is_category and task == "regression" and cells.is_number(words.cat.categories):
        words = words.astype(words.cat.categories.dtype)
    numeric = _numeric(words, name, task)
    chosen = _task(words, numeric, task, notes)
    if chosen == "regression":
        if not numeric:
            bad = int(cells.numbers(words)[1].argmax()) if cells.is_text(words) else 0
            raise BadInput(
                f"{name}: the target {column} is not a number ({where(words, bad)}: "
                f"{show(words.iloc[bad])}), so it cannot be a regression.\n"
                "Use --task classification, or correct the cell."
            )
        values = pd.Series(cells.numbers(words)[0], words.index, name=series.name)
        check_finite(words, values.to_numpy(), name)
        if values.nunique() == 1:
            raise BadInput(
                f"{name}: the target {column} is {show(values.iloc[0])} in every row: there is "
                "nothing to learn.\nChoose another --target."
            )
        return Target("regression", values, rows, None, notes)
    labels: Any = _labels(words, numeric, name)
    enough, classes = _classes(labels, name, notes)
    return Target("classification", labels[enough], rows[enough], classes, notes)


def _numeric(words: pd.Series, name: str, task: str) -> bool:
    """Whether the target is a number; one that is half text, or less, is bad input.

    Not where a person says that it is classes, nor where there are few.
    """
    if cells.is_number(words):
        return True
    if not cells.is_text(words) or cells.leading_zeros(words):
        return False
    share, first = numeric_share(words)
    if HALF <= share < 1 and task != "classification" and words.nunique() > FEW:
        or_else = ", or say --task classification" if task == "auto" else ""
        raise BadInput(
            f"{name}: target {show(words.name)}, {where(words, first)}: "
            f"{show(words.iloc[first])} is not a number, {int(100 * share)} % of the column are.\n"
            f"Correct the cell, or leave it empty to drop the row{or_else}."
        )
    return share == 1


def _task(words: pd.Series, numeric: bool, task: str, notes: list[str]) -> Task:
    if task == "classification" or task == "regression":
        return task
    column = show(words.name)
    if not numeric:
        share, first = numeric_share(words) if cells.is_text(words) else (0.0, 0)
        example = f" ({where(words, first)}: {show(words.iloc[first])})" if share >= HALF else ""
        notes.append(f"Task: classification, because target {column} is not a number{example}.")
        return "classification"
    values = np.unique(cells.numbers(words)[0])
    if (values != np.floor(values)).any():
        notes.append(f"Task: regression, because target {column} has fractions.")
        return "regression"
    chosen = "classification" if len(values) <= FEW else "regression"
    other = "regression" if chosen == "classification" else "classification"
    notes.append(
        f"Task: {chosen}, because target {column} has {len(values):,} different whole numbers; "
        f"--task {other} says otherwise."
    )
    return chosen


def _labels(words: pd.Series, numeric: bool, name: str) -> pd.Series:
    """Labels of one type: bool, int, float (whole, as 1.0 was written) or text.

    Whole numbers that float64 cannot tell apart, such as ids of 19 digits, are never floats; those
    beyond int64 are text.
    """
    if pd.api.types.is_bool_dtype(words):
        return words.astype(bool)
    declared = isinstance(words.dtype, pd.CategoricalDtype)
    if declared:
        words = words.astype(words.cat.categories.dtype)
        if not cells.is_number(words):
            return words if pd.api.types.is_bool_dtype(words) else cells.text(words)
        numeric = True
    if not numeric:
        return cells.text(words)
    values = cells.numbers(words)[0]
    check_finite(words, values, name)
    fraction = values != np.floor(values)
    if fraction.any() and declared:  # a person says that they are classes
        return cells.text(words)
    if fraction.any():
        first = int(fraction.argmax())
        raise BadInput(
            f"{name}: target {show(words.name)}, {where(words, first)}: "
            f"{show(words.iloc[first])} has a fraction, so it cannot be a class.\n"
            "Use --task regression, or choose another --target."
        )
    exact = cells.written_as_integers(words)
    if exact and np.abs(values).max() >= 2**53:
        whole = cells.text(words)
        return whole.map(int).astype(np.int64) if np.abs(values).max() < 2**63 else whole
    return pd.Series(values.astype(np.int64 if exact else float), words.index, name=words.name)


def _classes(labels: Any, name: str, notes: list[str]) -> tuple[np.ndarray, tuple]:
    """Which rows are of a class with two rows or more, and these classes."""
    column = show(labels.name)
    counts = labels.value_counts()
    unusual = cells.is_text(labels) and len(counts) > max(len(labels) / 2, 2)
    if len(counts) > MOST_CLASSES or unusual:
        way_out = "Choose another --target" + (
            "." if cells.is_text(labels) else ", or use --task regression."
        )
        raise BadInput(
            f"{name}: the target {column} has {len(counts):,} classes in {len(labels):,} rows, "
            f"too many to learn.\n{way_out}"
        )
    alone = sorted(counts.index[counts == 1])
    enough = ~labels.isin(alone).to_numpy()
    if alone and len(counts) > 1:
        notes.append(
            f"{count(len(alone), 'row')} dropped: {'class' if len(alone) == 1 else 'classes'} "
            f"{list_labels(_plain(alone))} with a single row cannot be both learned and tested."
        )
    classes = _plain(sorted(labels[enough].unique()))
    if len(classes) < 2:
        only = f"one class ({show(classes[0])})" if classes else "no class with two rows"
        raise BadInput(
            f"{name}: the target {column} has {only}: there is nothing to learn.\n"
            "Choose another --target, or add rows of another class."
        )
    return enough, classes


def _plain(labels: Any) -> tuple:
    return tuple(v.item() if isinstance(v, np.generic) else v for v in labels)
