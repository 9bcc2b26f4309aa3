"""What the tests of populations share, beside `shrinkage.testing`."""

from __future__ import annotations

import math
from typing import Any

from shrinkage.catalog import Entry
from shrinkage.ingredient import Number, fields_of
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.testing.case import CARDINALITIES, NUMBERS, cohort_of, fit_quality, trained
from shrinkage.testing.case import small_table as table

__all__ = [
    "CARDINALITIES",
    "NUMBERS",
    "cohort_of",
    "fit_quality",
    "stepped",
    "switched_on",
    "table",
    "trained",
]


def stepped(cohort, batch, steps: int):
    """The state after training on one batch again and again."""
    state = start(cohort)
    for _ in range(steps):
        state, _ = step(cohort, state, batch)
    return state


def switched_on(entry: Entry) -> Any:
    """The ingredient well away from neutral: in the middle of its search range."""

    def middle(number: Number, whole: bool) -> float:
        low, high = number.low, number.high
        value = math.sqrt(low * high) if number.scale == "log" else (low + high) / 2
        return round(value) if whole else value

    return entry.kind(
        **{
            field.name: middle(field.number, isinstance(field.default, int))
            for field in fields_of(entry.kind)
            if field.number is not None
        }
    )
