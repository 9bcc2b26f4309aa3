"""A cohort in contest: which of its trials are still alive, and where it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from shrinkage.engine.task import RungResult
from shrinkage.recipe import Recipe
from shrinkage.search.budget import Clock
from shrinkage.search.contest import REFERENCES
from shrinkage.search.events import Progress
from shrinkage.search.halving import RUNGS, passing
from shrinkage.store.tables import Finished


@dataclass
class Cohort:
    """source: where its recipes come from. rung: how many of them are finished."""

    number: int
    source: str
    trials: dict[int, Recipe]
    alive: set[int]
    rung: int = 0
    busy: bool = False

    @property
    def done(self) -> bool:
        return not self.alive or self.rung >= len(RUNGS)

    @property
    def reference(self) -> bool:
        """The default, the plain network and the like run to the end."""
        return self.source in REFERENCES


def verdicts(
    cohort: Cohort,
    scores: Mapping[int, float],
    reasons: Mapping[int, tuple[str, int]],
    seen: Sequence[float],
) -> dict[int, tuple[str, str | None]]:
    """(status, reason) of each trial that a finished rung ends; the others go on.

    scores: of those that came to its end. reasons: of those that did not, and how many of a
    trial's members diverged, 0 where it could not run. seen: all scores of this rung so far.
    """
    ended: dict[int, tuple[str, str | None]] = {
        number: ("diverged" if count else "failed", reason)
        for number, (reason, count) in reasons.items()
        if number in cohort.alive
    }
    if cohort.rung == len(RUNGS) - 1:
        return ended | dict.fromkeys(scores, ("finished", None))
    if cohort.reference:
        return ended
    kept = passing(scores, seen)
    return ended | {number: ("dropped", None) for number in scores if number not in kept}


def ended(
    cohort: Cohort, found: RungResult, seen: Sequence[float], files: Mapping[int, bytes]
) -> Finished:
    """What a finished rung says of its trials. seen: the scores of this rung before it.

    files: what trials that are trained to the end leave.
    """
    # The default and the plain network set the bar, too.
    changes = verdicts(cohort, found.scores, found.reasons, [*seen, *found.scores.values()])
    everyone = dict.fromkeys([*found.scores, *changes])
    return Finished(
        cohort.rung,
        found.step,
        RUNGS[cohort.rung],
        found.seconds / max(1, len(everyone)),
        {number: found.scores.get(number) for number in everyone},
        changes,
        {number: count for number, (_, count) in found.reasons.items()},
        files,
    )


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
    rungs: tuple[int, ...] = ()
    if alive is None:
        alive = folds * sum(len(cohort.alive) for cohort in cohorts if cohort.busy)
        rungs = tuple(
            folds * sum(len(cohort.alive) for cohort in cohorts if cohort.rung == rung)
            for rung in range(len(RUNGS))
        )
    return Progress(
        phase,
        metric,
        tried=len({number for cohort in cohorts for number in cohort.trials}),
        alive=alive,
        rungs=rungs,
        best=best,
        left_s=clock.told_s,
        budget_s=clock.budget_s,
    )
