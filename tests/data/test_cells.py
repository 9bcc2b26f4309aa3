"""Cells as numbers: one reading, whichever way is faster."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shrinkage.data import cells

WORDS = [
    *("1", "-2.5", "+3", ".5", "7.", "1e3", "1E-3", "0.1", "9007199254740993", "1" * 40, " 4 "),
    *("1_000", "1,5", "--1", "e5", ".", "-", "4 5", "0x1f", "0b1", "1f", "1d", "\u0661", "\uff11"),
    *("nan", "NaN", "nAn", "-nan", "nan(1)", "", "?"),
    *("inf", "-Inf", "iNf", "INF", "infinity", "INFINITY", "1e400", "-1e400", "1e-400"),
]
NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[iI]nf(inity)?|INF)")
words = st.text("0123456789+-.eEinfaINF_xXpd ", max_size=8)


def check(column: list[str | None]) -> None:
    values, bad = cells.numbers(pd.Series(column, dtype="str"))
    for word, value, refused in zip(column, values, bad, strict=True):
        there = word is not None and word.strip() not in cells.MISSING
        good = there and NUMBER.fullmatch(word.strip()) is not None
        assert refused == (there and not good), word
        np.testing.assert_equal(value, float(word.strip()) if good else np.nan)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(WORDS) | words | st.none(), min_size=1, max_size=4))
def test_numbers_are_pythons_and_the_rest_is_refused(column: list[str | None]) -> None:
    check(column)


@pytest.mark.parametrize("word", [*WORDS, None])
def test_it_is_the_same_in_a_column_of_its_own_and_beside_a_number(word: str | None) -> None:
    check([word])
    check([word, "2"])
