"""Reading: every way in gives the same cells, and CSV cells are what was written."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shrinkage.data.source import read
from shrinkage.errors import BadInput

from .shared import FOLDER, need_tables


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@dataclass(frozen=True)
class Csv:
    """A way of writing the table x=[1, 2], s=[u, v, w]."""

    name: str
    content: bytes
    file: str = "t.csv"
    lines: tuple[int, ...] = (2, 3)

    def __str__(self) -> str:
        return self.name


PLAIN = b"x,s\n1,u\n2,v\n"

WAYS = [
    Csv("plain", PLAIN),
    Csv("without a last line break", PLAIN[:-1]),
    Csv("windows", PLAIN.replace(b"\n", b"\r\n")),
    Csv("old mac", PLAIN.replace(b"\n", b"\r")),
    Csv("byte order mark", b"\xef\xbb\xbf" + PLAIN),
    Csv("quoted", b'"x","s"\n"1","u"\n2,"v"\n'),
    Csv("blanks around", b" x, s\n1 , u\n 2,v \n"),
    Csv("blank lines", b"\nx,s\n\n1,u\n\n\n2,v\n\n", lines=(4, 7)),
    Csv("gzip", gzip.compress(PLAIN), "t.csv.gz"),
    Csv("tsv", PLAIN.replace(b",", b"\t"), "t.tsv"),
    Csv("tsv gzip in capitals", gzip.compress(PLAIN.replace(b",", b"\t")), "T.TSV.GZ"),
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_way_of_writing_a_csv_gives_the_same_table(way: Csv, tmp_path: Path) -> None:
    table = read(write(tmp_path, way.content, way.file))
    assert [c.strip() for c in table.frame.columns] == ["x", "s"]
    assert [c.strip() for c in table.frame["x"]] == ["1", "2"]
    assert [c.strip() for c in table.frame["s"]] == ["u", "v"]
    assert table.frame.index.name == "line"
    assert tuple(table.frame.index) == way.lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_blank_line_in_a_file_of_one_column_is_a_missing_cell(
    before: int, end: str, tmp_path: Path
) -> None:
    """Else predictions would be fewer than rows, and shifted. Those around the table are none."""
    lines = [*[""] * before, "x", "1.5", "", '""', "2.5", "", ""]
    frame = read(write(tmp_path, end.join(lines))).frame
    assert list(frame["x"]) == ["1.5", "", "", "2.5"]
    assert list(frame.index) == [before + n for n in (2, 3, 4, 5)]
    assert frame.index.name == "line"


def test_a_line_break_in_quotes_belongs_to_the_cell(tmp_path: Path) -> None:
    frame = read(write(tmp_path, 'x,s\n1,"a\nb, ""c"""\n2,d\n')).frame
    assert list(frame["s"]) == ['a\nb, "c"', "d"]
    assert list(frame.index) == [2, 4]


def test_a_lone_quote_inside_a_cell_is_a_character(tmp_path: Path) -> None:
    frame = read(write(tmp_path, 'x,s\n1,5" pipe\n2,d\n')).frame
    assert list(frame["s"]) == ['5" pipe', "d"]


def test_cells_stay_as_they_were_written(tmp_path: Path) -> None:
    frame = read(write(tmp_path, "x,s\n007,1.50\n1e3,NA\n")).frame
    assert list(frame["x"]) == ["007", "1e3"]
    assert list(frame["s"]) == ["1.50", "NA"]


@pytest.mark.parametrize("name", ["PAR1", "ARROW1", "PAR1_sum"])
def test_a_columns_name_may_be_how_another_kind_of_file_begins(name: str, tmp_path: Path) -> None:
    assert list(read(write(tmp_path, f"{name},y\n1,2\n")).frame) == [name, "y"]


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.lists(st.tuples(words, words), min_size=1, max_size=8))
def test_any_text_survives_a_csv(cells: list[tuple[str, str]], tmp_path: Path) -> None:
    lines = [[c.replace('"', '""') for c in row] for row in cells]
    content = "first,second\n" + "".join(f'"{a}","{b}"\n' for a, b in lines)
    frame = read(write(tmp_path, content)).frame
    assert list(frame.itertuples(index=False, name=None)) == cells


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_columnar_files_keep_values_and_types(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "f": [0.5, np.nan, 2.0],
            "i": [3, 2, 1],
            "s": ["u", None, "w"],
            "b": [True, False, True],
            "d": pd.to_datetime(["2024-01-01", "2024-05-31T12:00", None], format="ISO8601"),
            "c": pd.Categorical(["p", "q", "p"]),
        }
    )
    path = tmp_path / f"t{suffix}"
    (frame.to_parquet if suffix == ".parquet" else frame.to_feather)(path)
    pd.testing.assert_frame_equal(read(path).frame, frame, check_index_type=False)


def test_row_numbers_of_a_shuffled_frame_are_no_column(tmp_path: Path) -> None:
    """pandas writes them as one. An index with a name is a person's column."""
    frame = pd.DataFrame({"a": np.arange(20.0), "y": np.arange(20) > 9}).sample(
        frac=1, random_state=0
    )
    frame.to_parquet(tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet").frame
    assert list(found.columns) == ["a", "y"]
    assert found["a"].tolist() == frame["a"].tolist()
    frame.rename_axis("when").to_parquet(tmp_path / "t.parquet")
    assert set(read(tmp_path / "t.parquet").frame.columns) == {"a", "y", "when"}


def test_an_npz_file_a_pair_and_two_arguments_agree(tmp_path: Path) -> None:
    x, y = np.arange(12.0).reshape(4, 3), np.array(["u", "v", "u", "v"])
    np.savez(tmp_path / "t.npz", X=x, y=y)
    tables = [read(tmp_path / "t.npz"), read((x, y)), read(x, y), read(x, y[:, None])]
    for table in tables:
        assert table.target == "target"
        pd.testing.assert_frame_equal(table.frame, tables[0].frame)
    np.testing.assert_array_equal(tables[0].frame[["x0", "x1", "x2"]], x)
    assert list(tables[0].frame["target"]) == list(y)


def test_a_frame_keeps_its_index_and_gets_the_name_of_y() -> None:
    frame = pd.DataFrame({1: [1, 2], "s": ["u", "v"]}, index=["p", "q"])
    table = read(frame, pd.Series([0, 1], name="s", index=[7, 8]))
    assert list(table.frame.columns) == ["1", "s", "s_"]
    assert table.target == "s_"
    assert list(table.frame.index) == ["p", "q"]
    assert list(table.frame["s_"]) == [0, 1]
    assert list(frame.columns) == [1, "s"]


@dataclass(frozen=True)
class Dtype:
    """Values of some type, and the dtype they are brought to."""

    values: Any
    expected: str

    def __str__(self) -> str:
        return f"{getattr(self.values, 'dtype', 'object')} to {self.expected}"


DTYPES = [
    Dtype(pd.array([1, None], dtype="Int16"), "Int16"),
    Dtype(pd.array([1.5, None], dtype="Float32"), "float64"),
    Dtype(np.array([1, 2], dtype=np.float16), "float64"),
    Dtype(pd.array(["u", None], dtype="string"), "str"),
    Dtype(pd.array([True, None], dtype="boolean"), "boolean"),
    Dtype(pd.array([1, None], dtype="int64[pyarrow]"), "Int64"),
    Dtype(pd.array([1, 2], dtype="int8[pyarrow]"), "int8"),
    Dtype(pd.array(["u", None], dtype="string[pyarrow]"), "str"),
    Dtype(pd.arrays.SparseArray([0.0, 1.0]), "float64"),
    Dtype(np.array([1, 2.5], dtype=object), "float64"),
    Dtype(np.array([1, None], dtype=object), "Int64"),
    Dtype(np.array([True, None], dtype=object), "boolean"),
    Dtype(np.array([1, "u"], dtype=object), "str"),
    Dtype(np.array([None, None], dtype=object), "float64"),
    Dtype(pd.array(["2024-01-01"] * 2, dtype="datetime64[ns, UTC]"), "datetime64[ns, UTC]"),
]


@pytest.mark.parametrize("case", DTYPES, ids=str)
def test_columns_are_brought_to_plain_dtypes(case: Dtype) -> None:
    column = read(pd.DataFrame({"a": case.values})).frame["a"]
    assert str(column.dtype) == case.expected
    assert column.notna().tolist() == pd.Series(case.values).notna().tolist()


BIG = 2**60


WAYS = ["parquet", "feather", "arrow", "batch", "polars", "pyarrow dtype", "y"]


@pytest.mark.parametrize("way", WAYS)
def test_whole_numbers_with_gaps_stay_whole_whatever_brings_them(way: str, tmp_path) -> None:
    """As float64 they would be 1.152921504606847e18, all three."""
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    numbers = [BIG, BIG + 1, None, BIG + 2]
    table = pa.table({"a": pa.array(numbers, pa.int64()), "b": [1.0, 2.0, 3.0, 4.0]})
    if way == "parquet":
        pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
        found = read(tmp_path / "t.parquet").frame["a"]
    elif way == "feather":
        pyarrow.feather.write_feather(table, tmp_path / "t.feather")
        found = read(tmp_path / "t.feather").frame["a"]
    elif way == "y":
        found = read(np.ones((4, 1)), table["a"]).frame["target"]
    elif way == "polars":
        found = read(SimpleNamespace(to_arrow=lambda: table)).frame["a"]
    elif way == "batch":
        found = read(table.to_batches()[0]).frame["a"]
    elif way == "arrow":
        found = read(table).frame["a"]
    else:
        found = read(table.to_pandas(types_mapper=pd.ArrowDtype)).frame["a"]
    assert [None if pd.isna(each) else int(each) for each in found] == numbers


def csv_of(tmp_path: Path, cell: str, more: str = "") -> Path:
    """Sixty rows; in line 4 there is a cell of a person's making, at the end blank lines or not."""
    lines = [f"{i},{cell if i == 2 else 'plain'},{i % 2}" for i in range(60)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,comment,y", *lines]) + "\n" + more)
    return path


@pytest.mark.parametrize("more", ["", "\n"])
@pytest.mark.parametrize(
    "cell",
    [
        '"all fine, mostly\nthe room, clean, quiet\nthe food, rich, late\nstaff, kind, slow\nbye"',
        '"3" inch',
        f'"{"long " * 30_000}"',
    ],
    ids=["a comment of lines with commas", "a loose quote", "a long text"],
)
def test_texts_of_any_kind_are_read_with_and_without_a_blank_line(
    cell: str, more: str, tmp_path: Path
) -> None:
    frame = read(csv_of(tmp_path, cell, more)).frame
    assert list(frame["x"]) == [str(i) for i in range(60)]
    assert frame["comment"].iloc[3] == "plain"
    assert len(frame["comment"].iloc[2]) >= len(cell) - 2


def test_names_are_trimmed_as_in_a_csv() -> None:
    table = read(pd.DataFrame({" a": [1, 2], "b ": [3, 4]}), pd.Series([0, 1], name=" y "))
    assert list(table.frame.columns) == ["a", "b", "y"]
    assert table.target == "y"
    with pytest.raises(BadInput, match="'a' is used twice"):
        read(pd.DataFrame([[1, 2]], columns=["a", " a"]))


def test_y_may_have_any_name() -> None:
    assert read(pd.DataFrame({"a": [1, 2]}), pd.Series([0, 1], name="self")).target == "self"


def test_columns_that_do_not_matter_may_hold_anything() -> None:
    frame = pd.DataFrame({"a": [1, 2], "vector": [[1], [2]], "took": pd.to_timedelta([1, 2])})
    with pytest.raises(BadInput, match="'vector'"):
        read(frame)
    found = read(frame, only=["a"]).frame
    assert list(found.columns) == ["a", "vector", "took"]
    assert list(frame.columns) == ["a", "vector", "took"]


@dataclass(frozen=True)
class Refused:
    """In-memory input that cannot be a table."""

    source: Any
    y: Any
    expects: str

    def __str__(self) -> str:
        return self.expects


REFUSED = [
    Refused(np.arange(4.0), None, "(4,)"),
    Refused(np.zeros((2, 2, 2)), None, "(2, 2, 2)"),
    Refused(np.zeros((2, 0)), None, "no columns"),
    Refused(np.zeros((0, 2)), None, "no rows"),
    Refused(np.zeros((2, 2)), [1, 2, 3], "(3,)"),
    Refused(np.zeros((2, 2)), np.zeros((2, 2)), "(2, 2)"),
    Refused(np.zeros((2, 2), dtype=complex), None, "complex"),
    Refused(pd.DataFrame({"a": [{}, {}]}), None, "dict"),
    Refused(pd.DataFrame({"a": [b"u", b"v"]}), None, "bytes"),
    Refused(pd.DataFrame({"a": pd.to_timedelta([1, 2])}), None, "timedelta"),
    Refused(pd.DataFrame([[1, 2]], columns=["a", "a"]), None, "'a'"),
    Refused(pd.DataFrame([[1, 2]], columns=[1, "1"]), None, "'1'"),
    Refused("digits", [1], "its own target"),
    Refused("https://example.org/t.csv", None, "Download"),
    Refused("x" * 5000 + ".csv", None, "cannot be read"),
    Refused(3, None, "()"),
]


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_no_table_is_refused(case: Refused) -> None:
    with pytest.raises(BadInput) as caught:
        read(case.source, case.y)
    assert case.expects in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


@dataclass(frozen=True)
class Builtin:
    name: str
    shape: tuple[int, int]
    label: Any

    def __str__(self) -> str:
        return self.name


BUILTINS = [
    Builtin("digits", (1797, 65), 0),
    Builtin("breast_cancer", (569, 31), "malignant"),
    Builtin("wine", (178, 14), "class_0"),
    Builtin("diabetes", (442, 11), 151.0),
]


@pytest.mark.parametrize("case", BUILTINS, ids=str)
def test_built_in_tables(case: Builtin) -> None:
    table = read(case.name)
    assert table.frame.shape == case.shape
    assert table.target == "target"
    assert table.frame["target"].iloc[0] == case.label


def test_mnist1d_leaves_the_global_generator_alone() -> None:
    pytest.importorskip("mnist1d", reason="mnist1d is not installed")
    before = np.random.get_state()[1].copy()  # noqa: NPY002  pyright: ignore
    table = read("mnist1d")
    assert table.frame.shape == (5000, 41)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_mnist1d_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mnist1d.data", None)
    with pytest.raises(BadInput, match=r"'\.\[mnist1d\]'"):
        read("mnist1d")


@need_tables
def test_a_compressed_table_is_read_whole() -> None:
    assert read(FOLDER / "adult.csv.gz").frame.shape == (48_842, 15)


def test_a_cell_may_hold_a_blank_and_quotes(tmp_path: Path) -> None:
    """Quoted whole, its own quotes doubled, it is what it says."""
    (tmp_path / "t.csv").write_text('y,a\n0," ""yes"""\n1,no\n')
    assert list(read(tmp_path / "t.csv").frame["a"]) == [' "yes"', "no"]
