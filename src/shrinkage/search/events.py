"""What a study tells whoever watches: one snapshot, sent whenever something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """phase: what goes on. best: the best score of a finished trial, in the metric's unit.

    tried, finished: trials that began, that were trained to the end. alive: members in
    training now. left_s: seconds of the budget.
    """

    phase: str
    metric: str
    tried: int = 0
    finished: int = 0
    alive: int = 0
    best: float | None = None
    left_s: float = 0.0
    budget_s: float = 0.0


Watch = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """Watches nothing."""
