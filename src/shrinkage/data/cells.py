"""Cells: how one cell is read as text, as a number or as a date, and how errors show it.

A column is a pandas Series of any dtype. Text is compared after surrounding blanks are
removed, and the spellings of `MISSING` count as missing: nearly all that pandas knows, and ?. They
are case-sensitive: `none` is an ordinary word in many tables.
"""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

# pyarrow makes these functions at import, where type checkers do not see them
pc: Any = pyarrow.compute

MISSING = (
    *("", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NaT"),
    *("null", "NULL", "None"),
)

# float32 ends at 3e38, and squares of scaled values have to stay finite
LARGEST = 1e30

_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[iI]nf(inity)?|INF)$"
_INTEGER = r"^[+-]?\d+$"
LEADING_ZERO = r"^[+-]?0\d+$"
_DATE = (
    r"^\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
)


def show(value: Any) -> str:
    """A cell or a name as errors print it: one line, at most 40 characters."""
    if isinstance(value, np.generic):
        value = value.item()
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def where(frame: pd.DataFrame | pd.Series, position: int) -> str:
    """The row at a position as a person finds it: 'line 18' of a CSV, 'row 17' elsewhere."""
    name = frame.index.name
    label = frame.index[position]
    plain = str(label) if isinstance(label, (int, np.integer)) else show(label)
    return f"{name if isinstance(name, str) and name else 'row'} {plain}"


def label_text(value: Any) -> str:
    """One label or category as text, so that 1, 1.0 and "1" agree.

    Whole floats lose their ".0", other floats keep Python's shortest form, True is "True".
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def is_number(series: pd.Series) -> bool:
    """Whether the dtype holds numbers (bool does not count)."""
    return pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)


def is_text(series: pd.Series) -> bool:
    """Whether the dtype holds text, in which some spellings count as missing."""
    return isinstance(series.dtype, pd.StringDtype)


def text(series: pd.Series, known: Iterable[str] = ()) -> pd.Series:
    """The column as text: blanks trimmed, missing cells NaN, index kept.

    known: words, though they are spelled as missing cells are: an earlier version knew fewer.
    """
    words = _words(series, {*known}).to_pandas().array
    return pd.Series(words, index=series.index, name=series.name, dtype="str")


def numbers(series: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The column as numbers, and which cells refuse.

    Returns values [n] float64, NaN where missing or refused, and bad [n] bool, true where a
    cell is there and is no number.
    """
    none = np.zeros(len(series), dtype=bool)
    if is_number(series) or pd.api.types.is_bool_dtype(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), none
    if pd.api.types.is_datetime64_any_dtype(series):
        return np.full(len(series), np.nan), series.notna().to_numpy()
    cells = _words(series)
    if (whole := _all_finite(cells)) is not None:
        return whole, none
    good = pc.match_substring_regex(cells, _NUMBER)
    values = pc.cast(pc.if_else(good, cells, None), pa.float64())
    bad = pc.fill_null(pc.invert(good), False)
    return _numpy(values), _numpy(bad).astype(bool)


def dates(series: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """The column as dates [us] without time zone (UTC where one was given), and bad [n] bool.

    ISO 8601 only: 2024-05-31, 2024-05-31 14:00, 2024-05-31T14:00:00Z.
    """
    if pd.api.types.is_datetime64_any_dtype(series):
        if getattr(series.dt, "tz", None) is not None:
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return series.astype("datetime64[us]"), np.zeros(len(series), dtype=bool)
    if is_number(series) or pd.api.types.is_bool_dtype(series):
        empty = pd.Series(pd.NaT, index=series.index, name=series.name, dtype="datetime64[us]")
        return empty, series.notna().to_numpy()
    words = text(series)
    good = _numpy(pc.fill_null(pc.match_substring_regex(_arrow(words), _DATE), False))
    parsed = pd.to_datetime(words.where(good), format="ISO8601", errors="coerce", utc=True)
    parsed = parsed.dt.tz_localize(None).astype("datetime64[us]")
    return parsed, (words.notna() & parsed.isna()).to_numpy()


def all_match(series: pd.Series, pattern: str) -> bool:
    """Whether every cell that is there matches a regular expression."""
    return bool(pc.all(pc.match_substring_regex(_arrow(series), pattern), min_count=0).as_py())


def written_as_integers(series: pd.Series) -> bool:
    """Whether every number of the column is written without a fraction or an exponent."""
    if is_number(series):
        return pd.api.types.is_integer_dtype(series)
    return all_match(series, _INTEGER)


def leading_zeros(series: pd.Series) -> bool:
    """Whether a text column holds codes such as 00123, which a number would shorten."""
    if not isinstance(series.dtype, pd.StringDtype):
        return False
    found = pc.any(pc.match_substring_regex(_arrow(series), LEADING_ZERO), min_count=0)
    return bool(found.as_py())


def too_large(values: np.ndarray) -> int | None:
    """Position of the first number that is infinite or beyond 1e30, None when there is none."""
    bad = np.abs(values) > LARGEST
    return int(bad.argmax()) if bad.any() else None


def _all_finite(cells: pa.Array) -> np.ndarray | None:
    """The cells as numbers, where each is missing or a finite one; None also where one has a plus.

    What Arrow reads as a finite number is one of `_NUMBER`, and its own reading is faster than that
    of a pattern.
    """
    try:
        values = pc.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        return None
    return _numpy(values) if pc.all(pc.is_finite(values), min_count=0).as_py() else None


def _words(series: pd.Series, known: Collection[str] = ()) -> pa.Array:
    """The column as text: blanks trimmed, missing cells null."""
    if isinstance(series.dtype, pd.StringDtype):
        return _arrow(series, known)
    if pd.api.types.is_datetime64_any_dtype(series):
        stamps = [None if pd.isna(v) else label_text(v) for v in series]
        return pa.array(stamps, pa.large_string())
    codes, uniques = pd.factorize(series)
    words = np.array([label_text(v) for v in uniques] + [None], dtype=object)
    return _trim(pa.array(words[codes], pa.large_string()), known)


def _arrow(series: pd.Series, known: Collection[str] = ()) -> pa.Array:
    cells = pa.array(series, type=pa.large_string(), from_pandas=True)
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    return _trim(cells, known)


def _trim(cells: pa.Array, known: Collection[str] = ()) -> pa.Array:
    cells = pc.utf8_trim_whitespace(cells)
    spelled = [each for each in MISSING if each not in known]
    missing = pc.is_in(cells, value_set=pa.array(spelled, pa.large_string()))
    return pc.if_else(missing, pa.scalar(None, pa.large_string()), cells)


def _numpy(cells: pa.Array) -> np.ndarray:
    return cells.to_numpy(zero_copy_only=False)
