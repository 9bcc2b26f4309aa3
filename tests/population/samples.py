"""What the tests of populations share, beside `shrinkage.testing`."""

from __future__ import annotations

from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.testing.case import CARDINALITIES, NUMBERS, cohort_of, fit_quality, trained
from shrinkage.testing.case import small_table as table

__all__ = ["CARDINALITIES", "NUMBERS", "cohort_of", "fit_quality", "stepped", "table", "trained"]


def stepped(cohort, batch, steps: int):
    """The state after training on one batch again and again."""
    state = start(cohort)
    for _ in range(steps):
        state, _ = step(cohort, state, batch)
    return state
