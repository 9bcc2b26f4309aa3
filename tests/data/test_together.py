"""Which rows belong together by the values of a column, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from shrinkage.data.cells import text
from shrinkage.data.together import Together, check_clusters, hint, numbered
from shrinkage.errors import BadInput


def test_equal_values_are_one_cluster_in_all_parts() -> None:
    train, test = numbered(pd.Series([1.0, 2.0, 1.0]), pd.Series(["2", "3", " 1"]))
    assert train.tolist() == [0, 1, 0]
    assert test.tolist() == [1, 2, 0]
    both = Together("site", train, test)
    assert both.counts == (2, 3)
    (note,) = both.notes
    assert "2 different ones. Of 3 in the test part 2 are among them" in note
    (note,) = Together("site", train, test[1:2]).notes
    assert "on one side of every split: 2 different ones to train and to validate on, 1 to" in note
    strangers = Together("site", train, None, 3)
    assert strangers.counts == (2, None)
    assert "taken for strangers" in strangers.notes[0]
    assert strangers.notes[1].startswith("3 rows without a value of 'site' belong to no other")


def words(*cells: str) -> pd.Series:
    return text(pd.Series(cells))


def days(*cells: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(cells), format="ISO8601"))


ALIKE = [
    (words("1.0", "2.0", ""), words("1", "2", "3")),
    (pd.Series([1, 2, 5]), words("1.", "2.000", "-3.0")),
    (
        days("2024-01-01", "2024-01-02", "2024-01-05"),
        words("2024-01-01", "2024-01-02", "2024-01-03"),
    ),
    (days("2024-01-01 14:00", "2024-01-02", None), words("2024-01-01T14:00", "2024-01-02", "")),
    (words("12345678901234567.0", "2", "3"), pd.Series([12345678901234567, 2, 12345678901234568])),
]


@pytest.mark.parametrize(("train", "test"), ALIKE)
def test_values_are_equal_however_files_spell_them(train: pd.Series, test: pd.Series) -> None:
    """What a spreadsheet or a gap makes of a column must not part a patient."""
    first, second = numbered(train, test)
    assert (first[:2] == second[:2]).all()
    assert len({*first, *second}) == 4


def test_words_with_dots_stay_apart() -> None:
    (codes,) = numbered(pd.Series(["1.0.0", "1", "1.05", "a.0", "a", "007", "7", "2024-01-01"]))
    assert len(set(codes)) == len(codes)


def test_a_row_without_a_value_belongs_to_no_other() -> None:
    (codes,) = numbered(pd.Series(["a", None, "a", np.nan, "b"]))
    assert codes[0] == codes[2]
    assert len(np.unique(codes)) == 4


def test_a_part_that_is_cut_keeps_its_numbers() -> None:
    whole = Together("site", np.array([5, 5, 7, 8]), np.array([], int))
    found = whole.parted(np.array([3, 0, 1]), np.array([2]))
    assert (found.train.tolist(), found.test.tolist()) == ([8, 5, 5], [7])


def test_too_few_clusters_or_none_are_refused() -> None:
    with pytest.raises(BadInput, match="2 different values, and at least 3"):
        check_clusters("site", np.array([0, 1, 1]), 3)
    with pytest.raises(BadInput, match="no two of 3 rows have the same value"):
        check_clusters("site", np.array([0, 1, 2]), 3)
    check_clusters("site", np.array([0, 1, 2, 2]), 3)


NAMES = ["patient", "Patient_ID", "customer no", "user_id", "PTID", "Subject ID#", "patient_uid"]


@pytest.mark.parametrize("name", [*NAMES, "id", "loan_id", "bookingId"])
def test_columns_named_like_people_or_numbers_are_asked_about(name: str) -> None:
    rows = np.repeat(np.arange(30), 3)
    quoted = f"'{name}'" if " " in name or "#" in name else name
    assert f"--together {quoted} keeps" in hint(pd.DataFrame({"a": rows, name: rows}))
    assert not hint(pd.DataFrame({name: np.arange(90)}))  # each of its own
    # Five people are people, where five numbers are kinds.
    assert bool(hint(pd.DataFrame({name: rows % 5}))) == (name in NAMES)


@pytest.mark.parametrize(
    "name",
    ["paid", "grid", "users_per_day", "identity", "valid", "city", "Customers", "n_users", "users"],
)
def test_other_columns_are_not(name: str) -> None:
    assert not hint(pd.DataFrame({name: np.repeat(np.arange(30), 3)}))
