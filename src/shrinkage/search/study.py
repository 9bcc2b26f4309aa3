"""A study: asks for recipes, runs their cohorts rung by rung, and keeps all of it.

Everything that decides how a study goes on is in its database and its work folder, so a study
that was killed goes on from its last finished rung: `Study.open` reads, `run` continues.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from shrinkage import scores
from shrinkage.engine import arrays, task
from shrinkage.errors import Unwritable
from shrinkage.recipe import Recipe
from shrinkage.search import baseline, cost, memory, proposers, rows
from shrinkage.search.aim import aimed
from shrinkage.search.budget import Clock, cohort_size
from shrinkage.search.cohort import Cohort, progress_of, verdicts
from shrinkage.search.contest import DEFAULT, FRESH, FROM_RANDOM_WEIGHTS, PLAIN
from shrinkage.search.events import Watch, nobody
from shrinkage.search.folder import Folder
from shrinkage.search.halving import RUNGS, rung_steps
from shrinkage.search.outset import decided
from shrinkage.search.random import Search
from shrinkage.search.settings import Settings
from shrinkage.space import Space
from shrinkage.store.tables import RungRow, Store, Trial, TrialRow

log = logging.getLogger("shrinkage")

_HOPE = 0.7
"""A rung is begun where this part of what it seems to cost fits: what it costs is a guess."""

_TICK_S = 0.25
_TRIES = 100
"""Cohorts asked for in a row without a new recipe: after that the space is used up."""
_GRACE_FOR_FIRST_S = 4.0


@dataclass
class Study:
    """One search in one folder. Made by `shrinkage.search.session`."""

    folder: Folder
    settings: Settings
    store: Store
    rows: rows.Rows
    problem: task.Problem
    recipes: tuple[Recipe, Recipe]
    space: Space
    clock: Clock
    watch: Watch = nobody
    cohorts: dict[int, Cohort] = field(default_factory=dict)
    seen: list[list[float]] = field(default_factory=lambda: [[] for _ in RUNGS])
    best: float | None = None
    leader: int | None = None
    seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    interrupted: bool = False
    share: float = 1.0
    trial_seconds: float = 0.0
    step_seconds: float = 0.0
    asked: int = 0
    most: int | None = None

    @cached_property
    def searching(self) -> Search:
        """What proposes recipes: one object, which keeps what it is told. Needs the plan's base."""
        expense = partial(cost.whole, shape=self.problem.shape)
        return proposers.made(self.settings, self.space, expense, self.clock.elapsed)

    @property
    def search_deadline(self) -> float:
        """When no new recipe is tried any more, in seconds of time.time().

        What follows is one recipe's training on all rows: that of the one that leads by now.
        """
        most = max(len(self.rows.train) / len(fold.train) for fold in self.rows.folds)
        seconds = self.trial_seconds if self.leader is None else self.seconds[self.leader]
        return self.clock.search_deadline(seconds / self.problem.folds * most)

    @property
    def grace(self) -> float:
        """Tasks watch the deadline themselves; these seconds they may take to write.

        Longer where nothing is there yet: a few seconds late beats no network at all.
        """
        nothing = not any(self.folder.trials.glob("*.safetensors"))
        return max(_GRACE_FOR_FIRST_S if nothing else 0.5, 0.02 * self.settings.budget_s)

    def run(self, pool: Executor) -> None:
        """Search until the time for it is used up or the trials are all done."""
        self._restore(self.store.trials())
        self.plan(pool)
        self._tell_again(self.store.trials())
        self._loop(pool)

    # -- before the search ---------------------------------------------------------------

    def _restore(self, trials: Iterable[Trial]) -> None:
        """Take up what the database knows; cohorts stand where their last finished rung is."""
        for trial in trials:
            name = f"{self.store.path}: the recipe of trial {trial.number}"
            recipe = Recipe.from_toml(trial.recipe, name)
            fresh = Cohort(trial.cohort, trial.source, {}, set())
            cohort = self.cohorts.setdefault(trial.cohort, fresh)
            cohort.trials[trial.number] = recipe
            self.seconds[trial.number] = trial.seconds
            if trial.status == "running":
                cohort.alive.add(trial.number)
                cohort.rung = len(trial.rungs)
            for rung, _, _, score, _ in trial.rungs:
                if score is not None:
                    self.seen[rung].append(score)
            if trial.status == "finished" and trial.score is not None:
                self._improve(trial.score, trial.number)

        self.asked = max(self.cohorts, default=1) + 1

    def _tell_again(self, trials: Iterable[Trial]) -> None:
        """What earlier sessions learned; the search exists only once the plan is made."""
        for trial in trials:
            for _, _, share, score, _ in trial.rungs:
                recipe = self.cohorts[trial.cohort].trials[trial.number]
                self.searching.tell(recipe, share, score)

    def plan(self, pool: Executor) -> None:
        """Decide once how many epochs fit; write the first trials."""
        plan = self.store.study().plan
        if plan is None:
            self.show("timing a few steps")
            default = self._with_loss(self.recipes[0])
            self._prepared(task.scaling_of(default))
            total = rung_steps(self._rows(), default.batch_size, default.epochs)[-1]
            asked = self.problem, default, self.settings.seed, total
            plan = decided(pool, *asked, self.clock, self.folder.root)
            self.store.set_plan(plan)
        self.share, self.trial_seconds = plan["epochs_share"], plan["trial_seconds"]
        self.step_seconds = plan.get("step_seconds", 0.0)
        self.problem = replace(self.problem, precision=plan.get("precision", "float32"))
        self.space = Space(self._shortened(self.space.base), self.space.dimensions)
        if not self.cohorts:
            default, plain = (self._shortened(recipe) for recipe in self.recipes)
            self._begin(DEFAULT, "default", [default])
            self._begin(PLAIN, "plain", [plain])
            most = self.settings.trials
            if self.problem.start is not None and (most is None or most > PLAIN + 1):
                self._begin(PLAIN + 1, FRESH, [default.without("layer_rates")])

    def _shortened(self, recipe: Recipe) -> Recipe:
        epochs = max(1, round(recipe.epochs * self.share))
        return self._with_loss(recipe.set({"data.minibatch.epochs": epochs}))

    def _with_loss(self, recipe: Recipe) -> Recipe:
        return aimed(recipe, self.rows.schema.task, self.problem.metric)

    def _rows(self) -> int:
        return min(len(fold.train) for fold in self.rows.folds)

    # -- the search ----------------------------------------------------------------------

    def _loop(self, pool: Executor) -> None:
        slots = max(1, self.settings.workers)
        running: dict[Future, Cohort | str] = {}
        baselines = [name for name in baseline.NAMES if name not in self.store.baselines()]
        while self.clock.left > 0:
            while len(running) < slots and (job := self._next_job(baselines)):
                future, what = self._submit(pool, job)
                running[future] = what
                if future.done():
                    break
            self.show("searching")
            if not running:
                break
            self._collect(running)
        while running and self.clock.left > -self.grace:
            self._collect(running)

    def _collect(self, running: dict[Future, Cohort | str]) -> None:
        done, _ = wait(running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        for future in done:
            self._finish(running.pop(future), future)

    def _next_job(self, baselines: list[str]) -> Cohort | str | None:
        """The default and the plain network first, then baselines, rungs that wait, new cohorts."""
        waiting = [c for c in self.cohorts.values() if not c.done and not c.busy]
        references = [cohort for cohort in waiting if cohort.reference]
        if references:
            return references[0]
        if baselines:
            return baselines.pop(0)
        if time.time() > self.search_deadline:
            return None
        # What would not end in time is not begun; the refit's processes are free the earlier.
        if fitting := [cohort for cohort in waiting if self._fits(cohort)]:
            return max(fitting, key=lambda cohort: cohort.rung)
        # A new recipe is worth a first rung where it could still come to its last.
        return self._ask() if self._in_time(self.trial_seconds) else None

    def _fits(self, cohort: Cohort) -> bool:
        """Whether a cohort's next rung should end before the search does."""
        leg = RUNGS[cohort.rung] - (RUNGS[cohort.rung - 1] if cohort.rung else 0)
        shape = self.problem.shape
        work = sum(cost.whole(cohort.trials[number], shape) for number in cohort.alive)
        times = work / cost.whole(self.space.base, shape)
        return self._in_time(self.trial_seconds * leg * times)

    def _in_time(self, seconds: float) -> bool:
        """A study of so many trials does not go by guesses."""
        asked = self.settings.trials is not None
        return asked or time.time() + _HOPE * seconds < self.search_deadline

    def _ask(self) -> Cohort | None:
        """A new cohort of recipes that were not tried yet; None where there are none."""
        known = {recipe for cohort in self.cohorts.values() for recipe in cohort.trials.values()}
        first = max(max(cohort.trials) for cohort in self.cohorts.values()) + 1
        left = self.search_deadline - time.time()
        first_rung = RUNGS[0] * self.trial_seconds
        count = cohort_size(self.problem.folds, self.problem.device, first_rung, left)
        each = cost.held(self.space.base, self.problem.shape)
        room = memory.room(self.problem.device, each) or count * self.problem.folds
        count = min(count, self.most or count, max(1, room // self.problem.folds))
        if self.settings.trials is not None:
            count = min(count, self.settings.trials - first)
        if count <= 0 or not self.space.dimensions:
            return None
        new = [cohort for cohort in self.cohorts.values() if not cohort.rung]
        pending = [cohort.trials[number] for cohort in new for number in cohort.alive]
        share = 0.0 if self.settings.trials is not None else self.clock.share_until(left)
        for _ in range(_TRIES):
            asked = self.searching.ask(self.asked, count, pending, share)
            self.asked += 1
            fresh = dict.fromkeys(self._with_loss(recipe) for recipe in asked)
            if recipes := [recipe for recipe in fresh if recipe not in known]:
                return self._begin(first, self.searching.name, recipes)
        return None

    def _begin(self, first: int, source: str, recipes: list[Recipe]) -> Cohort:
        number = max(self.cohorts, default=-1) + 1
        trials = dict(enumerate(recipes, first))
        self.store.add_trials(
            TrialRow(number=n, cohort=number, source=source, recipe=r.to_toml(), hash=r.hash)
            for n, r in trials.items()
        )
        self.cohorts[number] = Cohort(number, source, trials, set(trials))
        return self.cohorts[number]

    def _submit(self, pool: Executor, job: Cohort | str) -> tuple[Future, Cohort | str]:
        if isinstance(job, str):
            log.info("baseline %s begins", job)
            arguments = (job, self.folder.work, self.problem.metric, self.settings.seed)
            return pool.submit(baseline.run, *arguments), job
        job.busy = True
        recipe = next(iter(job.trials.values()))
        steps = rung_steps(self._rows(), recipe.batch_size, recipe.epochs)
        before = self.folder.checkpoint(job.number, job.rung - 1) if job.rung else None
        if before is not None and not before.exists():
            before = None  # a half of a cohort that was too large: it begins anew
        last = job.rung == len(RUNGS) - 1
        after = None if last else self.folder.checkpoint(job.number, job.rung)
        deadline = self.clock.deadline if job.reference else self.search_deadline
        for each in job.trials.values():
            self._prepared(task.scaling_of(each))
        work = task.Task(
            self.problem_of(job.source),
            tuple(job.trials.items()),
            frozenset(job.alive),
            self.settings.seed,
            steps[job.rung],
            before,
            after,
            self.folder.trials,
            deadline,
        )
        return pool.submit(task.run, work), job

    def problem_of(self, source: str) -> task.Problem:
        """What trials of this source start from."""
        return replace(self.problem, start=None) if source in FROM_RANDOM_WEIGHTS else self.problem

    def _prepared(self, scaling: str) -> None:
        """Write the arrays of a scaling when it is first asked for."""
        path = self.folder.work / f"{scaling}.safetensors"
        if not path.exists():
            arrays.write(rows.prepare(self.rows, scaling)[0], path)

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
            return
        if isinstance(what, str):
            validation, test, seconds = found
            self.store.add_baseline(what, {"validation": validation, "test": test}, seconds)
            log.info("baseline %s ended after %.1f s", what, seconds)
        else:
            self._commit(what, found)

    def _fail(self, cohort: Cohort, reason: str) -> None:
        reasons: dict[int, tuple[str, int]] = dict.fromkeys(cohort.alive, (reason, 0))
        self._commit(cohort, task.Result({}, reasons, 0, False, 0.0))

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
        parts = memory.halves(cohort, max(self.cohorts) + 1)
        self.most = max(1, count // 2)
        self.store.move({n: part.number for part in parts for n in part.trials})
        self.store.note(f"Memory did not hold {count} recipes at once: smaller cohorts went on.")
        self.cohorts |= {part.number: part for part in parts}
        cohort.alive.clear()

    def _commit(self, cohort: Cohort, found: task.Result) -> None:
        """Write a finished rung, whole, and decide who goes on."""
        cohort.busy = False
        rung, last = cohort.rung, cohort.rung == len(RUNGS) - 1
        if found.halted:
            # The database says nothing of an unfinished rung: a resumed study trains it again.
            cohort.alive.clear()
            log.info("cohort %d rung %d: time was up, %.1f s", cohort.number, rung, found.seconds)
            return
        # The default and the plain network set the bar, too.
        self.seen[rung] += found.scores.values()
        changes = verdicts(cohort, found.scores, found.reasons, self.seen[rung])
        everyone = dict.fromkeys([*found.scores, *changes])
        seconds = found.seconds / max(1, len(everyone))
        share = RUNGS[rung]
        for number in everyone:
            self.seconds[number] += seconds
        same = {"rung": rung, "step": found.step, "share": share, "seconds": seconds}
        self.store.finish_rung(
            [RungRow(trial=n, score=found.scores.get(n), **same) for n in everyone],
            changes,
            self.clock.used,
            {number: count for number, (_, count) in found.reasons.items()},
        )
        for number, recipe in cohort.trials.items():
            if number in everyone:
                self.searching.tell(recipe, share, found.scores.get(number))
        if last:
            for number, score in found.scores.items():
                self._improve(score, number)
        log.info(
            "cohort %d rung %d: %d trials, %d go on, %.1f s",
            cohort.number,
            rung,
            len(everyone),
            len(cohort.alive) - len(changes),
            found.seconds,
        )
        for number, (status, reason) in changes.items():
            if reason is not None:
                log.info("trial %d %s: %s", number, status, reason)
        cohort.alive -= set(changes)
        cohort.rung += 1
        cohort.seconds += found.seconds
        if last and DEFAULT in found.scores:
            self.trial_seconds = cohort.seconds
        if rung:
            self.folder.checkpoint(cohort.number, rung - 1).unlink(missing_ok=True)
        if cohort.done:
            self.folder.checkpoint(cohort.number, rung).unlink(missing_ok=True)

    def _improve(self, score: float, number: int) -> None:
        if self.best is None or score > self.best:
            self.best, self.leader = score, number

    def show(self, phase: str, alive: int | None = None) -> None:
        """Tell whoever watches."""
        best = None if self.best is None else scores.goodness(self.problem.metric, self.best)
        contest = self.cohorts.values(), self.problem.folds
        name = scores.name_of(self.problem.metric)
        self.watch(progress_of(phase, name, *contest, best, self.clock, alive))
