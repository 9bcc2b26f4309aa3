"""What a study tells whoever watches: one snapshot, sent whenever something changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from shrinkage.search.budget import Clock
from shrinkage.search.cohort import Cohort
from shrinkage.search.halving import RUNGS


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


def progress_of(
    phase: str,
    metric: str,
    cohorts: Collection[Cohort],
    folds: int,
    best: float | None,
    clock: Clock,
    alive: int | None = None,
) -> Progress:
    """What can be said of a search now. alive: networks in training, where no cohort trains."""
    if alive is None:
        alive = folds * sum(len(cohort.alive) for cohort in cohorts if cohort.busy)
    return Progress(
        phase,
        metric,
        tried=len({number for cohort in cohorts for number in cohort.trials}),
        finished=sum(1 for cohort in cohorts if cohort.rung >= len(RUNGS)),
        alive=alive,
        best=best,
        left_s=max(0.0, clock.left),
        budget_s=clock.budget_s,
    )
