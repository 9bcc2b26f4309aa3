"""CSV and TSV files, read as text without guessing.

Every cell stays the text that was written; `schema.infer` decides what a column holds. The
fast reader (pyarrow) does the work. Only when it refuses, or when something looks odd, a slow
second reading finds the line to name.
"""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pv

from shrinkage.data.cells import show
from shrinkage.errors import BadInput

_MAGIC = {
    b"PK\x03\x04": "a zip or Excel file",
    b"PAR1": "a Parquet file",
    b"ARROW1": "a Feather file",
    b"\x1f\x8b": "a gzip file",
    b"\x89PNG": "a PNG image",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "a UTF-16 file",
    b"\xfe\xff": "a UTF-16 file",
}
_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_BLOCK = 1 << 26


def read_delimited(path: Path, name: str, delimiter: str, gzipped: bool) -> pd.DataFrame:
    """The file as a frame of text columns, its index the line on which each row begins.

    name: how errors call the file. Blank lines are skipped, but in a file of one column those
    between others are missing cells. A byte order mark is dropped, quoted cells may hold line
    breaks.
    Raises BadInput naming the line for everything that is not a table.
    """
    data = path.read_bytes()
    if gzipped:
        data = _unzip(data, name)
    _check_bytes(data, name)
    header, before = _header(data, name, delimiter)
    one = len(header) == 1
    first = before + 1 if one else 1
    if one:
        data = data.rstrip(b"\r\n")
    if data.count(b'"') % 2:
        _check_rows(data, name, delimiter, len(header))
    try:
        table = _parse(data, delimiter, len(header), blanks=one)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        _check_utf8(data, name)
        _check_rows(data, name, delimiter, len(header))
        raise BadInput(f"{name}: cannot be read as a table: {_first_line(error)}") from None
    if table.num_columns != len(header):
        _check_rows(data, name, delimiter, len(header))
        raise BadInput(f'{name}: the header cannot be read; quote cells with plain " only.')
    table = table.slice(first).rename_columns(header)
    if table.num_rows == 0:
        raise BadInput(f"{name}: has a header but no rows.\nAdd at least one row of data.")
    frame = table.to_pandas().astype("str")
    frame.index = _lines(data, name, delimiter, header, len(frame), first)
    return frame


def _parse(data: bytes, delimiter: str, n_columns: int, *, blanks: bool) -> pa.Table:
    """blanks: a blank line is a row."""
    # the header is read as a row, so that every column is text and every row is as wide
    return pv.read_csv(
        pa.BufferReader(data),
        read_options=pv.ReadOptions(
            autogenerate_column_names=True, block_size=min(len(data) + 1, _BLOCK)
        ),
        parse_options=pv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=not blanks
        ),
        convert_options=pv.ConvertOptions(
            column_types={f"f{i}": pa.string() for i in range(n_columns)}
        ),
    )


def _unzip(data: bytes, name: str) -> bytes:
    if not data:
        raise BadInput(f"{name}: the file is empty (0 bytes).")
    try:
        return gzip.decompress(data)
    except EOFError:
        raise BadInput(f"{name}: the gzip file is cut off; copy or download it again.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        reason = f"is damaged ({error})" if data[:2] == b"\x1f\x8b" else "is no gzip file"
        raise BadInput(
            f"{name}: the gzip file {reason}.\n"
            "Copy it again, or drop the .gz from the name if it is plain text."
        ) from None


def _check_bytes(data: bytes, name: str) -> None:
    for magic, what in _MAGIC.items():
        # Letters alone may be a column's name; files that begin with such also end with them.
        if data.startswith(magic) and (not magic.isalnum() or data.endswith(magic)):
            raise BadInput(
                f"{name}: this is {what}, not a text file.\n"
                "Save it as CSV in UTF-8, or give it the suffix of what it is."
            )
    if not data.removeprefix(b"\xef\xbb\xbf").strip():
        raise BadInput(f"{name}: the file is empty.")
    zero = data.find(b"\0")
    if zero >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise BadInput(
            f"{name}: binary data, not text (a zero byte at offset {zero}, line {line}).\n"
            "Save it as CSV in UTF-8."
        )


def _header(data: bytes, name: str, delimiter: str) -> tuple[list[str], int]:
    """The column names, checked, in the first line that is not blank; and how many are before."""
    try:
        lines = enumerate(_records(data, delimiter))
        before, names = next((place, row) for place, (row, *_) in lines if row)
    except csv.Error as error:
        raise BadInput(f"{name}: the header cannot be read: {error}.") from None
    _check_loose(names, lines, data, name, delimiter)
    names = [cell.strip() for cell in names]
    if "\ufffd" in "".join(names):
        _check_utf8(data, name)
    if len(names) == 1:
        others = [d for d in _NAMES if d != delimiter and d in names[0]]
        if others:
            found = max(others, key=names[0].count)
            suffix = " or name it .tsv" if found == "\t" else ""
            raise BadInput(
                f"{name}: one column only; the header looks separated by {_NAMES[found]}, "
                f"expected {_NAMES[delimiter]}.\n"
                f"Header: {show(names[0])}. Save the file with {_NAMES[delimiter]}{suffix}."
            )
    _check_words(names, name)
    check_names(names, name)
    return names, before


_LOOKED_AT = 100
"""Rows in which blanks before quotes are looked for."""


def _check_loose(
    names: list[str], rest: Iterable[tuple[int, Any]], data: bytes, name: str, delimiter: str
) -> None:
    """Raise BadInput where a blank stands before quotes, which would then be part of the cell."""
    found = [*names]
    with suppress(csv.Error):  # said with its line where rows are read
        found += [cell for _, (row, *_) in islice(rest, _LOOKED_AT) for cell in row]
    for cell in found:
        # A cell that is quoted whole may hold such a text; then its quotes are doubled in the file.
        if re.fullmatch(r'\s+".*"\s*', cell) and (delimiter + cell).encode() in data:
            raise BadInput(
                f"{name}: a blank stands before the quotes of {show(cell.strip())}, so they would "
                f"be part of the cell.\nRemove the blanks beside the {_NAMES[delimiter]} "
                "(pandas: read_csv(..., skipinitialspace=True))."
            )


def _check_words(names: list[str], name: str) -> None:
    """Raise BadInput for a header of numbers; plain counts such as 0,1,2 may be names."""
    if all(re.fullmatch(r"[+-]?\d*\.?\d+([eE][+-]?\d+)?", cell) for cell in names) and any(
        not cell.isdigit() for cell in names
    ):
        raise BadInput(
            f"{name}: line 1 holds numbers ({show(names[0])}, ...), not column names.\n"
            "Add a header line with one name per column."
        )


def check_names(names: list[str], name: str) -> None:
    """Raise BadInput when a column name is empty or used twice."""
    for place, column in enumerate(names, 1):
        if not column:
            raise BadInput(
                f"{name}: column {place} of {len(names)} has no name.\n"
                "Name it in the header or remove it (pandas: to_csv(..., index=False))."
            )
    seen: dict[str, int] = {}
    for place, column in enumerate(names, 1):
        if column in seen:
            raise BadInput(
                f"{name}: the column name {show(column)} is used twice "
                f"(columns {seen[column]} and {place}).\nRename or remove one of them."
            )
        seen[column] = place


def _check_utf8(data: bytes, name: str) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{name}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}, "
            f"line {line}.\nSave the file as UTF-8 (it may be Latin-1 or Windows-1252)."
        ) from None


def _check_rows(data: bytes, name: str, delimiter: str, n_columns: int) -> None:
    """Raise BadInput for the first row that is too short, too long or never closes a quote."""
    try:
        for row, line, _ in _records(data, delimiter):
            if row and len(row) != n_columns:
                raise BadInput(
                    f"{name}: line {line} has {len(row)} cells, the header has {n_columns}.\n"
                    f"Correct the line; a cell that holds {show(delimiter)} needs quotes."
                )
    except _Broken as error:
        message = str(error)
        if "unexpected end of data" in message:
            message = 'a quote (") is opened and never closed'
        raise BadInput(
            f"{name}: line {error.first}: {message}.\nCorrect the quotes; write a quote inside a "
            'quoted cell twice ("").'
        ) from None


class _Broken(csv.Error):
    """A row that is none. first, last: the line it begins on, and the one where that shows."""

    def __init__(self, message: str, first: int, last: int):
        super().__init__(message)
        self.first, self.last = first, last


def _records(data: bytes, delimiter: str) -> Iterator[tuple[list[str], int, int]]:
    """Rows of cells, each with its first and its last line; a blank line is an empty row."""
    words = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", "replace", newline="")
    reader = csv.reader(words, delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            yield row, start, reader.line_num
            start = reader.line_num + 1
    except csv.Error as error:
        raise _Broken(str(error), start, reader.line_num) from None


def _lines(
    data: bytes, name: str, delimiter: str, header: list[str], n_rows: int, first: int
) -> pd.Index:
    """The line each row begins on, so that errors can name it.

    first: how many rows come before them.
    Raises BadInput where there are fewer rows than lines because a quote swallowed some.
    """
    breaks = data.count(b"\n") + (not data.endswith(b"\n"))
    if breaks == n_rows + 1:
        return pd.RangeIndex(2, n_rows + 2, name="line")
    starts = []
    try:
        for row, first_line, last_line in _records(data, delimiter):
            if row or len(header) == 1:
                starts.append(first_line)
            if last_line > first_line:
                _check_swallowed(row, first_line, name, delimiter)
    except _Broken as error:
        if error.last > error.first and "field limit" not in str(error):
            _check_rows(data, name, delimiter, len(header))
        starts = []
    if len(starts) == first + n_rows:
        return pd.Index(starts[first:], name="line")
    return pd.RangeIndex(1, n_rows + 1, name="row")


_SWALLOWED = 3
"""So many lines within one cell that have the delimiters of a row each are rows."""


def _check_swallowed(row: list[str], line: int, name: str, delimiter: str) -> None:
    """Raise BadInput where a cell is rows: its first line ends one, its last line begins one."""
    whole = len(row) - 1
    for place, cell in enumerate(row):
        counts = [each.count(delimiter) for each in cell.splitlines()]
        if len(counts) < 2:
            continue
        first, *inner, last = counts
        ends = first == whole - place and last == place
        if whole and ends and len(inner) >= _SWALLOWED and {*inner} == {whole}:
            raise BadInput(
                f"{name}: line {line}: a quoted cell holds {len(inner)} lines that look like rows "
                f"({show(cell.splitlines()[1])}).\nA quote may have been opened by chance; write "
                'it twice within a quoted cell ("").'
            )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
