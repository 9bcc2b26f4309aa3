"""Groups of test rows: each row is in one, and bounds are the training rows' own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shrinkage.data.groups import (
    FEWEST,
    MOST,
    NO_VALUE,
    Groups,
    check_column,
    checked,
    groups,
    unread,
)
from shrinkage.data.schema import conform, infer
from shrinkage.data.source import Table
from shrinkage.errors import BadInput


def repeated(counts: dict[object, int]) -> pd.Series:
    return pd.Series([value for value, n in counts.items() for _ in range(n)])


def sizes(found: Groups) -> dict[str, int]:
    return dict(zip(found.names, found.counts.tolist(), strict=True))


def test_a_value_is_a_group_and_rare_ones_are_one() -> None:
    test = repeated({"a": 50, "b": 70, "c": 19, "d": 5, None: 3})
    found = groups("x", test, test)
    assert sizes(found) == {"b": 70, "a": 50, "other (3 values)": 27}
    assert found.about == "other: 'c', 'd', 'no value'"
    assert found.judged == 3


def test_a_cell_that_says_no_value_is_not_a_missing_one() -> None:
    test = repeated({"a": 40, NO_VALUE: 30, None: 25})
    assert sizes(groups("x", test, test)) == {"a": 40, NO_VALUE: 30, "no value (missing)": 25}


def test_one_rare_value_keeps_its_name_and_is_not_judged() -> None:
    found = groups("x", pd.Series(["a"]), repeated({"a": 50, "b": 30, "rare": 19}))
    assert sizes(found) == {"a": 50, "b": 30, "rare": 19}
    assert found.judged == 2


def test_equal_sizes_stand_in_the_order_of_their_names() -> None:
    test = repeated({"b": 30, "c": 30, "a": 30})
    assert groups("x", test, test).names == ("a", "b", "c")
    assert groups("x", test, test[::-1]).names == ("a", "b", "c")


def test_missing_cells_are_a_group() -> None:
    test = repeated({"a": 50, None: 40})
    assert sizes(groups("x", test, test)) == {"a": 50, NO_VALUE: 40}
    numbers = pd.Series([*np.arange(200.0), *[np.nan] * 30])
    assert sizes(groups("x", numbers, numbers))[NO_VALUE] == 30


def test_no_more_groups_than_anybody_reads() -> None:
    test = repeated({f"v{i:02}": 40 - i for i in range(16)})
    found = groups("x", test, test)
    assert len(found.names) == MOST + 1
    assert found.names[-1] == "other (4 values)"
    assert found.names[0] == "v00"


def test_numbers_are_cut_at_the_quartiles_of_the_training_rows() -> None:
    train = pd.Series(np.arange(101.0))  # 25, 50, 75
    test = pd.Series([0.0, 25.0, 25.5, 50.0, 75.0, 75.1, 900.0] * 20)
    found = groups("x", train, test)
    assert found.names == ("up to 25", "25 to 50", "50 to 75", "above 75")
    assert found.codes[:7].tolist() == [0, 0, 1, 1, 2, 3, 3]
    assert "25, 50, 75: quartiles of the training rows" in found.about
    moved = groups("x", train, test + 1000)
    assert moved.names == ("above 75",)  # test rows have no say


def test_few_test_rows_are_cut_once() -> None:
    found = groups("x", pd.Series(np.arange(101.0)), pd.Series(np.arange(6 * FEWEST - 1.0)))
    assert found.names == ("up to 50", "above 50")
    assert "the median of the training rows" in found.about


@pytest.mark.parametrize(
    ("train", "names"),
    [
        ([0.0] * 90 + list(range(1, 31)), ("up to 0", "above 0")),
        ([99.0] * 110 + list(range(30)), ("up to 29", "above 29")),
    ],
)
def test_quartiles_that_fall_together(train: list[float], names: tuple[str, ...]) -> None:
    column = pd.Series(train)
    found = groups("x", column, column)
    assert found.names == names
    assert found.counts.min() >= FEWEST


def test_few_numbers_and_codes_are_values() -> None:
    whole = pd.Series([1.0, 2.0, 3.0] * 40)
    assert set(groups("x", whole, whole).names) == {"1", "2", "3"}
    codes = pd.Series([f"{i:03}" for i in range(12)] * 30, dtype="str")
    assert "001" in groups("x", codes, codes).names
    truth = pd.Series([True, False] * 30)
    assert set(groups("x", truth, truth).names) == {"True", "False"}


def test_dates_are_cut_as_dates() -> None:
    days = pd.Series(pd.date_range("2024-01-01", periods=201, freq="D"))
    found = groups("x", days, days)
    assert found.names[0] == "up to 2024-02-20"
    text = days.dt.strftime("%Y-%m-%d").astype("str")
    assert groups("x", text, text).names == found.names


def test_one_date_is_one_group() -> None:
    days = pd.Series([pd.Timestamp("2024-01-01")] * 50)
    assert len(groups("x", days, days).names) == 1
    none = pd.Series(np.full(50, "NaT"), dtype="datetime64[us]")
    assert groups("x", none, none).names == ("no value",)
    later = days + pd.to_timedelta(np.arange(50) % 2, "D")
    assert len(groups("x", later, later).names) == 2


def test_bounds_that_lie_near_each_other_have_names_of_their_own() -> None:
    seconds = pd.Series(1_700_000_000.0 + np.arange(400))
    found = groups("x", seconds, seconds)
    assert found.names == (
        "up to 1700000099", "1700000099 to 1700000199", "1700000199 to 1700000299",
        "above 1700000299",
    )  # fmt: skip
    dates = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) / 10, "s"))
    found = groups("x", dates, dates)
    assert len(set(found.names)) == 4
    assert found.names[0] == "up to 2024-01-01 00:00:09"


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=1, max_size=300),
    st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=12, max_size=300),
)
def test_groups_partition_the_rows_whatever_their_order(words: list, numbers: list) -> None:
    columns = [pd.Series(words, dtype="str"), pd.Series(numbers, dtype=float)]
    for column in columns:
        if not column.notna().any():
            continue
        found = groups("x", column, column)
        assert len(found.codes) == len(column)
        assert found.counts.min() > 0
        assert found.counts.sum() == len(column)
        turned = groups("x", column[::-1], column[::-1])
        assert turned.names == found.names
        assert (turned.codes[::-1] == found.codes).all()


def test_one_group_cannot_be_compared() -> None:
    ids = pd.Series([f"row {i}" for i in range(60)])
    one = groups("id", ids, ids)
    with pytest.raises(BadInput, match=r"--by id: all of the 60 test rows are in one group"):
        checked("id", one)
    few = Groups("x", ("a", "b"), np.repeat([0, 1], [19, 5]))
    with pytest.raises(BadInput, match=r"no group has 20 of the 24 test rows"):
        checked("x", few)


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"no column 'Sexx' for --by") as caught:
        check_column("Sexx", ["age", "sex"], "t.csv")
    assert "Did you mean 'sex'?" in str(caught.value)


def test_columns_that_networks_do_not_read_keep_their_rows() -> None:
    """Rows without a target, or alone in their class, are left out of both; the order stays."""
    frame = pd.DataFrame(
        {
            "id": [f"k{i}" for i in range(60)],
            "same": ["c"] * 60,
            "x": np.random.default_rng(0).normal(size=60),
            "y": ["rare", *(None if i % 7 == 0 else str(i % 2) for i in range(1, 60))],
        },
        index=[i // 2 for i in range(60)],  # labels are doubled
    )
    table = Table(frame, "t")
    schema, cleaned = infer(table, "y")
    others = unread(table, schema)
    assert list(others) == ["id", "same"]
    assert len(others) == len(cleaned)
    by_number = dict(zip(frame["x"], frame["id"], strict=True))
    assert [by_number[x] for x in cleaned["x"]] == others["id"].tolist()
    known = Table(frame[1:], "t")
    test, _ = conform(schema, known, need_target=True)
    assert [by_number[x] for x in test["x"]] == unread(known, schema)["id"].tolist()
