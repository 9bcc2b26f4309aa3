"""A study: asks for recipes, runs their cohorts rung by rung, and keeps all of it.

Everything that decides how a study goes on is in its database and its work folder, so a study
that was killed goes on from its last finished rung. Several may work on one study: each claims
what it does, and hears from the database what the others did.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from shrinkage import interrupts, scores
from shrinkage.engine import arrays, task
from shrinkage.errors import Unwritable
from shrinkage.recipe import Recipe
from shrinkage.search import asking, cost, journal, memory, proposers, rows
from shrinkage.search.aim import aimed
from shrinkage.search.beside import Baselines
from shrinkage.search.budget import Clock
from shrinkage.search.cohort import Cohort, ended, progress_of
from shrinkage.search.contest import DEFAULT, FROM_RANDOM_WEIGHTS, kept_part
from shrinkage.search.events import Watch, nobody
from shrinkage.search.folder import Folder
from shrinkage.search.halving import RUNGS, rung_steps
from shrinkage.search.known import Known
from shrinkage.search.outset import agreed
from shrinkage.search.random import Search
from shrinkage.search.settings import Settings
from shrinkage.search.standing import Standing
from shrinkage.space import Space
from shrinkage.store.tables import Store, claim_of

log = logging.getLogger("shrinkage")

_HOPE = 0.7
"""A recipe is begun where this part of what it seems to cost fits: what it costs is a guess."""

_TICK_S = 0.25
_GRACE_FOR_FIRST_S = 4.0


@dataclass
class Study:
    """One search in one folder. Made by `shrinkage.search.session`.

    default, plain: the recipes of the first two trials, with all their epochs; `space.base` is the
    first with as many as there is time for, and trial_seconds, step_seconds are of it. most:
    recipes that memory holds at once, once that is known. aside: a process of the baselines' own.
    standing: who leads by now; ask `standing.standing` for it.
    """

    folder: Folder
    settings: Settings
    store: Store
    rows: rows.Rows
    problem: task.Problem
    default: Recipe
    plain: Recipe
    space: Space
    clock: Clock
    watch: Watch = nobody
    known: Known = field(init=False)
    baselines: Baselines = field(init=False)
    running: dict[Future, Cohort | str] = field(default_factory=dict)
    interrupted: bool = False
    trial_seconds: float = 0.0
    step_seconds: float = 0.0
    most: int | None = None
    aside: Executor | None = None
    standing: Standing | None = None
    _kept_parts: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unlike = frozenset() if self.problem.start is None else FROM_RANDOM_WEIGHTS
        self.known = Known(self.store, cost.Costs(self.problem.shape), unlike)
        asked = self.folder.work, self.problem.metric, self.settings.seed
        self.baselines = Baselines(self.store, self.known, *asked)

    @cached_property
    def searching(self) -> Search:
        """What proposes recipes: one object, which keeps what it is told. Needs the plan's base."""
        costs = self.known.costs.of
        asked = self.settings, self.space, costs, self.clock.elapsed, self.folder.prior
        return proposers.made(*asked)

    @property
    def search_deadline(self) -> float:
        """When no new recipe is tried any more, in seconds of time.monotonic().

        What follows is one recipe's training on all rows: that of the one that leads by now.
        """
        if not self.settings.refit:
            return self.clock.deadline
        return self.clock.search_deadline(self.refit_s)

    @property
    def refit_s(self) -> float:
        """About what one network of the recipe that leads takes on all rows."""
        most = max(len(self.rows.train) / len(fold.train) for fold in self.rows.folds)
        leader, seconds = self.known.leader, self.trial_seconds
        if leader is not None:
            guess = self.seconds_of(self.known.recipe(leader))  # where another machine trained it
            seconds = self.known.seconds.get(leader, guess) * self._kept(leader)
        return seconds / self.problem.folds * most

    def _kept(self, trial: int) -> float:
        """The part of a finished trial's time that it takes to train to where its folds stopped."""
        if trial not in self._kept_parts:
            self._kept_parts[trial] = kept_part(self.folder.trial(trial), self.known.recipe(trial))
        return self._kept_parts[trial]

    @property
    def grace(self) -> float:
        """Tasks watch the deadline themselves; these seconds they may take to write.

        Longer where nothing is there yet: a few seconds late beats no network at all.
        """
        nothing = not any(self.folder.trials.glob("*.safetensors"))
        return max(_GRACE_FOR_FIRST_S if nothing else 0.5, 0.02 * self.settings.budget_s)

    # -- before the search ---------------------------------------------------------------

    def plan(self, pool: Executor) -> None:
        """Take over what is decided once for all clients."""
        plan = agreed(self, pool)
        self.trial_seconds, self.step_seconds = plan["trial_seconds"], plan.get("step_seconds", 0.0)
        self.problem = replace(self.problem, precision=plan.get("precision", "float32"))
        base = self.shortened(self.space.base, plan["epochs_share"])
        self.space = Space(base, self.space.dimensions)

    def shortened(self, recipe: Recipe, share: float) -> Recipe:
        """The recipe with this share of its epochs, and a loss for the task."""
        epochs = max(1, round(recipe.epochs * share))
        return self.with_loss(recipe.set({"data.minibatch.epochs": epochs}))

    def with_loss(self, recipe: Recipe) -> Recipe:
        return aimed(recipe, self.rows.schema.task, self.problem.metric)

    def rung_steps(self, recipe: Recipe) -> tuple[int, ...]:
        """The step at which each of the recipe's rungs ends."""
        smallest = min(len(fold.train) for fold in self.rows.folds)
        return rung_steps(smallest, recipe.batch_size, recipe.epochs)

    # -- the search ----------------------------------------------------------------------

    def run(self, pool: Executor) -> None:
        """Search as planned, until the time for it is used up or the trials are all done."""
        slots = max(1, self.settings.workers)
        while self.clock.left > 0:
            interrupts.check()
            self.known.news()
            while self._at_work < slots and (job := self._next_job()):
                future = self._submit(pool, job)
                self.running[future] = job
                if future.done():
                    break
            self.show("searching")
            if not self.running and not self._others_at_work():
                break
            over = len(self.running) == self.busy and time.monotonic() > self.search_deadline
            if over and (self.running or self.known.best is not None):
                break  # baselines, here or elsewhere, go on beside the training on all rows
            self._collect()
            self.baselines.take_back(pool, self.running)
        else:
            self.wind_up()

    @property
    def _at_work(self) -> int:
        """Jobs that the processes of this study have now."""
        return len(self.running) - (self.busy if self.aside else 0)

    @property
    def busy(self) -> int:
        """Baselines that are fitted now."""
        return sum(isinstance(what, str) for what in self.running.values())

    def wind_up(self) -> None:
        """Wait for what still runs, as long as the time and a little grace allow.

        For what others have to bring on as well, as long as the time allows.
        """
        self.harvest()
        while self.running and self.clock.left > -self.grace:
            interrupts.check()
            self._collect()
        while self.clock.left > 0 and self._others_at_work():
            interrupts.check()
            self.known.news()
            self._collect()

    def harvest(self) -> None:
        """Keep what has ended by now, without waiting."""
        for future in [each for each in self.running if each.done()]:
            self._finish(self.running.pop(future), future)

    def _collect(self) -> None:
        if not self.running:
            time.sleep(_TICK_S)
            return
        wait(self.running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        self.harvest()

    def _others_at_work(self) -> bool:
        """Whether there is nothing to do but to wait for what must be there at the end."""
        if not self.store.shared:
            return False
        # A study of so many trials ends when all of them have.
        counted = self.settings.trials is not None and time.monotonic() < self.search_deadline
        awaited = [each for each in self.known.open_elsewhere() if each.reference or counted]
        return bool(awaited) or not self.baselines.scored

    def _next_job(self) -> Cohort | str | None:
        """The default and the plain network first, then baselines, rungs that wait, new cohorts."""
        waiting = self.known.waiting()
        for cohort in waiting:
            if cohort.reference and self.known.claim_rung(cohort):
                return cohort
        # However long they take, networks are trained meanwhile.
        if self.busy < max(1, self.settings.workers - 1) and (name := self.baselines.claimed()):
            return name
        if time.monotonic() > self.search_deadline:
            return None
        # What would not end in time is not begun; the refit's processes are free the earlier.
        fitting = [each for each in waiting if not each.reference and asking.fits(self, each)]
        for cohort in sorted(fitting, key=lambda each: -each.rung):
            if self.known.claim_rung(cohort):
                return cohort
        # A new recipe is worth a first rung where it could still come to its last.
        return asking.cohort(self) if self.in_time(self.seconds_of(self.space.base)) else None

    def seconds_of(self, recipe: Recipe) -> float:
        """About what the whole training of a recipe takes here, on all folds."""
        costs = self.known.costs
        if (found := costs.seconds(recipe)) is None:
            return self.trial_seconds * costs.of(recipe) / costs.of(self.space.base)
        return found

    def in_time(self, seconds: float, hope: float = _HOPE) -> bool:
        """Whether it ends before the search does. A study of so many trials does not ask."""
        asked = self.settings.trials is not None
        return asked or time.monotonic() + hope * seconds < self.search_deadline

    def tell(self) -> None:
        """The search hears what was heard since, whoever trained it."""
        while self.known.untold:
            self.searching.tell(*self.known.untold.pop(0))

    def checkpoint(self, cohort: Cohort) -> Path | None:
        """Where it stands; None: at the start, as halves and cohorts that another client began."""
        path = self.folder.checkpoint(cohort.number, cohort.rung - 1)
        return path if cohort.rung and path.exists() else None

    def _submit(self, pool: Executor, job: Cohort | str) -> Future:
        if isinstance(job, str):
            waits = self.settings.workers < 2 and self.aside is None
            ends = self.clock.deadline, self.search_deadline
            return self.baselines.submit(self.aside or pool, job, *ends, waits=waits)
        job.busy = True
        recipe = next(iter(job.trials.values()))
        steps = self.rung_steps(recipe)
        last = job.rung == len(RUNGS) - 1
        after = None if last else self.folder.checkpoint(job.number, job.rung)
        deadline = self.clock.deadline if job.reference else self.search_deadline
        for each in job.trials.values():
            self.prepare(task.scaling_of(each))
        work = task.Task(
            problem=self.problem_of(job.source),
            trials=tuple(job.trials.items()),
            alive=frozenset(job.alive),
            seed=self.settings.seed,
            until=steps[job.rung],
            before=self.checkpoint(job),
            after=after,
            results=self.folder.trials,
            deadline=deadline,
        )
        return pool.submit(task.run, work)

    def problem_of(self, source: str) -> task.Problem:
        """What trials of this source start from."""
        return replace(self.problem, start=None) if source in FROM_RANDOM_WEIGHTS else self.problem

    def prepare(self, scaling: str) -> None:
        """Write the arrays of a scaling when it is first asked for."""
        path = arrays.path_of(self.folder.work, scaling)
        arrays.write_once(path, lambda: rows.prepare(self.rows, scaling)[0])

    # -- after a task --------------------------------------------------------------------

    def _finish(self, what: Cohort | str, future: Future) -> None:
        try:
            found = future.result()
        except Unwritable:
            raise
        except Exception as error:
            if isinstance(what, Cohort) and memory.ran_out(error):
                self._halve(what, error)
                return
            # One recipe that cannot run must not end a study; without trial 0 there is none.
            log.exception("%s failed", what if isinstance(what, str) else f"cohort {what.number}")
            if isinstance(what, Cohort) and DEFAULT in what.trials:
                raise
            if isinstance(what, Cohort):
                self._fail(what, f"{type(error).__name__}: {error}")
            else:
                self.baselines.give_up(what)
            return
        if isinstance(what, str):
            self.baselines.keep(what, found)
        else:
            self._commit(what, found)

    def _fail(self, cohort: Cohort, reason: str) -> None:
        reasons: dict[int, tuple[str, int]] = dict.fromkeys(cohort.alive, (reason, 0))
        self._commit(cohort, task.Result({}, reasons, 0, 0.0, False, 0.0))

    def _halve(self, cohort: Cohort, error: BaseException) -> None:
        """Go on with two cohorts in place of one that memory does not hold."""
        memory.let_go(error)
        count = len(cohort.alive)
        log.warning("cohort %d: no memory for %d trials: %s", cohort.number, count, error)
        if count == 1:
            if DEFAULT in cohort.alive:
                raise memory.too_little(self.folder.root)
            self._fail(cohort, "no memory for it")
            return
        parts = memory.halves(cohort)
        self.most = max(1, count // 2)
        numbers = self.store.split(cohort.number, [part.alive for part in parts])
        cohort.busy = False
        if numbers is None:
            self.known.news(at_once=True)
            return
        for part, number in zip(parts, numbers, strict=True):
            part.number = number
        self.folder.checkpoint(cohort.number, cohort.rung - 1).unlink(missing_ok=True)
        self.store.note(f"Memory did not hold {count} recipes at once: smaller cohorts went on.")
        self.known.replace(cohort, parts)

    def _commit(self, cohort: Cohort, found: task.Result) -> None:
        """Write a finished rung, whole, and decide who goes on."""
        self.known.news(at_once=True)
        cohort.busy = False
        rung, last = cohort.rung, cohort.rung == len(RUNGS) - 1
        if found.halted:
            # The database says nothing of an unfinished rung: a resumed study trains it again.
            self.known.halted.add(cohort.number)
            if not cohort.reference:  # what they were by then is not what others may finish
                for number in cohort.alive:
                    self.folder.trial(number).unlink(missing_ok=True)
            cohort.alive.clear()
            self.store.claims.give_up(claim_of(cohort.number))
            log.info("cohort %d rung %d: time was up, %.1f s", cohort.number, rung, found.seconds)
            return
        files: dict[int, bytes] = {}
        if last and self.store.shared:  # for those who cannot read this folder
            files = {number: self.folder.trial(number).read_bytes() for number in found.scores}
        written = ended(cohort, found, self.known.seen[rung], files)
        if not self.store.finish_rung(cohort.number, written, self.clock.used):
            log.info("cohort %d was taken over by another machine", cohort.number)
            self.known.news(at_once=True)
            return
        if scored := [cohort.trials[number] for number in found.scores]:
            self.known.costs.learn(scored, found.part, found.seconds)
        for number, score in written.scores.items():
            self.known.seconds[number] += written.seconds
            told = cohort.trials[number], RUNGS[rung], score
            self.known.hear(number, rung, told, last=last)
        self.tell()
        journal.RUNG.say(
            cohort=cohort.number,
            rung=rung,
            trials=len(written.scores),
            go_on=len(cohort.alive) - len(written.changes),
            seconds=found.seconds,
        )
        for number, (status, reason) in written.changes.items():
            if reason is not None:
                log.info("trial %d %s: %s", number, status, reason)
        cohort.alive -= set(written.changes)
        cohort.rung += 1
        if rung:
            self.folder.checkpoint(cohort.number, rung - 1).unlink(missing_ok=True)
        if cohort.done:
            self.folder.checkpoint(cohort.number, rung).unlink(missing_ok=True)
            self.store.claims.give_up(claim_of(cohort.number))

    def show(self, phase: str, alive: int | None = None) -> None:
        """Tell whoever watches."""
        found = self.known.best
        best = None if found is None else scores.goodness(self.problem.metric, found)
        contest = self.known.cohorts.values(), self.problem.folds
        name = scores.name_of(self.problem.metric)
        self.watch(progress_of(phase, name, *contest, best, self.clock, alive))
