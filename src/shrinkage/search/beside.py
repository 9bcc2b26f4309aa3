"""The baselines of a study, fitted beside its networks by the same processes.

They claim what they do as cohorts do, so that several machines fit each once.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from shrinkage.search import baseline
from shrinkage.search.known import Known
from shrinkage.store.tables import Store, claim_of_baseline

log = logging.getLogger("shrinkage")

_SHARE = 0.2
"""Of what is left for the search: each one's, where networks wait for it."""


@dataclass
class Baselines:
    """work: folder of the study's rows. goal: its metric. left: those not begun by this machine."""

    store: Store
    known: Known
    work: Path
    goal: baseline.Goal
    seed: int
    left: list[str] = field(default_factory=lambda: list(baseline.NAMES))

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

    def submit(self, pool: Executor, name: str, last: float) -> Future:
        """last: no fit is begun after this second of time.time()."""
        log.info("baseline %s begins", name)
        return pool.submit(baseline.run, name, self.work, self.goal, self.seed, last)

    def keep(self, name: str, found: tuple | None) -> None:
        """What came of one; None: time was up before its last fit."""
        if found is None:
            log.info("baseline %s: time was up", name)
        else:
            validation, test, seconds = found
            self.store.add_baseline(name, {"validation": validation, "test": test}, seconds)
            self.known.scored.add(name)
            log.info("baseline %s ended after %.1f s", name, seconds)
        self.give_up(name)

    def give_up(self, name: str) -> None:
        """It is nobody's any more: done, or for another machine to try."""
        self.store.claims.give_up(claim_of_baseline(name))


def until(workers: int, deadline: float, search_deadline: float) -> float:
    """When no further fit of one is begun: with a single process, networks wait for it."""
    if workers > 1:
        return deadline
    return time.time() + _SHARE * max(0.0, search_deadline - time.time())
