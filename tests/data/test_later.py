"""Rows in the order of time: the latest judge, moments stay whole."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage.data.later import latest, moments, notes
from shrinkage.errors import BadInput

DAYS = pd.Series(pd.date_range("2024-01-01", periods=100, freq="D"))


def test_the_latest_fifth_is_after_all_others() -> None:
    shuffled = DAYS.sample(frac=1, random_state=0).reset_index(drop=True)
    for series in (shuffled, shuffled.astype(str), shuffled.dt.day_of_year):
        before, after = latest("when", series, 0.2)
        assert (len(before), len(after)) == (80, 20)
        assert shuffled[before].max() < shuffled[after].min()
        assert sorted([*before, *after]) == list(range(100))


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=40),
    st.sampled_from([0.1, 0.2, 0.5, 0.9]),
)
def test_a_moment_is_never_cut_and_the_share_is_the_nearest(times: list[int], share: float) -> None:
    series = pd.Series(times, dtype=float)
    if series.nunique() < 2:
        with pytest.raises(BadInput, match="1 different value, and at least 2"):
            latest("t", series, share)
        return
    before, after = latest("t", series, share)
    assert series[before].max() < series[after].min()
    sizes = [(series >= moment).sum() for moment in sorted(series.unique())[1:]]
    assert abs(len(after) - share * len(series)) == min(abs(n - share * len(series)) for n in sizes)


def test_rows_without_a_time_are_trained_on() -> None:
    series = pd.Series([None, "2024-01-03", "2024-01-01", None, "2024-01-02"])
    before, after = latest("when", series, 0.2)
    assert (before.tolist(), after.tolist()) == ([0, 2, 3, 4], [1])
    (cut, gaps) = notes("when", series[after], None, series, own=False)
    assert cut == ("Rows are cut by 'when': 1 row from 2024-01-03 on validate; 4 are trained on.")
    assert gaps == "2 rows without a value of 'when': trained on."
    # One moment and gaps: the rows that have it are later than those that may be of any.
    assert latest("when", pd.Series([1.0, np.nan, 1.0]), 0.2)[1].tolist() == [0, 2]


def test_dates_are_seconds_and_both_ends_are_said() -> None:
    found = moments("when", pd.Series(["1970-01-02", "1970-01-01 00:00:30", None]))
    np.testing.assert_array_equal(found, [86400.0, 30.0, np.nan])
    years = pd.Series([2018, 2018, 2019, 2020])
    (said,) = notes("t", years[2:], pd.Series([2021.0]), years, own=False)
    assert "2 rows from 2019 on validate, 1 row from 2021 on test; 2 are trained on" in said
    (said,) = notes("t", pd.Series(["2024-01-01 10:30"]), None, pd.Series(["2024-01-01"]), own=True)
    assert "from 2024-01-01 10:30:00 on validate;" in said
    _, said = notes("t", years[2:], pd.Series([2021, 2020, 1999]), years, own=True)
    assert said == "2 test rows of 3 not later than all others."


def test_enough_moments_are_left_for_what_comes_before() -> None:
    """Nearest to 30 of 200 would be the two last moments, and leave one: nobody could validate."""
    series = pd.Series([1] * 198 + [2, 3])
    assert latest("t", series, 0.15)[1].tolist() == [198, 199]
    assert latest("t", series, 0.15, before=2)[1].tolist() == [199]
    with pytest.raises(BadInput, match="2 different values, and at least 3"):
        latest("t", series[1:199], 0.15, before=2)
    with pytest.raises(BadInput, match="no values, and at least 2"):
        latest("t", pd.Series([None, None]), 0.15)


def test_what_is_no_time_is_named() -> None:
    with pytest.raises(BadInput, match="--time when: row 1: 'soon' is neither a date"):
        latest("when", pd.Series(["2024-01-01", "soon"]), 0.2)
    with pytest.raises(BadInput, match="neither a date"):
        moments("when", pd.Series(["2024-01-01", "17"]))
