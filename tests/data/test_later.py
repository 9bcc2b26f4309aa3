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
        with pytest.raises(BadInput, match="none is later"):
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
    (cut, gaps) = notes("when", series[after], None, series)
    assert cut == (
        "Rows are cut by 'when': from 2024-01-03 on they validate; earlier ones are trained on."
    )
    assert gaps == "2 rows without a value of 'when': trained on."
    # One moment and gaps: the rows that have it are later than those that may be of any.
    assert latest("when", pd.Series([1.0, np.nan, 1.0]), 0.2)[1].tolist() == [0, 2]


def test_dates_are_seconds_and_both_ends_are_said() -> None:
    found = moments("when", pd.Series(["1970-01-02", "1970-01-01 00:00:30", None]))
    np.testing.assert_array_equal(found, [86400.0, 30.0, np.nan])
    (said,) = notes("t", pd.Series([2019, 2020]), pd.Series([2021.0]), pd.Series([2018, 2019]))
    assert "from 2019 on they validate, from 2021 on they test" in said
    (said,) = notes("t", pd.Series(["2024-01-01 10:30"]), None, pd.Series(["2024-01-01"]))
    assert "from 2024-01-01 10:30:00 on" in said


def test_what_is_no_time_is_named() -> None:
    with pytest.raises(BadInput, match="--time when: row 1: 'soon' is neither a date"):
        latest("when", pd.Series(["2024-01-01", "soon"]), 0.2)
    with pytest.raises(BadInput, match="neither a date"):
        moments("when", pd.Series(["2024-01-01", "17"]))
