"""The baselines of a study, fitted beside its networks by the same processes, or by one of their
own where else networks would wait for them.

They claim what they do as cohorts do, so that several machines fit each once.
"""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shrinkage import scores
from shrinkage.engine.local import Processes
from shrinkage.search import baseline, journal
from shrinkage.search.known import Known
from shrinkage.store.tables import Store, claim_of_baseline

log = logging.getLogger("shrinkage")

_SHARE, _PATIENCE = 0.2, 1.5
"""Of what is left for the search: each one's, where networks wait for it; and so many times that
until a fit that was begun by then is given up."""


@dataclass
class Baselines:
    """work: folder of the study's rows. goal: its metric. left: those not begun by this machine.

    overdue: when the one that runs has had its process too long, in seconds of time.monotonic().
    """

    store: Store
    known: Known
    work: Path
    goal: scores.Goal
    seed: int
    left: list[str] = field(default_factory=lambda: list(baseline.NAMES))
    overdue: float = math.inf

    @property
    def scored(self) -> bool:
        """Whether all that are left here are done elsewhere."""
        return self.known.scored.issuperset(self.left)

    def claimed(self) -> str | None:
        """The next that nobody does; None where there is none."""
        for name in [each for each in self.left if each not in self.known.scored]:
            if self.known.claim(claim_of_baseline(name)) and name not in self.known.scored:
                self.left.remove(name)
                return name
        return None

    def submit(
        self, pool: Executor, name: str, deadline: float, search_deadline: float, *, waits: bool
    ) -> Future:
        """waits: networks wait for it. Both deadlines are in seconds of time.monotonic()."""
        log.info("baseline %s begins", name)
        now, last = time.monotonic(), until(waits, deadline, search_deadline)
        self.overdue = now + _PATIENCE * (last - now) if waits else math.inf
        return pool.submit(baseline.run, name, self.work, self.goal, self.seed, last)

    def take_back(self, pool: Executor, running: dict[Future, Any]) -> None:
        """Free the only process, for which networks wait, of a fit that is not over yet.

        running: jobs of that process; baselines among them are names.
        """
        if time.monotonic() < self.overdue or not isinstance(pool, Processes):
            return
        fitting = [each for each, what in running.items() if isinstance(what, str)]
        for future in fitting:
            self.keep(running.pop(future), None)
        if fitting:
            pool.restart()

    def keep(self, name: str, found: tuple | None) -> None:
        """What came of one; None: time was up before its last fit."""
        if found is None:
            log.info("baseline %s: time was up", name)
        else:
            validation, test, seconds = found
            self.store.add_baseline(name, {"validation": validation, "test": test}, seconds)
            self.known.scored.add(name)
            journal.BASELINE.say(name=name, seconds=seconds)
        self.give_up(name)

    def give_up(self, name: str) -> None:
        """It is nobody's any more: done, or for another machine to try."""
        self.overdue = math.inf
        self.store.claims.give_up(claim_of_baseline(name))


def until(waits: bool, deadline: float, search_deadline: float) -> float:
    """When no further fit of one is begun. waits: networks wait for it."""
    if not waits:
        return deadline
    return time.monotonic() + _SHARE * max(0.0, search_deadline - time.monotonic())
