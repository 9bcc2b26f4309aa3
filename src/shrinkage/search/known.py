"""What is known of a study's trials, from its database: earlier sessions', other clients', its own.

A study that only this client works on is read once. One on a server is looked at again and again:
the count of its changes says whether there is something new, and claims say what others work on.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from shrinkage.recipe import Recipe
from shrinkage.search.cohort import Cohort
from shrinkage.search.cost import Costs
from shrinkage.search.halving import RUNGS
from shrinkage.store.tables import Store, Trial, claim_of

_EVERY_S = 1.0
"""Between two looks at a server, where nothing asks for one at once."""

Told = tuple[Recipe, float, float | None]


@dataclass
class Known:
    """costs: of recipes, by what this client's trainings took.
    cohorts: by number, as they stand. seen: all scores of each rung. seconds: of each trial that
    this client trained last.

    best, leader: the best score at a last rung, and whose it is.
    untold: (recipe, share, score) of rungs that the search was not told of yet. unlike: sources of
    trials that it is not told of, as they start from other weights than those it proposes.
    scored: baselines that have their scores. elsewhere: what other clients have claimed.
    halted: cohorts for which this session has no time. dry: `heard` when no new recipe was left.
    fetched: trials of others whose files are here.
    """

    store: Store
    costs: Costs
    unlike: frozenset[str] = frozenset()
    cohorts: dict[int, Cohort] = field(default_factory=dict)
    seen: list[list[float]] = field(default_factory=lambda: [[] for _ in RUNGS])
    seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    best: float | None = None
    leader: int | None = None
    untold: list[Told] = field(default_factory=list)
    scored: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    halted: set[int] = field(default_factory=set)
    dry: tuple[int, int] | None = None
    fetched: set[int] = field(default_factory=set)
    _place: dict[int, int] = field(default_factory=dict)
    _rungs: set[tuple[int, int]] = field(default_factory=set)
    _changes: int = -1
    _looked: float = float("-inf")

    @property
    def trials(self) -> int:
        """How many there are."""
        return len(self._place)

    @property
    def heard(self) -> tuple[int, int]:
        """How much: trials and rungs. A search without anything new has nothing until it grows."""
        return self.trials, len(self._rungs)

    def recipe(self, trial: int) -> Recipe:
        return self.cohorts[self._place[trial]].trials[trial]

    def look(self) -> None:
        """Take up whatever the database holds."""
        self._changes = self.store.changes()
        self.scored = set(self.store.baselines())
        self._take_up(self.store.trials())

    def revive(self) -> None:
        """There is time again for the cohorts for which there was none."""
        self.halted.clear()
        self.dry = None
        self.look()

    def news(self, *, at_once: bool = False) -> None:
        """Take up what other clients did since, where there are others."""
        if not self.store.shared or not (at_once or time.monotonic() > self._looked + _EVERY_S):
            return
        self._looked = time.monotonic()
        self.elsewhere = set(self.store.claims.elsewhere())
        if self.store.changes() != self._changes:
            self.look()

    def claim(self, what: str) -> bool:
        """Whether it is this client's to do. What was known of it may be old, so it looks again."""
        if what in self.elsewhere:
            return False
        if not self.store.claims.take(what):
            self.elsewhere.add(what)
            return False
        self.news(at_once=True)
        return True

    def claim_rung(self, cohort: Cohort) -> bool:
        """Whether it is this client's to train, and still has a rung."""
        what = claim_of(cohort.number)
        if not self.claim(what):
            return False
        if cohort.done:
            self.store.claims.give_up(what)
        return not cohort.done

    def waiting(self) -> list[Cohort]:
        """Cohorts that have a rung to train, and nobody who does."""
        ready = (c for c in self.cohorts.values() if not c.done and not c.busy)
        return [c for c in ready if claim_of(c.number) not in self.elsewhere]

    def open_elsewhere(self) -> list[Cohort]:
        """Cohorts that others have to bring on."""
        ready = (c for c in self.cohorts.values() if not c.done and not c.busy)
        return [c for c in ready if c.number not in self.halted]

    def add(self, number: int, source: str, trials: dict[int, Recipe]) -> Cohort:
        """A cohort that this client has just begun."""
        self.cohorts[number] = Cohort(number, source, trials, set(trials))
        self._place |= dict.fromkeys(trials, number)
        return self.cohorts[number]

    def replace(self, cohort: Cohort, parts: Iterable[Cohort]) -> None:
        """These go on in place of a cohort."""
        cohort.alive.clear()
        for part in parts:
            self.cohorts[part.number] = part
            self._place |= dict.fromkeys(part.trials, part.number)

    def trained(self, trial: int, rung: int, part: float, seconds: float) -> None:
        """This client trained a trial to the end of a rung.   part: of its whole training.

        Where there was no checkpoint to go on from, that was from the start, whoever did so before.
        """
        anew = rung == 0 or part > RUNGS[rung] - RUNGS[rung - 1] / 2
        self.seconds[trial] = seconds + (0.0 if anew else self.seconds[trial])

    def hear(self, trial: int, rung: int, told: Told, *, last: bool) -> bool:
        """A rung, once, whoever trained it. last: whether the trial ended with it.

        Returns whether it was new.
        """
        if (trial, rung) in self._rungs:
            return False
        self._rungs.add((trial, rung))
        if self.cohorts[self._place[trial]].source not in self.unlike:
            self.untold.append(told)
        score = told[2]
        if score is not None:
            self.seen[rung].append(score)
        if last and score is not None and (self.best is None or score > self.best):
            self.best, self.leader = score, trial
        return True

    def _take_up(self, trials: Iterable[Trial]) -> None:
        """Cohorts stand where their last finished rung is; what trains here stays as it is."""
        for trial in trials:
            cohort = self._cohort_of(trial)
            recipe = cohort.trials[trial.number]
            finished = trial.status == "finished"
            mine = trial.client == self.store.client
            for rung in trial.rungs:
                last = finished and rung is trial.rungs[-1]
                told = recipe, rung.share, rung.score
                new = self.hear(trial.number, rung.number, told, last=last)
                # Of later rungs nobody wrote down where they began.
                if new and mine and rung.number == 0 and rung.score is not None:
                    self.costs.learn([recipe], RUNGS[0], rung.seconds)
            if mine:  # what this session counted stays: a rung of its own may be trained twice
                self.seconds.setdefault(trial.number, trial.seconds)
            else:
                self.seconds.pop(trial.number, None)
            if cohort.busy or cohort.number in self.halted:
                continue
            cohort.alive.discard(trial.number)
            if trial.status == "running":
                cohort.alive.add(trial.number)
                cohort.rung = len(trial.rungs)

    def _cohort_of(self, trial: Trial) -> Cohort:
        """The cohort that the trial is in by now, with its recipe."""
        before = self.cohorts.get(self._place.get(trial.number, -1))
        if before is not None and (before.number == trial.cohort or before.busy):
            return before
        if before is None:
            name = f"{self.store.name}: the recipe of trial {trial.number}"
            recipe = Recipe.from_toml(trial.recipe, name)
        else:  # where it was, a memory did not hold it
            before.alive.discard(trial.number)
            recipe = before.trials.pop(trial.number)
        fresh = Cohort(trial.cohort, trial.source, {}, set())
        cohort = self.cohorts.setdefault(trial.cohort, fresh)
        cohort.trials[trial.number] = recipe
        self._place[trial.number] = trial.cohort
        return cohort
