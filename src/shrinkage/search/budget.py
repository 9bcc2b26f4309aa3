"""The time of a study: everything from the start to the written files fits the budget.

Before the search, a few steps of trial 0 are timed. Where its full training would take more
than its share of the budget, all recipes of the study get fewer epochs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

DEFAULT_SHARE = 0.22
"""Part of the time left that trial 0 may take: enough remains to try something better."""

REFIT_SHARE, REFIT_MOST, REFIT_SEEDS = 0.2, 0.5, 4
"""The winner is trained on all training rows: the time for so many networks a process is kept,
but at most the first part of the budget; for one network, at most the second part."""
REFIT_SAFETY = 1.4
"""A step may cost more than it did in its cohort: so many times the expected time is kept."""

ENDING_S_A_CELL, PREPARING_S_A_CELL = 6e-7, 3.5e-7
"""Seconds that scoring and writing take for each cell of a table, beside what any table takes, and
those that preparing all training rows takes: measured with 9,600,000 cells (docs/log.md)."""

COHORT_SHARE = 0.12
"""Part of the search time left that the first rung of one cohort may take."""

MEMBERS_A_COHORT = 16
"""On a CPU a cohort grows no faster beyond this; a GPU takes many times more."""


@dataclass(frozen=True)
class Clock:
    """started: in seconds of time.monotonic(): one clock for all processes of a machine, and nobody
    sets it. spent: by earlier sessions of the study.

    ending_s: what scoring and writing take after training; None: a guess by the budget and by
    `cells`, how many cells the table has. kept_s: of the budget, seconds for what comes after.
    """

    started: float
    budget_s: float
    spent: float = 0.0
    ending_s: float | None = None
    cells: int = 0
    kept_s: float = 0.0

    @property
    def used(self) -> float:
        """Seconds of all sessions."""
        return self.spent + time.monotonic() - self.started

    def elapsed(self) -> float:
        """Seconds of this session."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds until training must halt, so that scoring and writing fit in."""
        return self.deadline - time.monotonic()

    @property
    def told_s(self) -> float:
        """The seconds left that people are told: of the whole budget, whatever is kept of it now
        and however long this ending takes, so that they only grow less.
        """
        return max(0.0, replace(self, kept_s=0.0, ending_s=None).left)

    def search_deadline(self, refit_s: float) -> float:
        """When no new recipe is tried any more. refit_s: one network on all rows, in seconds."""
        whole = self.deadline - self.started
        one = REFIT_SAFETY * refit_s
        several = min(REFIT_SEEDS * one + 0.03 * whole, REFIT_SHARE * whole)
        return self.deadline - self.preparing_s - max(several, min(one, REFIT_MOST * whole))

    def share_until(self, seconds: float) -> float:
        """The share of this session's budget, less what is kept, that `seconds` are, in [0, 1]."""
        return min(1.0, max(0.0, seconds / max(self._own_s, 1e-9)))

    @property
    def _own_s(self) -> float:
        """What may be used now."""
        return self.budget_s - self.kept_s

    @property
    def preparing_s(self) -> float:
        """Seconds until a network on all rows can begin."""
        return PREPARING_S_A_CELL * self.cells

    @property
    def deadline(self) -> float:
        """When training must halt."""
        reserve = self.ending_s
        if reserve is None:
            reserve = 1.5 + 0.03 * self._own_s + ENDING_S_A_CELL * self.cells
        return self.started + self._own_s - min(reserve, self._own_s / 3)


def affordable_epochs(epochs: int, seconds: float, left: float) -> int:
    """Epochs for trial 0, whose whole training would take `seconds`, with `left` to go."""
    share = DEFAULT_SHARE * max(left, 0.0) / max(seconds, 1e-9)
    return max(1, math.floor(epochs * min(1.0, share)))


def affordable(firsts: Sequence[float], most: float) -> int:
    """How many of a cohort's recipes, in their order, fit the time for its first rung.

    firsts: seconds of each until the first rung. most: seconds. One fits in any case.
    """
    total = 0.0
    for count, seconds in enumerate(firsts):
        total += seconds
        if total > most:
            return max(1, count)
    return len(firsts)


def cohort_size(folds: int, device: str, first_rung_s: float, left: float) -> int:
    """Recipes a cohort, each with one member a fold.

    first_rung_s: what one recipe costs until the first rung; with `left` seconds to go, a
    cohort's first rung should take a small part of them, so that its best can go on.
    """
    members = MEMBERS_A_COHORT if device == "cpu" else 64 * MEMBERS_A_COHORT
    affordable = int(COHORT_SHARE * max(left, 0.0) / max(first_rung_s, 1e-9))
    return max(2, min(members // folds, affordable))
