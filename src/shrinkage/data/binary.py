"""Parquet, Feather and NPZ files. Nothing is unpickled, whatever a file asks for."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from shrinkage.data.frames import frame_of
from shrinkage.errors import BadInput


def read_parquet(path: Path, name: str) -> pd.DataFrame:
    """A Parquet file as a frame; a named pandas index becomes a column."""
    import pyarrow.parquet as pq

    # ParquetFile, not read_table: the latter reads folder names as columns (hive partitions)
    return _frame(lambda: pq.ParquetFile(path).read(), name, "Parquet")


def read_feather(path: Path, name: str) -> pd.DataFrame:
    """A Feather (Arrow IPC) file as a frame."""
    import pyarrow.feather

    return _frame(lambda: pyarrow.feather.read_table(path), name, "Feather")


def _frame(read_table: Any, name: str, kind: str) -> pd.DataFrame:
    try:
        table = read_table()
        table.validate(full=True)  # damaged offsets would crash the conversion
        return frame_of(table)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadInput(
            f"{name}: damaged, or no {kind} file ({_first_line(error)}).\n"
            "Write or copy the file again."
        ) from None


def read_npz(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The arrays X [rows, columns] and y [rows], None without one, of an NPZ file."""
    try:
        # opened here, since np.load leaves a damaged file open
        with path.open("rb") as opened:
            x, y = _pair(np.load(opened, allow_pickle=False), name)
    except BadInput:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        EOFError,
        KeyError,
        OSError,
        NotImplementedError,
        SyntaxError,
    ) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise BadInput(
            f"{name}: damaged, or no NPZ file.\nWrite it again with np.savez(path, X=X, y=y)."
        ) from None
    if x.ndim != 2:
        raise BadInput(
            f"{name}: expected X [rows, columns], got shape {x.shape}.\n"
            "Reshape it: X.reshape(len(X), -1)."
        )
    return x, y


def _pair(arrays: Any, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    if isinstance(arrays, np.ndarray):
        raise BadInput(f"{name}: holds one bare array.\nSave it with np.savez(path, X=X, y=y).")
    if "X" not in arrays.files:
        raise BadInput(
            f"{name}: has no array X, only {', '.join(arrays.files[:8]) or 'nothing'}.\n"
            "Save it with np.savez(path, X=X, y=y); rows to predict need no y."
        )
    return _array(arrays, "X", name), _array(arrays, "y", name) if "y" in arrays.files else None


def _array(arrays: Any, key: str, name: str) -> np.ndarray:
    try:
        return arrays[key]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise BadInput(
            f"{name}: the array {key} holds Python objects, which are not read for safety.\n"
            "Save numbers or text: X.astype(float), y.astype(str)."
        ) from None


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:100] if lines else type(error).__name__
