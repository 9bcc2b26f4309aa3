"""What a study tells whoever watches: one snapshot, sent whenever something changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shrinkage.search import journal


@dataclass(frozen=True)
class Progress:
    """phase: what goes on. best: the best score of a finished trial, in the metric's unit, a log
    loss as calibration would leave it.

    tried: trials that began. alive: members in training now. rungs: members in the contest by the
    rung that they come to next, the first one first; empty where there is no contest. left_s:
    seconds of the whole budget until training must halt, also of what is kept for the end.
    """

    phase: str
    metric: str
    tried: int = 0
    alive: int = 0
    rungs: tuple[int, ...] = ()
    best: float | None = None
    left_s: float = 0.0
    budget_s: float = 0.0


Watch = Callable[[Progress], None]


def logged(watch: Watch) -> Watch:
    """The same watch, which logs each phase as it begins: whoever reads the log knows it then."""
    phase = ""

    def told(progress: Progress) -> None:
        nonlocal phase
        if progress.phase != phase:
            phase = progress.phase
            journal.PHASE.say(phase=phase)
        watch(progress)

    return told


def nobody(progress: Progress) -> None:
    """Watches nothing."""
