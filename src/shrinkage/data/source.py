"""One way in: a file, a frame, arrays or a built-in name becomes a `Table`.

Reading changes nothing and loses nothing. What a column means, and whether its values can be
used, is decided by `schema.infer` and `schema.conform`.
"""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from shrinkage.data import builtin
from shrinkage.data.binary import read_feather, read_npz, read_parquet
from shrinkage.data.cells import show
from shrinkage.data.delimited import check_names, read_delimited
from shrinkage.data.frames import frame_of, plain_frame, series_of
from shrinkage.errors import BadInput

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_SUFFIXES = ".csv, .tsv, .csv.gz, .tsv.gz, .parquet, .feather, .npz"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns as they were read.

    frame: unique text names, no row lost; the cells of CSV and TSV files are text. The index
        names the rows in errors: lines of a CSV, the given index of a frame, else 0, 1, ...
    name: how errors call the table: the file's path, "DataFrame", "digits".
    target: the column to predict where the source says so (built-ins, NPZ, arrays).
    """

    frame: pd.DataFrame
    name: str
    target: str | None = None


def read(source: Any, y: Any = None, *, only: Collection[str] | None = None) -> Table:
    """Read a table.

    source: path of a CSV, TSV (both also .gz), Parquet, Feather or NPZ file; a built-in name
        (digits, breast_cancer, wine, diabetes, mnist1d); a frame of pandas, or of a library whose
        frames have `to_pandas`; an array [rows, columns]; or a pair (X, y).
    y: [rows], the target, with a frame or an array.
    only: columns that matter; others are not checked, and stay as they are. None: all matter.
    Raises BadInput in one to three lines that name the file, the place and the way out.
    """
    if isinstance(source, tuple) and len(source) == 2 and y is None:
        source, y = source
    only = None if only is None else {name.strip() for name in only}
    if isinstance(source, (str, Path)):
        if y is not None:
            raise BadInput("y goes with a frame or an array; a file holds its own target.")
        return _named(source, only)
    source = pandas_frame(source)
    if isinstance(source, pd.DataFrame):
        return _table(source, y, "DataFrame", only)
    return _table(_array_frame(source, "array"), y, "array", only)


def pandas_frame(source: Any) -> Any:
    """A frame of polars or pyarrow as one of pandas; anything else as it is."""
    if isinstance(source, pd.DataFrame):
        return source
    source = source.to_arrow() if hasattr(source, "to_arrow") else source
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pa.Table):
        return frame_of(source)
    return source.to_pandas() if hasattr(source, "to_pandas") else source


def _named(source: str | Path, only: Collection[str] | None) -> Table:
    name = str(source)
    if name in builtin.NAMES:
        frame = plain_frame(builtin.load(name), name)
        return Table(frame, name, builtin.TARGET)
    path = Path(source)
    try:
        _check_file(path, name)
        suffix = path.suffix.lower()
        gzipped = suffix == ".gz"
        if gzipped:
            suffix = Path(path.stem).suffix.lower()
        if suffix in DELIMITERS:
            return Table(read_delimited(path, name, DELIMITERS[suffix], gzipped), name)
        if suffix in (".parquet", ".feather", ".npz") and not gzipped:
            if path.stat().st_size == 0:
                raise BadInput(f"{name}: the file is empty (0 bytes).")
            if suffix == ".npz":
                return _table(*read_npz(path, name), name, only)
            read_frame = read_parquet if suffix == ".parquet" else read_feather
            return _table(read_frame(path, name), None, name, only)
    except OSError as error:
        raise BadInput(f"{name}: cannot be read: {error.strerror or error}.") from None
    except MemoryError:
        raise BadInput(f"{name}: does not fit in memory.\nGive a sample of the rows.") from None
    raise BadInput(
        f"{name}: unknown kind of file {show(''.join(path.suffixes[-2:]) or path.name)}.\n"
        f"Known suffixes: {_SUFFIXES}."
    )


def _check_file(path: Path, name: str) -> None:
    if "://" in name:
        raise BadInput(f"{name}: addresses are not read.\nDownload the file and give its path.")
    if path.is_dir():
        raise BadInput(f"{name}: is a directory.\nGive the path of a file: {_SUFFIXES}.")
    if path.exists():
        return
    near = difflib.get_close_matches(path.name, _siblings(path) + list(builtin.NAMES), 3)
    hint = (
        f"Did you mean {', '.join(near)}?"
        if near
        else (f"Give the path of a file or a built-in name: {', '.join(builtin.NAMES)}.")
    )
    raise BadInput(f"{name}: no such file.\n{hint}")


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir()]
    except OSError:
        return []


def _array_frame(source: Any, name: str) -> pd.DataFrame:
    if hasattr(source, "toarray"):
        raise BadInput(f"{name}: sparse matrices are not read; give X.toarray().")
    values = np.asarray(source)
    if values.ndim != 2:
        raise BadInput(
            f"{name}: expected X [rows, columns], got shape {values.shape}.\n"
            "Reshape it: X.reshape(len(X), -1)."
        )
    if values.dtype.kind not in "biufOUSM":
        raise BadInput(f"{name}: cells of dtype {values.dtype} are not numbers, text or dates.")
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
    return frame.infer_objects() if values.dtype == object else frame


def _table(frame: Any, y: Any, name: str, only: Collection[str] | None) -> Table:
    """Check the frame and append the target to it."""
    if isinstance(frame, np.ndarray):
        frame = _array_frame(frame, name)
    if frame.shape[1] == 0 and y is None:
        raise BadInput(f"{name}: has no columns.")
    if len(frame) == 0:
        raise BadInput(f"{name}: has no rows.")
    names = [str(column).strip() for column in frame.columns]  # as in the header of a CSV
    check_names(names, name)
    frame = frame.set_axis(names, axis=1)
    if y is None:
        return Table(plain_frame(frame, name, only), name)
    target = _target_name(y, names)
    values = _target_values(y, len(frame), name)
    frame[target] = pd.Series(values, index=frame.index)  # of a frame that set_axis made
    return Table(plain_frame(frame, name, only), name, target)


def _target_name(y: Any, taken: list[str]) -> str:
    name = str(y.name).strip() if isinstance(y, pd.Series) and y.name is not None else "target"
    while name in taken:
        name += "_"
    return name


def _target_values(y: Any, n_rows: int, name: str) -> Any:
    y = y.to_arrow() if hasattr(y, "to_arrow") else y
    if isinstance(y, pa.Array | pa.ChunkedArray):
        y = series_of(y)
    if isinstance(y, pd.Series):
        values: Any = y.array
        shape = (len(y),)
    else:
        values = np.asarray(y)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        shape = values.shape
    if shape != (n_rows,):
        raise BadInput(f"{name}: expected y [{n_rows}], one value per row of X, got shape {shape}.")
    return values
