"""Groups of test rows by the values of one column, for whoever judges a model by group.

The rules; each test row is in exactly one group.

1. A cell that is missing: the group `no value`.
2. Numbers of more than 10 different values, and dates: at most four ranges, cut at the quartiles of
   the training rows, or below 120 test rows two, cut at their median. Test rows have no say in the
   bounds.
3. Everything else: one group a value, in order of size. Values (and missing cells) of fewer than 20
   test rows are put together as `other`; so are values beyond the 12 most frequent ones. One such
   value alone keeps its name.
4. What is small even so is shown with its count and is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from shrinkage.clusters import Clusters
from shrinkage.data import cells
from shrinkage.data.cells import label_text, show
from shrinkage.data.labels import find_classes, list_labels, no_column
from shrinkage.data.schema import Schema
from shrinkage.data.source import Table
from shrinkage.errors import BadInput

FEWEST = 20
"""Test rows of a group that is judged; see docs/evidence.md for what intervals do below."""

MOST = 12
"""Groups of values; with more nobody reads the table, and less is found in each."""

VALUES = 10
"""A number column of no more different values has a group for each."""

_QUARTERED = 6 * FEWEST
"""With fewer test rows a quarter of them is often too few."""

_EXACT = 2.0**53

NO_VALUE = "no value"


@dataclass(frozen=True, eq=False)
class Groups:
    """names: of each group, as people read them.   codes: [n] the group of each test row.

    about: how the column was cut, one sentence; "" where every value has a group.
    """

    column: str
    names: tuple[str, ...]
    codes: np.ndarray
    about: str = ""

    @property
    def counts(self) -> np.ndarray:
        """[G] test rows of each."""
        return np.bincount(self.codes, minlength=len(self.names))

    @property
    def judged(self) -> int:
        """How many groups have rows enough."""
        return int((self.counts >= FEWEST).sum())


def groups(column: str, train: pd.Series, test: pd.Series) -> Groups:
    """The groups of the test rows. train, test: one column of both parts, as cells or cleaned."""
    train, test = _alike(train, test)
    if train.nunique() > (1 if _is_date(train) else VALUES) and not _is_text(train):
        return _ranges(column, train, test)
    return _small_as_one(_values(column, test))


def checked(column: str, found: Groups, clusters: Clusters = None, of: str = "") -> Groups:
    """The groups. Raises BadInput where there are no two to compare.

    clusters: [n], of test rows that belong together, by a column of that name: they count as one.
    """
    rows = f"the {len(found.codes):,} test rows"
    if len(found.names) < 2:
        raise BadInput(
            f"--by {column}: all of {rows} are in one group, {show(*found.names)}.\n"
            f"Name a column with at least two values of {FEWEST} test rows or more."
        )
    if not found.judged:
        raise BadInput(
            f"--by {column}: no group has {FEWEST} of {rows}, and fewer tell nothing.\n"
            "Name a column of fewer values, or set more rows aside with --test."
        )
    if clusters is None:
        return found
    kinds = range(len(found.names))
    if max(len(np.unique(clusters[found.codes == kind])) for kind in kinds) < FEWEST:
        raise BadInput(
            f"--by {column}: no group has rows of {FEWEST} different {show(of)}, and fewer tell "
            "nothing.\nName a column of fewer values, or set more rows aside with --test."
        )
    return found


def check_column(column: str, columns: Sequence[str], name: str, option: str = "--by") -> None:
    """Raise BadInput, which names the option, where the table of this name has no such column."""
    if column not in columns:
        raise no_column(name, column, columns, option)


def unread(table: Table, schema: Schema) -> pd.DataFrame:
    """The columns that networks do not read: dropped ones, and ones an earlier model did not know.

    Rows are those with a target of a known class, in the order of the table: as `schema.infer` and
    `schema.conform` return them.
    """
    frame: Any = table.frame
    target = frame[schema.target]
    if schema.classes is not None:
        present = find_classes(target, schema.classes) >= 0
    else:
        present = cells.text(target).notna().to_numpy()
    names = [c for c in frame.columns if c not in schema.used and c != schema.target]
    return pd.DataFrame(
        {name: _clean(frame[name][present]).array for name in names}, index=range(present.sum())
    )


def _clean(series: pd.Series) -> pd.Series:
    """Numbers, dates or text, which every file keeps."""
    if cells.is_number(series):
        found = pd.Series(cells.numbers(series)[0], series.index)
        # Beyond, whole numbers that differ are the same float.
        large = pd.api.types.is_integer_dtype(series) and (found.abs() >= _EXACT).any()
        return series.astype("string").astype(object) if large else found
    return cells.dates(series)[0] if _is_date(series) else cells.text(series)


def _alike(train: pd.Series, test: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Both parts as numbers where every cell is one, else as dates, else as text."""
    parts = train, test
    if all(map(_is_date, parts)) or all(map(cells.is_number, parts)):
        return parts
    words = [cells.text(part) for part in parts]
    if any(map(cells.leading_zeros, words)) or any(map(pd.api.types.is_bool_dtype, parts)):
        return words[0], words[1]
    for read in (cells.numbers, cells.dates):
        (one, bad), (other, more) = map(read, words)
        if not bad.any() and not more.any():
            return pd.Series(one), pd.Series(other)
    return words[0], words[1]


def _is_text(series: pd.Series) -> bool:
    return not _is_date(series) and not cells.is_number(series)


def _is_date(series: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(series)


def _values(column: str, test: pd.Series) -> Groups:
    names = [label_text(v) if not pd.isna(v) else None for v in test]
    found = pd.Series(names, dtype=object)
    sizes = found.value_counts()
    # Equal sizes by name, so that the order of the rows does not matter.
    ordered = sorted(sizes.index, key=lambda name: (-sizes[name], name))
    place = {name: i for i, name in enumerate(ordered)}
    codes = found.map(place).fillna(len(ordered)).to_numpy(np.int64)
    # A text cell may say so, too: groups are told apart by their names.
    missing = (f"{NO_VALUE} (missing)" if NO_VALUE in place else NO_VALUE,)
    missing = missing if found.isna().any() else ()
    return Groups(column, (*ordered, *missing), codes)


def _ranges(column: str, train: pd.Series, test: pd.Series) -> Groups:
    """At most four ranges: up to the first quartile, and so on."""
    dates = _is_date(train)
    known_, cells_ = (_seconds(part) if dates else part.to_numpy(float) for part in (train, test))
    shares = (0.25, 0.5, 0.75) if len(test) >= _QUARTERED else (0.5,)
    bounds = _bounds(known_[np.isfinite(known_)], shares)
    codes = np.searchsorted(bounds, cells_, side="left")  # a bound belongs to the range below it
    said = _said(bounds, dates)
    names = [
        f"up to {said[0]}",
        *(f"{low} to {high}" for low, high in pairwise(said)),
        f"above {said[-1]}",
    ]
    codes = np.where(np.isfinite(cells_), codes, len(names))
    names.append(NO_VALUE)
    there = np.unique(codes)
    kind = "quartiles" if len(shares) > 1 else "the median"
    about = (
        f"cut at {', '.join(said)}: {kind} of the training rows; "
        "a bound belongs to the range below it"
    )
    return Groups(
        column, tuple(names[code] for code in there), np.searchsorted(there, codes), about
    )


def _bounds(values: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """The quantiles that have values above them; the second largest value where none has."""
    found = np.unique(np.quantile(values, shares, method="inverted_cdf"))
    found = found[found < values.max()]
    return found if len(found) else np.unique(values)[-2:-1]


def _seconds(series: pd.Series) -> np.ndarray:
    found = series.astype("datetime64[s]")
    return np.where(found.notna(), found.astype("int64").astype(float), np.nan)


def _said(bounds: np.ndarray, dates: bool) -> list[str]:
    """Each as people write it, with as many digits as tell them apart."""
    said: list[str] = []
    for form in _DATES if dates else _NUMBERS:
        said = [form(bound) for bound in bounds.tolist()]
        if len(set(said)) == len(said):
            break
    return said


def _day(seconds: float) -> str:
    stamp = pd.Timestamp(seconds, unit="s")
    return f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M}"


def _number(digits: int) -> Callable[[float], str]:
    return lambda value: label_text(float(f"{value:.{digits}g}"))


_DATES = (_day, lambda seconds: f"{pd.Timestamp(seconds, unit='s'):%Y-%m-%d %H:%M:%S}")
_NUMBERS = (_number(6), _number(17))


def _small_as_one(found: Groups) -> Groups:
    """Small groups as one, and those beyond the most frequent."""
    counts = found.counts
    ordered = np.lexsort((np.arange(len(counts)), -counts))
    small = sorted({*np.flatnonzero(counts < FEWEST), *ordered[MOST:]})
    if len(small) < 2:
        return found
    kept = [i for i in range(len(counts)) if i not in set(small)]
    place = np.full(len(counts), len(kept))
    place[kept] = np.arange(len(kept))
    names = (*(found.names[i] for i in kept), f"other ({len(small)} values)")
    listed = list_labels([found.names[i] for i in small], 6)
    about = "; ".join(filter(None, (found.about, f"other: {listed}")))
    return replace(found, names=names, codes=place[found.codes], about=about)
