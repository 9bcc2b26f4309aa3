"""Rows in the order of time: trained on the earlier ones, judged by the later ones.

Cut at random, a network that is to predict next month is judged between days that it has seen.
Here the rows of the test part are the latest of all, and those that validate the latest of the
others. Rows of one moment stay on one side. Rows without a time are trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from shrinkage.data import cells
from shrinkage.data.cells import count, label_text, show, where
from shrinkage.errors import BadInput

OPTION = "--time"


def moments(column: str, series: pd.Series) -> np.ndarray:
    """[n] float64, larger is later: numbers, or seconds since 1970 of dates; NaN where missing.

    Raises BadInput where a cell is neither, or where some are the one and some the other.
    """
    found, bad = cells.numbers(series)
    if bad.any():
        dates, bad = cells.dates(series)
        found = dates.astype("int64").to_numpy() / 1e6
        found = np.where(dates.isna().to_numpy(), np.nan, found)
    if bad.any():
        first = int(bad.argmax())
        raise BadInput(
            f"{OPTION} {column}: {where(series, first)}: {show(series.iloc[first])} is neither a "
            "date (YYYY-MM-DD) nor a number.\nName a column of dates, or of numbers that grow "
            "with time."
        )
    return found


def latest(column: str, series: pd.Series, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the earlier rows, and of about this share of latest ones, whole moments.

    Raises BadInput where all rows have one moment.
    """
    when = moments(column, series)
    distinct, counts = np.unique(when[~np.isnan(when)], return_counts=True)
    held = np.cumsum(counts[::-1])[::-1]  # rows from each moment on
    possible = np.flatnonzero(held < len(when))
    if not len(possible):
        raise BadInput(
            f"{OPTION} {column}: all rows have the same value, so none is later.\n"
            "Name a column of different times."
        )
    cut = possible[np.abs(held[possible] - share * len(when)).argmin()]
    after = when >= distinct[cut]
    return np.flatnonzero(~after), np.flatnonzero(after)


def notes(
    column: str, validation: pd.Series, test: pd.Series | None, training: pd.Series
) -> list[str]:
    """From when on rows validate and test, and how many have no time.

    test: None where it is a file of its own. training: all rows but the test part's.
    """
    ends = [f"from {_first(validation)} on they validate"]
    ends += [f"from {_first(test)} on they test"] if test is not None else []
    found = [f"Rows are cut by {show(column)}: {', '.join(ends)}; earlier ones are trained on."]
    if gaps := int(training.isna().sum()):
        found.append(f"{count(gaps, 'row')} without a value of {show(column)}: trained on.")
    return found


def hint(dates: Sequence[str]) -> str:
    """A sentence on columns of dates, which may order the rows; "" where there are none."""
    if not dates:
        return ""
    return (
        f"Rows are cut at random; where later ones are to be predicted, {OPTION} {dates[0]} "
        "validates and tests on the latest."
    )


def _first(series: pd.Series) -> str:
    """The earliest moment as people write it."""
    numbers, bad = cells.numbers(series)
    if not bad.any():
        return label_text(float(np.nanmin(numbers)))
    stamp = cells.dates(series)[0].min()
    return f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M:%S}"
