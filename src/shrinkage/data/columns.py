"""What one feature column holds: numbers, categories, dates, or nothing worth learning from.

The rules, in order; the first that applies decides.

1. No cell is there: `empty`, dropped.
2. Every cell is there and the same: `constant`, dropped.
3. A bool or categorical dtype: `category`. A date dtype, or text that is all ISO dates: `date`.
4. Text that is all numbers: `number`; with leading zeros (00123), or whole and half of them beyond
   1e30, they are codes: `category`.
5. Text of which at least 90 % are numbers (or dates), but not all: bad input that names the
   cell. Except when the numbers are few (at most 20 different, each seen three times on
   average), as in 0, 1, 2, 3+: then they are codes, and the column is a `category`.
6. Any other text: `category`; where half of its cells or more are dates, or numbers that are not
   few, a note names the first that is not.
7. Every cell different, and text, or integers that only rise or fall or whose column is named
   like an id: `identifier`, dropped unless a person keeps it.

An integer column with few distinct values stays a number: the order of its values is
information, and the network can embed numbers as well as categories.
"""

import re
from typing import Any, Literal

import numpy as np
import pandas as pd

from shrinkage.data import cells
from shrinkage.data.cells import show, where
from shrinkage.errors import BadInput

Kind = Literal["number", "category", "date", "identifier", "constant", "empty"]

MOSTLY, HALF = 0.9, 0.5
FEW = 20

_ID = re.compile(
    r"(^|[\s_.\-])(id|ids|idx|index|uuid|guid|key|nr|no|rownames?|row_?num(ber)?)$|^unnamed: ?\d+",
    re.IGNORECASE,
)
_CAMEL_ID = re.compile(r"[a-z](Id|ID|Index|Key)$")
_OTHER_DATE = (
    r"^(\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{4}-\d{2})([ T].*)?$"
)
_OTHER_NUMBER = (
    r"^[+-]?[$€£]? ?(\d{1,3}([,. ']\d{3})+|\d+)([.,]\d+)?( ?[%€$£]| [a-zA-Zµ°²³/]{1,6})?$"
)


def column_kind(series: pd.Series, name: str, keep: bool = False) -> tuple[Kind, str]:
    """The kind of a feature column, and a sentence about it where a person should know.

    name: the table's, for errors.   keep: never an identifier.
    Raises BadInput for a mixed column.
    """
    column = show(series.name)
    words: Any = cells.text(series) if cells.is_text(series) else series
    present = words.notna()
    if not present.any():
        return "empty", f"Column {column} has no values: dropped."
    if present.all() and (words.iloc[1:] == words.iloc[0]).all():
        return "constant", f"Column {column} is constant ({show(series.iloc[0])}): dropped."
    kind, note = _plain_kind(series, words, name)
    if kind in ("number", "category") and not keep:
        why = _identifier(series, present, kind)
        if why:
            note = f"Column {column} is an identifier ({why}): dropped; --keep uses it."
            return "identifier", note
    if kind == "category" and not note:
        note = _category_note(series)
    return kind, note


def check_finite(series: pd.Series, values: np.ndarray, name: str) -> None:
    """Raise BadInput for the first cell that is infinite or beyond 1e30.   values: [n] numbers."""
    position = cells.too_large(values)
    if position is not None:
        raise BadInput(
            f"{name}: column {show(series.name)}, {where(series, position)}: "
            f"{show(series.iloc[position])} is infinite or too large.\n"
            "Correct the cell, or leave it empty if the value is not known."
        )


def numeric_share(series: pd.Series) -> tuple[float, int]:
    """Share of the cells that are there and are numbers, and the position of the first other."""
    _, bad = cells.numbers(series)
    there = int(series.notna().sum())
    return (1 - bad.sum() / there if there else 0.0), int(bad.argmax())


def _plain_kind(series: pd.Series, words: pd.Series, name: str) -> tuple[Kind, str]:
    """words: the cells without blanks around them where the column is text, else the column."""
    if pd.api.types.is_bool_dtype(series) or isinstance(series.dtype, pd.CategoricalDtype):
        return "category", ""
    if pd.api.types.is_datetime64_any_dtype(series):
        return "date", ""
    if cells.is_number(series):
        return "number", ""
    column = show(series.name)
    if not cells.is_text(words):
        words = cells.text(words)
    share, first = numeric_share(words)
    if share == 1:
        if cells.leading_zeros(words):
            example = words[words.str.startswith("0", na=False)].iloc[0]
            return "category", (
                f"Column {column} holds codes with leading zeros ({show(example)}): "
                "used as a category."
            )
        values = cells.numbers(words)[0]
        huge = np.abs(values[~np.isnan(values)]) > cells.LARGEST
        if huge.mean() >= HALF and cells.written_as_integers(words):
            return "category", f"Column {column} holds whole numbers beyond 1e30: used as codes."
        return "number", ""
    if share >= MOSTLY:
        values = cells.numbers(words)[0]
        values = values[~np.isnan(values)]
        if len(np.unique(values)) > min(FEW, len(values) / 3):
            raise _mixed(series, name, first, "a number", share)
        return "category", (
            f"Column {column} mixes a few numbers with text ({show(words.iloc[first])}, "
            f"{where(words, first)}): used as a category."
        )
    _, refused = cells.dates(words)
    dated = 1 - refused.sum() / words.notna().sum()
    if dated == 1:
        return "date", ""
    if dated >= MOSTLY:
        raise _mixed(series, name, int(refused.argmax()), "a date", dated)
    if dated >= HALF:
        return "category", _half_note(words, dated, "dates", int(refused.argmax()))
    values = cells.numbers(words)[0]
    if share >= HALF and len(np.unique(values[~np.isnan(values)])) > FEW:
        return "category", _half_note(words, share, "numbers", first)
    return "category", ""


def _half_note(words: pd.Series, share: float, what: str, position: int) -> str:
    """That a column of text is in good part something else."""
    return (
        f"Column {show(words.name)}: {100 * share:.0f} % of its cells are {what}, "
        f"{show(words.iloc[position])} ({where(words, position)}) is not: used as a category. "
        "Where such a cell says nothing, leave it empty."
    )


def _mixed(series: pd.Series, name: str, position: int, what: str, share: float) -> BadInput:
    return BadInput(
        f"{name}: column {show(series.name)}, {where(series, position)}: "
        f"{show(series.iloc[position])} is not {what}, {int(1000 * share) / 10} % of the column "
        f"are.\nCorrect the cell, leave it empty if the value is not known, or, if the column "
        "holds codes, write every one of them with a letter in front."
    )


def _identifier(series: pd.Series, present: pd.Series, kind: Kind) -> str:
    if kind == "category":
        words = cells.text(series).dropna()
        enough = len(words) >= max(len(series) / 2, 2)
        return "every text differs" if enough and words.is_unique else ""
    if not present.all() or not cells.written_as_integers(series):
        return ""
    values = pd.Series(cells.numbers(series)[0])
    if not values.is_unique:
        return ""
    name = str(series.name)
    if _ID.search(name) or _CAMEL_ID.search(name):
        return "every number differs, and its name says so"
    if values.is_monotonic_increasing or values.is_monotonic_decreasing:
        return "every number differs, in the order of the rows"
    return ""


def _category_note(series: pd.Series) -> str:
    if not cells.is_text(series):
        return ""
    words = cells.text(series).dropna()
    column = show(series.name)
    if cells.all_match(words, _OTHER_DATE):
        return (
            f"Column {column} looks like dates ({show(words.iloc[0])}) but is used as a category; "
            "written as YYYY-MM-DD it would be used as a date."
        )
    if cells.all_match(words, _OTHER_NUMBER):
        return (
            f"Column {column} looks like numbers ({show(words.iloc[0])}) but is used as a "
            "category; written as 1234.5 it would be used as a number."
        )
    distinct = words.nunique()
    if distinct > FEW and distinct > len(words) / 2:
        return (
            f"Column {column} holds {distinct:,} different texts in {len(words):,} cells: used "
            "as a category, of which little is left after rare ones are merged."
        )
    return ""
