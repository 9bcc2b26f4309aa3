"""Schema: which kind each column is, which task the target sets, what is said and refused."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from shrinkage.data.groups import unread
from shrinkage.data.schema import Column, Schema, conform, infer
from shrinkage.data.source import Table, read
from shrinkage.errors import BadInput

from .shared import FOLDER, need_tables

N = 60
Y = np.array(["u", "v", "v"] * (N // 3))


def cells(*values: str) -> list[str]:
    """Text cells, as of a CSV: the given ones in turn."""
    return [values[i % len(values)] for i in range(N)]


def table_of(values: Any, name: str = "a", y: Any = Y) -> Table:
    """A table of one column, beside a number `b` and the target `y`."""
    rest = [f"{i % 7}.5" for i in range(N)]
    return read(pd.DataFrame({name: values, "b": rest, "y": y}))


@dataclass(frozen=True)
class Case:
    """A column, its kind, and a word of its note ("" for none)."""

    what: str
    values: Any
    kind: str
    note: str = ""
    name: str = "a"

    def __str__(self) -> str:
        return self.what


COUNT = [str(i) for i in range(N)]
SHUFFLED = [str(i * 37 % 61) for i in range(N)]
DAYS = pd.date_range("2024-01-01", periods=N)

COLUMNS = [
    Case("fractions", cells("0.5", "1e3", "-.25", "+7."), "number"),
    Case("few integers", cells("0", "1"), "number"),
    Case("numbers with gaps", cells("0", "", "NA", "?", "2"), "number"),
    Case("float dtype", np.arange(N) / 7, "number"),
    Case("falling fractions", [f"{i}.5" for i in reversed(range(N))], "number"),
    Case("whole floats in order", np.arange(N, dtype=float), "number"),
    Case("different integers in any order", SHUFFLED, "number"),
    Case("words", cells("red", "green", "none"), "category"),
    Case("bool", np.arange(N) % 2 == 0, "category"),
    Case("pandas category of numbers", pd.Categorical([1, 2, 3] * 20), "category"),
    Case("zip codes", cells("00123", "12345", "99999"), "category", "leading zeros"),
    Case("codes with a few words", cells(*["0", "1", "2"] * 5, "3+"), "category", "'3+'"),
    Case("half numbers, few", cells("1", "2", "k", "l"), "category"),
    Case("many numbers, and a word", cells(*map(str, range(24)), *"-----"), "category", "'-' (row"),
    Case("mostly dates", cells("2024-01-01", "2024-01-02", "0000-00-00"), "category", "67 %"),
    Case("other dates, year first", cells("2023/12/31", "2024/1/2"), "category", "YYYY-MM-DD"),
    Case("months", cells("2023-12", "2024-01"), "category", "YYYY-MM-DD"),
    Case("numbers with units", cells("12 kg", "7.5 kg"), "category", "1234.5"),
    Case("long decimal commas", cells("1234,56", "22345,6"), "category", "1234.5"),
    Case("rooms", cells("12 Kitchen", "7 Bathroom"), "category"),
    Case("long codes", cells(f"{10**31 + 1}", f"{10**31 + 2}"), "category", "beyond 1e30"),
    Case("a few long numbers", cells("1", "2.5", f"{10**29}"), "number"),
    Case("long ids", [f"{10**31 + i * 37 % 61}" for i in range(N)], "identifier", "every text"),
    Case("other dates", cells("31/12/2023", "1/2/2024"), "category", "YYYY-MM-DD"),
    Case("decimal commas", cells("1,5", "2,5"), "category", "1234.5"),
    Case("money", cells("$1,000", "$20"), "category", "1234.5"),
    Case("nearly all different", [f"k{i}" for i in range(50)] + ["k0"] * 10, "category", "50"),
    Case("ISO dates", [str(day.date()) for day in DAYS], "date"),
    Case("ISO times", cells("2024-05-31T12:00:00Z", "2024-05-31 13:00", ""), "date"),
    Case("date dtype", DAYS, "date"),
    Case("date dtype with a zone", DAYS.tz_localize("Europe/Paris"), "date"),
    Case("row numbers", COUNT, "identifier", "order of the rows"),
    Case("row numbers, falling", list(reversed(COUNT)), "identifier", "order"),
    Case("named id", SHUFFLED, "identifier", "its name", "customer_id"),
    Case("named Id", SHUFFLED, "identifier", "its name", "PassengerId"),
    Case("not named id", SHUFFLED, "number", "", "humid"),
    Case("saved index", SHUFFLED, "identifier", "its name", "Unnamed: 0"),
    Case("fractions named id", np.arange(N) / 7, "number", "", "id"),
    Case("different words", [f"name {i}" for i in range(N)], "identifier", "every text"),
    Case("constant", cells("7"), "constant", "'7'"),
    Case("constant words", cells("x", " x"), "constant", "'x'"),
    Case("constant with gaps", cells("7", ""), "number"),
    Case("empty cells", cells("", "NA", "?", "null", "None", "N/A", "NaN", "nan"), "empty", "no "),
    Case("numbers with NULL", cells("1.5", "NULL", "2.5", "n/a", "#N/A", "<NA>"), "number"),
    Case("empty dtype", np.full(N, np.nan), "empty", "no values"),
]


@pytest.mark.parametrize("case", COLUMNS, ids=str)
def test_the_kind_of_a_column(case: Case) -> None:
    schema, frame = infer(table_of(case.values, case.name), "y")
    column = schema.columns[0]
    assert (column.name, column.kind) == (case.name, case.kind)
    assert case.note in column.note
    assert bool(case.note) == bool(column.note)
    assert (column.note in schema.notes) or not column.note
    assert (case.name in frame.columns) == (case.kind in ("number", "category", "date"))
    assert list(frame.columns) == [*schema.used, "y"]


def test_identifiers_can_be_kept() -> None:
    schema, frame = infer(table_of(COUNT), "y", keep=["a"])
    assert schema.numbers == ("a", "b")
    assert list(frame["a"]) == list(range(N))


@dataclass(frozen=True)
class Target:
    """A target, the task it sets, its classes, and a word of the notes."""

    what: str
    values: Any
    task: str
    classes: tuple | None
    note: str = "Task:"
    given: str = "auto"

    def __str__(self) -> str:
        return self.what


def int_like(n: int) -> list[int]:
    return [i % n for i in range(N)]


TARGETS = [
    Target("words", cells("v", "u"), "classification", ("u", "v")),
    Target("bool", np.arange(N) % 2 == 0, "classification", (False, True)),
    Target(
        "nullable bool",
        pd.array([True, False, None] * 20, dtype="boolean"),
        "classification",
        (False, True),
        "20 rows without a target",
    ),
    Target(
        "true and false as written", cells("true", "false"), "classification", ("false", "true")
    ),
    Target("20 integers", int_like(20), "classification", tuple(range(20)), "regression"),
    Target("21 integers", int_like(21), "regression", None, "--task classification"),
    Target("10 and 9 are sorted as numbers", cells("10", "9"), "classification", (9, 10)),
    Target("whole floats", np.array(int_like(3), dtype=float), "classification", (0.0, 1.0, 2.0)),
    Target("integers with gaps", cells("1", "2", ""), "classification", (1, 2), "20 rows"),
    Target("fractions", cells("1.5", "2"), "regression", None, "fractions"),
    Target("codes", cells("01", "02"), "classification", ("01", "02")),
    Target(
        "few numbers with a word",
        cells(*["1", "2", "3"] * 4, "U"),
        "classification",
        ("1", "2", "3", "U"),
    ),
    Target("ratings with a word", cells(*"12345", "-"), "classification", tuple("-12345"), "'-')"),
    Target("category of integers", pd.Categorical([3, 1, 2] * 20), "classification", (1, 2, 3)),
    Target("category of words", pd.Categorical(["u", "v"] * 30), "classification", ("u", "v")),
    Target(
        "category called None",
        pd.Categorical(["None", "Mild", "Severe"] * 20),
        "classification",
        ("Mild", "Severe"),
        "20 rows without a target",
    ),
    Target("integers to regress", int_like(3), "regression", None, "", "regression"),
    Target(
        "21 integers to classify",
        int_like(21),
        "classification",
        tuple(range(21)),
        "",
        "classification",
    ),
    Target(
        "class of one row", ["u", "v"] * 29 + ["w", "x"], "classification", ("u", "v"), "'w', 'x'"
    ),
]


@pytest.mark.parametrize("case", TARGETS, ids=str)
def test_the_task_of_a_target(case: Target) -> None:
    schema, frame = infer(table_of(cells("0", "1", "4"), y=case.values), "y", case.given)
    assert (schema.task, schema.classes) == (case.task, case.classes)
    assert [type(c) for c in schema.classes or ()] == [type(c) for c in case.classes or ()]
    assert case.note in " ".join(schema.notes)
    assert set(frame["y"]) == set(case.classes) if case.classes else frame["y"].dtype == float


def test_rows_keep_their_names_also_when_names_are_doubled() -> None:
    frame = pd.DataFrame(
        {"a": np.arange(40) % 7 / 2, "y": ["u", "v"] * 20}, index=[*range(20), *range(20)]
    )
    frame.iloc[3, 1] = None
    _, cleaned = infer(read(frame), "y")
    assert list(cleaned.index) == [i for n, i in enumerate(frame.index) if n != 3]
    assert list(cleaned["a"]) == [v for n, v in enumerate(frame["a"]) if n != 3]


def test_copies_and_gaps_are_counted() -> None:
    notes = infer(table_of(cells("1", "2", "", "4")), "y")[0].notes
    assert any(note.startswith("15 missing cells in 1 column") for note in notes)
    frame = table_of(cells("1", "2", "3", "4"), y=cells("u", "v", "w")).frame
    doubled = infer(Table(pd.concat([frame, frame[:5]]), "t"), "y")[0].notes
    assert any(note.startswith("5 rows repeat") for note in doubled)


values = st.sampled_from(["", "1", "2.5", "u", "v", "w", "2024-01-01", "00", "?", "inf", "-1e9"])


@settings(deadline=None, max_examples=200)
@given(
    columns=st.lists(st.lists(values, min_size=3, max_size=9), min_size=1, max_size=4),
    target=st.lists(values, min_size=2, max_size=5),
    task=st.sampled_from(["auto", "classification", "regression"]),
)
def test_any_table_gives_a_schema_or_says_why_not(
    columns: list[list[str]], target: list[str], task: str
) -> None:
    frame = pd.DataFrame({f"c{i}": cells(*column) for i, column in enumerate(columns)})
    table = read(frame.assign(y=cells(*target)))
    try:
        schema, cleaned = infer(table, "y", task)
    except BadInput as error:
        event(str(error).splitlines()[-1])
        return
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert len(cleaned) >= 20
    again, _ = conform(schema, table, need_target=True)
    pd.testing.assert_frame_equal(again.loc[cleaned.index], cleaned)


@pytest.mark.parametrize("first", [2**53, 10**18, 2**63])
@pytest.mark.parametrize("written", [str, np.uint64])
def test_long_ids_are_classes_of_their_own(first: int, written: Any) -> None:
    """float64 does not tell 2^53 from 2^53 + 1."""
    table = table_of(cells("a", "b"), y=[written(first + i % 3) for i in range(N)])
    schema, cleaned = infer(table, "y", "classification")
    assert [str(label) for label in schema.classes or ()] == [str(first + i) for i in range(3)]
    assert list(cleaned["y"].astype(str)) == [str(first + i % 3) for i in range(N)]
    assert {type(label) for label in schema.classes or ()} == {int if first < 2**63 else str}
    again, _ = conform(schema, table, need_target=True)
    pd.testing.assert_frame_equal(again, cleaned)
    assert len(unread(table, schema)) == N


def test_json_keeps_the_types_of_labels() -> None:
    for classes in [(False, True), (0, 1), (0.0, 1.0), ("0", "1"), None]:
        schema = Schema("classification", "y", (Column("a", "number"),), classes, ("n",))
        back = Schema.from_json(json.loads(json.dumps(schema.to_json())))
        assert back == schema
        assert [type(c) for c in back.classes or ()] == [type(c) for c in classes or ()]


@pytest.mark.parametrize("damaged", [{}, {"task": "regression"}, {"columns": 3}])
def test_a_damaged_schema_is_refused(damaged: dict) -> None:
    with pytest.raises(BadInput, match="damaged"):
        Schema.from_json(damaged)


def trained() -> Schema:
    """A schema with a column of every kind."""
    frame = pd.DataFrame(
        {
            "n": [i % 9 / 2 for i in range(N)],
            "c": cells("red", "2", "1.50"),
            "d": [str(day.date()) for day in DAYS],
            "id": range(N),
            "y": cells("1", "0"),
        }
    )
    return infer(read(frame), "y")[0]


ROW = {"n": "1.5", "c": "red", "d": "2024-05-31", "y": "1"}


def test_conform_orders_drops_and_types() -> None:
    rows = pd.DataFrame([ROW]).assign(other=1)[["other", "y", "d", "c", "n"]]
    frame, notes = conform(trained(), read(rows))
    assert list(frame.columns) == ["n", "c", "d"]
    assert frame.iloc[0].tolist() == [1.5, "red", pd.Timestamp("2024-05-31")]
    assert len(notes) == 1
    assert "'other'" in notes[0]


@pytest.mark.parametrize("target", ["1", 1, 1.0])
def test_conform_reads_the_target_in_the_type_of_training(target: Any) -> None:
    frame, _ = conform(trained(), read(pd.DataFrame([{**ROW, "y": target}])), need_target=True)
    assert frame["y"].tolist() == [1]
    assert frame["y"].dtype == np.int64


def test_conform_counts_unseen_categories_and_missing_targets() -> None:
    rows = pd.DataFrame([ROW, {**ROW, "c": "blue"}, {**ROW, "c": "blue", "y": ""}, ROW])
    _, notes = conform(trained(), read(rows))
    assert len(notes) == 1
    assert "'c': 2 cells" in notes[0]
    assert "'blue'" in notes[0]
    frame, notes = conform(trained(), read(rows), need_target=True)
    assert len(frame) == 3
    assert "1 row" in notes[0]


@pytest.mark.parametrize(
    ("column", "taken"), [("n", "median"), ("c", "most frequent"), ("d", "median")]
)
def test_gaps_in_a_column_that_had_none_are_counted(column: str, taken: str) -> None:
    rows = pd.DataFrame([ROW, {**ROW, column: ""}, {**ROW, column: ""}])
    _, notes = conform(trained(), read(rows))
    assert len(notes) == 1
    assert f"'{column}': 2 missing cells, where training had none" in notes[0]
    assert taken in notes[0]


@pytest.mark.parametrize("column", ["n", "c", "d"])
def test_gaps_are_nothing_new_where_training_had_some(column: str) -> None:
    frame = pd.DataFrame({"n": range(N), "c": cells("a", "b"), "d": DAYS, "y": cells("1", "0")})
    frame["n"] = frame["n"] % 9
    frame.loc[3, column] = None
    schema = infer(read(frame), "y")[0]
    _, notes = conform(schema, read(frame))
    assert not notes
    known = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert [c.complete for c in known.columns] == [c.name != column for c in schema.columns]


def test_a_schema_of_an_earlier_version_says_nothing_of_gaps() -> None:
    saved = trained().to_json()
    for column in saved["columns"]:
        del column["complete"]
    rows = pd.DataFrame([{**ROW, "n": ""}])
    assert not conform(Schema.from_json(saved), read(rows))[1]


def test_categories_agree_across_types() -> None:
    schema = trained()
    for value in ["2", 2, 2.0, "2.0", "+2"]:
        frame, notes = conform(schema, read(pd.DataFrame([{**ROW, "c": value}])))
        assert frame["c"].tolist() == ["2"]
        assert not notes


YES = [True, False]


@pytest.mark.parametrize("given", [YES, [1, 0], [1.0, 0.0], ["1.0", "0"], ["true", "FALSE"]])
@pytest.mark.parametrize("known", [YES, ["true", "false"], ["TRUE", "FALSE"]])
def test_yes_and_no_agree_across_spellings(known: list, given: list) -> None:
    """A frame of bools, a CSV of another program: True, true and 1 are one answer."""
    schema = infer(table_of(pd.Series(known * (N // 2))), "y")[0]
    frame, notes = conform(schema, read(pd.DataFrame({"a": pd.Series(given), "b": "1.5"})))
    assert frame["a"].tolist() == [str(word) for word in known]
    assert not notes


def test_codes_are_not_taken_for_one_another() -> None:
    """7 is what a spreadsheet leaves of 007; 07 and 7e0 are none of training's codes."""
    schema = infer(table_of(cells("007", "010", "123", "0123", "99")), "y")[0]
    given = ["7", "10", "10.0", "99.0", "07", "0010", "00123", "1.23e2", "7e0", "123.0", "123"]
    rows = pd.DataFrame({"a": given, "b": "1.5"})
    found = conform(schema, read(rows))[0]["a"].tolist()
    assert found[:4] == ["007", "010", "010", "99"]
    assert found[4:] == given[4:]  # 123.0 may be 123 or 0123


def test_the_code_of_zeros_is_what_a_spreadsheet_calls_0() -> None:
    schema = infer(table_of(cells("00", "01", "10", "05")), "y")[0]
    rows = pd.DataFrame({"a": ["0", "1", "5", "0.0"], "b": "1.5"})
    assert conform(schema, read(rows))[0]["a"].tolist() == ["00", "01", "05", "00"]


def test_what_an_earlier_version_took_for_words_stays_words() -> None:
    columns = Column("a", "category", values=("A", "NULL", "n/a")), Column(" b ", "number")
    schema = Schema("classification", "y ", columns, ("NULL", "yes"), ())
    rows = pd.DataFrame(
        {"a": ["NULL", "n/a", "#N/A"], "b": ["1", "2", "3"], "y": ["NULL", "yes"] * 1 + [""]}
    )
    frame, notes = conform(schema, read(rows), need_target=True)
    assert list(frame.columns) == ["a", " b ", "y "]
    assert frame["a"].tolist() == ["NULL", "n/a"]
    assert frame["y "].tolist() == ["NULL", "yes"]
    assert notes == ("1 row without a target dropped.",)
    assert pd.isna(conform(schema, read(rows))[0]["a"][2])


def test_long_numbers_among_words_are_compared_exactly() -> None:
    schema = infer(table_of(cells(str(2**60), "x")), "y")[0]
    rows = pd.DataFrame({"a": [str(2**60 + 1), f"{2**60}.0"], "b": "1.5"})
    assert conform(schema, read(rows))[0]["a"].tolist() == [str(2**60 + 1), str(2**60)]


def test_dates_among_words_are_spelled_alike_whatever_stands_beside_them() -> None:
    days = [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02 13:00")]
    for mixed in (pd.Series([*days, "never"] * 20, dtype=object), pd.Categorical(days * 30)):
        schema = infer(table_of(mixed), "y")[0]
        frame, notes = conform(schema, read(pd.DataFrame({"a": pd.Series(days), "b": "1.5"})))
        assert not notes
        assert set(frame["a"]) <= set(schema.columns[0].values)


def test_numbers_among_words_are_those_of_training_whatever_their_decimals() -> None:
    schema = infer(table_of(cells("1.0", "2.0", "x")), "y")[0]
    rows = pd.DataFrame({"a": ["1", "2.00", "x", "3", "2_0", "nan"], "b": "1.5"})
    found = conform(schema, read(rows))[0]["a"]
    assert found[:5].tolist() == ["1.0", "2.0", "x", "3", "2_0"]
    assert found.isna().tolist() == [False] * 5 + [True]


def test_words_that_are_not_yes_and_no_stay_apart() -> None:
    for known in (["true", "True", "false"], ["true", "no", "false"]):
        schema = infer(table_of(cells(*known)), "y")[0]
        rows = pd.DataFrame({"a": ["TRUE", "1", "true"], "b": "1.5"})
        assert conform(schema, read(rows))[0]["a"].tolist() == ["TRUE", "1", "true"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_have_one_unit(unit: str) -> None:
    """Copies of rows, and tables themselves, are told by what is stored."""
    frame = pd.DataFrame({"d": DAYS.astype(f"datetime64[{unit}]"), "b": np.arange(N) / 7, "y": Y})
    schema, cleaned = infer(read(frame), "y")
    assert cleaned["d"].dtype == "datetime64[us]"
    words = read(frame.assign(d=[str(day) for day in DAYS]))
    assert conform(schema, words)[0]["d"].dtype == "datetime64[us]"


def test_a_person_may_say_that_numbers_are_classes_or_not() -> None:
    for values, labels in (([0.5, 1.5], ("0.5", "1.5")), ([1, 2], (1, 2))):
        table = table_of(range(N), y=pd.Categorical(values * (N // 2)))
        assert infer(table, "y")[0].classes == labels
        schema, cleaned = infer(table, "y", "regression")
        assert (schema.task, cleaned["y"].tolist()) == ("regression", values * (N // 2))


@dataclass(frozen=True)
class Refused:
    """Changes to a good row, and words of the error."""

    change: dict[str, Any]
    expects: tuple[str, ...]
    without: str = ""

    def __str__(self) -> str:
        return str(self.change or self.without)


REFUSED = [
    Refused({}, ("missing", "'n'"), without="n"),
    Refused({}, ("missing", "'y'"), without="y"),
    Refused({"n": "many"}, ("'n'", "line 2", "'many'", "not a number")),
    Refused({"n": "inf"}, ("'n'", "line 2", "infinite")),
    Refused({"d": "soon"}, ("'d'", "line 2", "'soon'", "not a date")),
    Refused({"d": "5"}, ("'d'", "line 2", "not a date")),
    Refused({"y": "7"}, ("'y'", "line 2", "'7'", "0, 1")),
    Refused({"y": ""}, ("'y'", "no values")),
]


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_rows_of_another_shape_are_refused(case: Refused, tmp_path: Path) -> None:
    row = {k: v for k, v in {**ROW, **case.change}.items() if k != case.without}
    pd.DataFrame([row]).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(BadInput) as caught:
        conform(trained(), read(tmp_path / "new.csv"), need_target=True)
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    for words in (*case.expects, "new.csv"):
        assert words in message


def test_rules_that_find_kinds_do_not_apply_to_rows_to_predict(tmp_path: Path) -> None:
    # 95 % numbers, leading zeros, one value only: the schema has decided already
    column = ["2"] * 19 + ["red"]
    pd.DataFrame({**ROW, "c": column, "n": "007"}).to_csv(tmp_path / "new.csv", index=False)
    frame, notes = conform(trained(), read(tmp_path / "new.csv"))
    assert frame["n"].tolist() == [7.0] * 20
    assert frame["c"].tolist() == column
    assert not notes


@dataclass(frozen=True)
class Real:
    """A real table: rows, number columns, category columns, dropped columns, classes."""

    name: str
    rows: int
    numbers: int
    categories: int
    dropped: int
    classes: int
    task: str = "auto"

    def __str__(self) -> str:
        return self.name


REAL = [
    Real("abalone", 4_177, 7, 1, 0, 0),
    Real("adult", 48_842, 6, 8, 0, 2),
    Real("anneal", 898, 10, 21, 7, 5),
    Real("california", 20_640, 8, 0, 0, 0),
    Real("car", 1_728, 0, 6, 0, 4),
    Real("churn", 5_000, 20, 0, 0, 2),
    Real("credit_g", 1_000, 7, 13, 0, 2),
    Real("kr_vs_kp", 3_196, 0, 36, 0, 2),
    Real("phoneme", 5_404, 5, 0, 0, 2),
    Real("segment", 2_310, 18, 0, 1, 7),
    Real("vehicle", 846, 18, 0, 0, 4),
    Real("wine_white", 4_898, 11, 0, 0, 0, "regression"),
]


@need_tables
@pytest.mark.parametrize("case", REAL, ids=str)
def test_the_real_tables(case: Real) -> None:
    schema, frame = infer(read(FOLDER / f"{case.name}.csv.gz"), "target", case.task)
    counts = len(schema.numbers), len(schema.categories), len(schema.columns) - len(schema.used)
    assert (len(frame), *counts) == (case.rows, case.numbers, case.categories, case.dropped)
    assert len(schema.classes or ()) == case.classes
    assert schema.dates == ()
