"""Rows in the order of time: trained on the earlier ones, judged by the later ones.

Cut at random, a network that is to predict next month is judged between days that it has seen.
Here the rows of the test part are the latest of all, and those that validate the latest of the
others. Rows of one moment stay on one side. Rows without a time are trained on.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy as np
import pandas as pd

from shrinkage.data import cells
from shrinkage.data.cells import label_text, show, where
from shrinkage.errors import BadInput
from shrinkage.wording import count

OPTION = "--time"


def moments(column: str, series: pd.Series) -> np.ndarray:
    """[n] float64, larger is later: numbers, or seconds since 1970 of dates; NaN where missing.

    Raises BadInput where a cell is neither, or where some are the one and some the other.
    """
    found, bad = _read(series)
    if bad.any():
        first = int(bad.argmax())
        raise BadInput(
            f"{OPTION} {column}: {where(series, first)}: {show(series.iloc[first])} is neither a "
            "date (YYYY-MM-DD) nor a number.\nName a column of dates, or of numbers that grow "
            "with time."
        )
    if pd.api.types.is_float_dtype(found):
        return found.to_numpy()
    return found.astype("int64").where(found.notna()).to_numpy(np.float64) / 1e6


def latest(
    column: str, series: pd.Series, share: float, before: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the earlier rows, and of about this share of latest ones, whole moments.

    before: so many moments are earlier at least; rows without a time count as one.
    Raises BadInput where there are too few.
    """
    when = moments(column, series)
    missing = np.isnan(when)
    distinct, counts = np.unique(when[~missing], return_counts=True)
    possible = np.arange(len(distinct)) + missing.any() >= before
    if not possible.any():
        found = count(len(distinct), "different value") if len(distinct) else "no values"
        raise BadInput(
            f"{OPTION} {column}: {found}, and at least {before + 1} are needed, as rows of one "
            "moment stay on one side.\nName a column of more times."
        )
    held = np.cumsum(counts[::-1])[::-1]  # rows from each moment on
    far = np.where(possible, np.abs(held - share * len(when)), np.inf)
    after = when >= distinct[far.argmin()]
    return np.flatnonzero(~after), np.flatnonzero(after)


def notes(
    column: str, validation: pd.Series, test: pd.Series | None, training: pd.Series, own: bool
) -> list[str]:
    """From when on rows validate and test, how many, and how many have no time.

    training: all rows but the test part's.   own: the test part is a file of its own, which may
    lack the column: None.
    """
    rest = len(training) - len(validation)
    ends = [f"{count(len(validation), 'row')} from {_first(validation)} on validate"]
    if test is not None and not own:
        ends.append(f"{count(len(test), 'row')} from {_first(test)} on test")
    found = [f"Rows are cut by {show(column)}: {', '.join(ends)}; {rest:,} are trained on."]
    if test is not None and own:
        early = int((moments(column, test) <= np.nanmax(moments(column, training))).sum())
        if early:
            found.append(f"{count(early, 'test row')} of {len(test):,} not later than all others.")
    if gaps := int(training.isna().sum()):
        found.append(f"{count(gaps, 'row')} without a value of {show(column)}: trained on.")
    return found


def hint(dates: Sequence[str]) -> str:
    """A sentence on columns of dates, which may order the rows; "" where there are none."""
    if not dates:
        return ""
    return (
        "Rows are cut at random; where later ones are to be predicted, "
        f"{OPTION} {shlex.quote(dates[0])} validates and tests on the latest."
    )


def _read(series: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """The cells as numbers, or else as dates, and which of them [n] are neither."""
    numbers, bad = cells.numbers(series)
    return cells.dates(series) if bad.any() else (pd.Series(numbers), bad)


def _first(series: pd.Series) -> str:
    """The earliest moment as people write it."""
    first = _read(series)[0].min()
    if not isinstance(first, pd.Timestamp):
        return label_text(float(first))
    return f"{first:%Y-%m-%d}" if first == first.normalize() else f"{first:%Y-%m-%d %H:%M:%S}"
