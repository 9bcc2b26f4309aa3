"""Frames from elsewhere: every column brought to one of a handful of plain dtypes.

Afterwards a column is int64 (or nullable Int64), float64, bool (or nullable boolean), text,
datetime64, or a pandas category. Values are not changed.
"""

import re
from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

from shrinkage.data.cells import show, text, where
from shrinkage.errors import BadInput

_WHOLE = {pa.uint64(): pd.UInt64Dtype()} | dict.fromkeys(
    (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()),
    pd.Int64Dtype(),
)
_ROW_NUMBERS = re.compile(r"__index_level_\d+__$")
"""The name that a pandas index without one gets in an Arrow table."""

_SCALARS = (str, bool, int, float, np.generic, Decimal, date, datetime)


def plain_frame(frame: Any, name: str, only: Collection[str] | None = None) -> pd.DataFrame:
    """The frame with plain dtypes, index kept.

    only: columns that matter; others stay as they are. None: all matter.
    Raises BadInput naming the column whose cells are neither numbers, text nor dates.
    """
    columns = {
        column: plain_column(frame[column], name)
        if only is None or column in only
        else frame[column]
        for column in frame.columns
    }
    return pd.DataFrame(columns, index=frame.index, copy=False)


def frame_of(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a frame; a named pandas index is a column of it.

    Raises pyarrow's errors for a damaged one.
    """
    # assembled by position, since names may be doubled: the caller checks and says so
    columns = dict(enumerate(map(series_of, table.columns)))
    frame = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))
    frame = frame.set_axis(table.column_names, axis=1)
    # What pandas numbered rows by before they were shuffled or selected says nothing of them, and
    # of a table that was sorted by its target it says everything.
    return frame.loc[:, [not _ROW_NUMBERS.match(name) for name in table.column_names]]


def series_of(column: pa.Array | pa.ChunkedArray) -> pd.Series:
    """An Arrow column as pandas has it, but whole numbers stay whole where some are missing."""
    whole = _WHOLE.get if column.null_count else None
    return column.to_pandas(date_as_object=False, types_mapper=whole)


def plain_column(series: pd.Series, name: str) -> pd.Series:
    """One column with a plain dtype; `name` is the table's, for errors."""
    dtype = series.dtype
    if isinstance(dtype, pd.ArrowDtype):
        column: Any = series.array
        values = series_of(column.__arrow_array__()).array
        series = pd.Series(values, index=series.index, name=series.name)
        dtype = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
        dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype) or types.is_bool_dtype(dtype):
        return series
    if types.is_datetime64_any_dtype(dtype):
        return series
    if types.is_complex_dtype(dtype):
        raise _unusable(series, name, "complex numbers")
    if types.is_integer_dtype(dtype):
        return series
    if types.is_float_dtype(dtype):
        return pd.Series(
            series.to_numpy(np.float64, na_value=np.nan), series.index, name=series.name
        )
    if isinstance(dtype, pd.StringDtype):
        return series.astype("str")
    if types.is_object_dtype(dtype):
        return _plain_objects(series, name)
    raise _unusable(series, name, f"dtype {dtype}")


def _plain_objects(series: pd.Series, name: str) -> pd.Series:
    kind = types.infer_dtype(series, skipna=True)
    try:
        if kind == "string":
            return series.astype("str")
        if kind == "empty":
            return pd.Series(np.nan, series.index, name=series.name)
        if kind == "boolean":
            return series.astype("boolean")
        if kind == "integer":
            return series.astype("Int64")
        if kind in ("floating", "mixed-integer-float", "decimal"):
            known: Any = series.where(series.notna(), np.nan)
            return known.astype(np.float64)
        if kind in ("date", "datetime", "datetime64"):
            return pd.to_datetime(series, utc=True).dt.tz_localize(None)
    except (OverflowError, ValueError, TypeError):
        pass  # such as integers beyond 64 bits: they stay text, and say so as numbers later
    _check_scalars(series, name)
    return text(series)


def _check_scalars(series: pd.Series, name: str) -> None:
    for position, value in enumerate(series.array):
        if not isinstance(value, _SCALARS) and value is not None and value is not pd.NA:
            kind = type(value).__name__
            raise BadInput(
                f"{name}: column {show(series.name)}, {where(series, position)} holds a {kind} "
                f"({show(value)}).\nGive numbers, text or dates, one per cell."
            )


def _unusable(series: pd.Series, name: str, what: str) -> BadInput:
    return BadInput(
        f"{name}: column {show(series.name)} holds {what}.\n"
        "Give numbers, text or dates, one per cell, or drop the column."
    )
