"""Class labels and their codes 0..C-1.

Labels are compared as text, so that the int 1 of one file and the "1" of another agree.
"""

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from shrinkage.data.cells import label_text, show
from shrinkage.errors import BadInput


def encode_classes(y: Any, classes: Sequence) -> np.ndarray:
    """Code each label by its place in `classes`.

    y: [n] labels.   classes: [C] labels, all different.
    Returns [n] int64 in 0..C-1. Raises BadInput when a label is missing or unknown.
    """
    codes = find_classes(y, classes)
    if (codes < 0).any():
        position = int((codes < 0).argmax())
        label = pd.Series(y).iloc[position]
        raise BadInput(
            f"unknown class {show(label)} (value {position} of {len(codes)}).\n"
            f"Known classes: {list_labels(classes)}."
        )
    return codes


def decode_classes(codes: Any, classes: Sequence) -> np.ndarray:
    """The labels of codes: [n] ints in 0..C-1 to [n] labels of the type they were given in."""
    return np.asarray(classes)[np.asarray(codes)]


def find_classes(y: Any, classes: Sequence) -> np.ndarray:
    """Like `encode_classes`, with -1 where a label is missing or unknown."""
    numeric = all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in classes)
    known = {label_text(c): code for code, c in enumerate(classes)}
    places, uniques = pd.factorize(pd.Series(y))
    codes = [known.get(_canonical(u, numeric), -1) for u in uniques]
    return np.array([*codes, -1], dtype=np.int64)[places]


def list_labels(labels: Sequence, most: int = 8) -> str:
    """Labels as a sentence lists them: the first few, then how many more."""
    shown = ", ".join(show(v) for v in labels[:most])
    return shown + (f" and {len(labels) - most} more" if len(labels) > most else "")


def _canonical(label: Any, numeric: bool) -> str:
    words = label_text(label)
    if not numeric:
        return words
    try:  # "1.0" and "+1" in a file of text are the class 1
        return label_text(float(words)) if not words.lstrip("+-").isdigit() else str(int(words))
    except (ValueError, OverflowError):
        return words


def no_column(table: str, column: str, columns: Sequence[str], purpose: str) -> BadInput:
    """The error that a table has no such column; it names those with nearly that name."""
    lower = {name.lower(): name for name in columns}
    near = difflib.get_close_matches(label_text(column).lower(), list(lower), 3, 0.5)
    hint = f"Its columns: {list_labels(columns)}."
    if near:
        hint = f"Did you mean {list_labels([lower[name] for name in near])}?"
    return BadInput(f"{table}: no column {show(column)} for {purpose}.\n{hint}")
