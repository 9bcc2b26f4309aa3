"""Inputs that cannot be used, and the words their error has to contain.

One row is one case. `write(folder)` writes the file and returns what a person would give as
DATA: a path, or a built-in name. The tests of the data package and of the command line both
run over `CASES`.
"""

import gzip
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet


@dataclass(frozen=True)
class Malformed:
    """One bad input.

    expects: words of the error.   task: as given with --task.
    names_file: whether the error names the file, too; false where the file is not at fault.
    """

    name: str
    write: Callable[[Path], Path]
    target: str
    expects: tuple[str, ...]
    task: str = "auto"
    names_file: bool = True

    def __str__(self) -> str:
        return self.name


def file(name: str, content: bytes | str) -> Callable[[Path], Path]:
    """Write these bytes."""

    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def rows(header: str, row: Callable[[int], str], n: int = 60) -> str:
    """A CSV of n rows."""
    return "\n".join([header, *(row(i) for i in range(n))]) + "\n"


def quoted(i: int) -> str:
    return '"' if i in (5, 40) else ""


def closed(i: int) -> str:
    return '"' if i == 40 else ""


def good(i: int) -> str:
    """Row i of a table a,b,y without faults: two numbers and two classes."""
    return f"{(i * 37 % 101) / 7:.3f},{(i * 53 % 97) / 3:.3f},{'yes' if i % 3 else 'no'}"


def with_line(line: int, content: str, n: int = 60) -> str:
    """The good table with one of its lines replaced; the header is line 1."""
    lines = rows("a,b,y", good, n).splitlines()
    lines[line - 1] = content
    return "\n".join(lines) + "\n"


GOOD = rows("a,b,y", good)


def frame_file(name: str, frame: Callable[[], pd.DataFrame]) -> Callable[[Path], Path]:
    """Write a frame as Parquet or Feather."""

    def write(folder: Path) -> Path:
        path = folder / name
        table = pa.Table.from_pandas(frame())
        if path.suffix == ".parquet":
            pyarrow.parquet.write_table(table, path)
        else:
            pyarrow.feather.write_feather(table, path)
        return path

    return write


def cut(write: Callable[[Path], Path], share: float = 0.6) -> Callable[[Path], Path]:
    """Write a file and cut its end off."""

    def write_cut(folder: Path) -> Path:
        path = write(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return write_cut


def arrays(name: str, **contents: np.ndarray) -> Callable[[Path], Path]:
    """Write an NPZ file."""

    def write(folder: Path) -> Path:
        np.savez(folder / name, **contents)  # pyright: ignore[reportArgumentType]
        return folder / name

    return write


def directory(folder: Path) -> Path:
    (folder / "table.csv").mkdir()
    return folder / "table.csv"


def two_names_parquet(folder: Path) -> Path:
    values = pa.array([float(i) for i in range(30)])
    table = pa.Table.from_arrays([values, values, values], names=["a", "a", "y"])
    pyarrow.parquet.write_table(table, folder / "t.parquet")
    return folder / "t.parquet"


def small_frame() -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(60) % 7 / 3, "y": ["u", "v"] * 30})


def lists_frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [[1, 2]] * 30, "y": ["u", "v"] * 15})


def infinite_frame() -> pd.DataFrame:
    frame = small_frame()
    frame.loc[17, "a"] = -np.inf
    return frame


Y = np.arange(40) % 2
X = np.linspace(0, 1, 80).reshape(40, 2)

CASES = [
    # the file itself
    Malformed("not there", lambda f: f / "nothing.csv", "y", ("no such file",)),
    Malformed("misspelt built-in", lambda f: Path("digit"), "target", ("no such", "digits")),
    Malformed("directory", directory, "y", ("directory",)),
    Malformed("unknown suffix", file("t.xlsx", GOOD), "y", ("unknown kind", ".csv")),
    Malformed("no suffix", file("table", GOOD), "y", ("unknown kind", ".csv")),
    Malformed("gz of unknown", file("t.json.gz", gzip.compress(b"{}")), "y", ("unknown kind",)),
    Malformed("empty", file("t.csv", b""), "y", ("empty",)),
    Malformed("blank lines only", file("t.csv", b"\n \n\r\n"), "y", ("empty",)),
    Malformed("byte order mark only", file("t.csv", b"\xef\xbb\xbf"), "y", ("empty",)),
    Malformed("header only", file("t.csv", "a,b,y\n"), "y", ("header", "no rows")),
    Malformed("empty gzip", file("t.csv.gz", gzip.compress(b"")), "y", ("empty",)),
    Malformed("gzip of zero bytes", file("t.csv.gz", b""), "y", ("empty",)),
    Malformed(
        "gzip cut off",
        cut(file("t.csv.gz", gzip.compress(GOOD.encode()))),
        "y",
        ("gzip", "cut off"),
    ),
    Malformed(
        "gzip damaged",
        file("t.csv.gz", gzip.compress(GOOD.encode())[:40] + b"\xff" * 400),
        "y",
        ("gzip", "damaged"),
    ),
    Malformed("gz that is plain", file("t.csv.gz", GOOD), "y", ("gz", "no gzip file")),
    Malformed(
        "plain that is gz", file("t.csv", gzip.compress(GOOD.encode())), "y", ("a gzip file",)
    ),
    Malformed("zip called csv", file("t.csv", b"PK\x03\x04" + bytes(50)), "y", ("zip",)),
    Malformed("binary garbage", file("t.csv", bytes(range(256)) * 4), "y", ("binary",)),
    Malformed("utf-16", file("t.csv", GOOD.encode("utf-16")), "y", ("UTF-16", "UTF-8")),
    Malformed("utf-16 without mark", file("t.csv", GOOD.encode("utf-16-le")), "y", ("binary",)),
    Malformed(
        "latin-1 cell",
        file("t.csv", with_line(9, "1,2,café").encode("latin-1")),
        "y",
        ("UTF-8", "0xe9", "line 9"),
    ),
    Malformed(
        "latin-1 header",
        file("t.csv", GOOD.replace("b,y", "größe,y").encode("latin-1")),
        "y",
        ("UTF-8", "line 1"),
    ),
    # its shape
    Malformed("semicolons", file("t.csv", GOOD.replace(",", ";")), "y", ("semicolons", "commas")),
    Malformed("tabs in csv", file("t.csv", GOOD.replace(",", "\t")), "y", ("tabs", ".tsv")),
    Malformed("bars", file("t.csv", GOOD.replace(",", "|")), "y", ("bars",)),
    Malformed("commas in tsv", file("t.tsv", GOOD), "y", ("commas", "tabs")),
    Malformed(
        "semicolons and decimal commas",
        file("t.csv", "a;b;y\n" + "1,5;2,5;u\n" * 30),
        "y",
        ("semicolons",),
    ),
    Malformed(
        "row too long",
        file("t.csv", with_line(12, "1,2,yes,4")),
        "y",
        ("line 12", "4 cells", "header has 3"),
    ),
    Malformed(
        "row too short",
        file("t.csv", with_line(30, "1,2")),
        "y",
        ("line 30", "2 cells", "header has 3"),
    ),
    Malformed(
        "ragged after a quoted line break",
        file("t.csv", 'a,b,y\n"1\n2",2,u\n1,2\n'),
        "y",
        ("line 4", "2 cells"),
    ),
    Malformed(
        "rows between two quotes",
        file("t.csv", rows("a,b,y", lambda i: f"{i},{quoted(i)}item,{i % 2}")),
        "y",
        ("line 7", "quote"),
    ),
    Malformed(
        "rows within a cell",
        file(
            "t.csv",
            rows("a,b,y", lambda i: f"{i},{quoted(i) if i == 5 else ''}item 5{closed(i)},{i % 2}"),
        ),
        "y",
        ("line 7", "34 lines", "look like rows"),
    ),
    Malformed(
        "blanks before quotes",
        file("t.csv", rows('y, "a"', lambda i: f'{i % 2}, "{i / 7}"')),
        "y",
        ("blank", "quotes of '\"a\"'", "skipinitialspace"),
    ),
    Malformed(
        "blanks before the quotes of cells",
        file("t.csv", rows("y,a", lambda i: f"{i % 2}," + (f' "{i / 7}"' if i else ""))),
        "y",
        ("blank", "quotes of '\"0.14"),
    ),
    Malformed(
        "quote never closed",
        file("t.csv", with_line(20, '1,2,"yes')),
        "y",
        ("line 20", "never closed"),
    ),
    Malformed(
        "column name twice",
        file("t.csv", GOOD.replace("a,b,y", "a,a,y")),
        "y",
        ("'a'", "twice", "1 and 2"),
    ),
    Malformed(
        "column name empty",
        file("t.csv", GOOD.replace("a,b,y", ",b,y")),
        "y",
        ("column 1", "no name"),
    ),
    Malformed(
        "no header",
        file("t.csv", "\n".join(f"{i / 7},{i},{i % 2}" for i in range(50))),
        "y",
        ("line 1", "numbers", "header"),
    ),
    Malformed("two names in parquet", two_names_parquet, "y", ("'a'", "twice")),
    # its cells
    Malformed(
        "word in a number column",
        file("t.csv", with_line(17, "12 kg,2,yes")),
        "y",
        ("'a'", "line 17", "'12 kg'", "not a number"),
    ),
    Malformed(
        "bad date",
        file(
            "t.csv",
            rows(
                "when,y",
                lambda i: f"{'2024-02-30' if i == 9 else f'2024-01-{i % 28 + 1:02d}'},{i % 2}",
            ),
        ),
        "y",
        ("'when'", "line 11", "2024-02-30", "not a date"),
    ),
    Malformed(
        "infinite cell",
        file("t.csv", with_line(8, "1,inf,yes")),
        "y",
        ("'b'", "line 8", "infinite"),
    ),
    Malformed(
        "overflowing cell",
        file("t.csv", with_line(8, "1e999,1,yes")),
        "y",
        ("'a'", "line 8", "infinite"),
    ),
    Malformed(
        "cell beyond float32",
        file("t.csv", with_line(8, "1e200,1,yes")),
        "y",
        ("'a'", "line 8", "too large"),
    ),
    Malformed(
        "infinite in parquet",
        frame_file("t.parquet", infinite_frame),
        "y",
        ("'a'", "row 17", "infinite"),
    ),
    Malformed("lists in parquet", frame_file("t.parquet", lists_frame), "y", ("'a'", "row 0")),
    # other formats
    Malformed(
        "parquet cut off", cut(frame_file("t.parquet", small_frame)), "y", ("damaged", "Parquet")
    ),
    Malformed("parquet that is csv", file("t.parquet", GOOD), "y", ("damaged", "Parquet")),
    Malformed("empty parquet", file("t.parquet", b""), "y", ("empty",)),
    Malformed(
        "parquet without rows",
        frame_file("t.parquet", lambda: small_frame()[:0]),
        "y",
        ("no rows",),
    ),
    Malformed(
        "feather cut off", cut(frame_file("t.feather", small_frame)), "y", ("damaged", "Feather")
    ),
    Malformed("npz cut off", cut(arrays("t.npz", X=X, y=Y)), "y", ("damaged", "NPZ")),
    Malformed("npz that is csv", file("t.npz", GOOD), "y", ("NPZ",)),
    Malformed("npz that is a pickle", file("t.npz", pickle.dumps([1, 2])), "y", ("NPZ",)),
    Malformed("npz without X", arrays("t.npz", y=Y), "y", ("no array X", "np.savez")),
    Malformed("npz without y", arrays("t.npz", X=X), "y", ("no column 'y'",)),
    Malformed(
        "npz of objects",
        arrays("t.npz", X=np.array([[1, "a"]] * 40, dtype=object), y=Y),
        "y",
        ("X", "objects"),
    ),
    Malformed(
        "npz of images",
        arrays("t.npz", X=np.zeros((40, 3, 3)), y=Y),
        "y",
        ("(40, 3, 3)", "reshape"),
    ),
    Malformed("npz of two lengths", arrays("t.npz", X=X, y=Y[:-1]), "y", ("[40]", "(39,)")),
    Malformed("npz of complex numbers", arrays("t.npz", X=X + 1j, y=Y), "target", ("complex",)),
    # the target
    Malformed(
        "target not there",
        file("t.csv", GOOD.replace("a,b,y", "a,b,Label")),
        "lable",
        ("'lable'", "'Label'"),
    ),
    Malformed("target in other letters", file("t.csv", GOOD), "Y", ("'Y'", "'y'")),
    Malformed(
        "target of one class",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},yes")),
        "y",
        ("'y'", "one class", "'yes'"),
    ),
    Malformed(
        "target of one value",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},1.5")),
        "y",
        ("'y'", "every row"),
        "regression",
    ),
    Malformed(
        "target without values",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},")),
        "y",
        ("'y'", "no values"),
    ),
    Malformed(
        "10,000 classes",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},name{i // 3}", 30_000)),
        "y",
        ("'y'", "10,000 classes"),
    ),
    Malformed(
        "every class once",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},n{i}")),
        "y",
        ("'y'", "60 classes"),
    ),
    Malformed(
        "2,000 classes of numbers",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},{i // 2}", 4_000)),
        "y",
        ("2,000 classes", "regression"),
        "classification",
    ),
    Malformed(
        "text to regress", file("t.csv", GOOD), "y", ("'y'", "not a number", "line 2"), "regression"
    ),
    Malformed(
        "fractions to classify",
        file("t.csv", GOOD),
        "a",
        ("'a'", "fraction", "line 3"),
        "classification",
    ),
    Malformed(
        "infinite target",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},{'-inf' if i == 3 else i / 7}")),
        "y",
        ("'y'", "line 5", "infinite"),
        "regression",
    ),
    Malformed(
        "word in a number target",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},{'n.b.' if i == 3 else i / 7}")),
        "y",
        ("'y'", "line 5", "'n.b.'", "not a number"),
    ),
    Malformed(
        "dates to predict",
        frame_file(
            "t.feather",
            lambda: pd.DataFrame(
                {"a": np.arange(30) % 4, "y": pd.date_range("2024-01-01", periods=30)}
            ),
        ),
        "y",
        ("'y'", "dates"),
    ),
    Malformed(
        "unknown task",
        file("t.csv", GOOD),
        "y",
        ("task", "'clustering'"),
        "clustering",
        names_file=False,
    ),
    # too little of it
    Malformed("19 rows", file("t.csv", rows("a,b,y", good, 19)), "y", ("19", "20")),
    Malformed(
        "19 rows with a target",
        file("t.csv", rows("a,y", lambda i: f"{i % 7},{i % 2 if i < 19 else ''}")),
        "y",
        ("19", "20"),
    ),
    Malformed(
        "target alone", file("t.csv", rows("y", lambda i: "uv"[i % 2])), "y", ("no usable column",)
    ),
    Malformed(
        "nothing but an id",
        file("t.csv", rows("id,y", lambda i: f"{i},{'uv'[i % 2]}")),
        "y",
        ("no usable column", "'id'", "identifier"),
    ),
    Malformed(
        "nothing but empty columns",
        file("t.csv", rows("a,b,y", lambda i: f",?,{i % 2}")),
        "y",
        ("no usable column", "'a'", "empty"),
    ),
]
