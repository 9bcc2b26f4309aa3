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
from shrinkage.recipe import Recipe
from shrinkage.search import asking, cost, outcome, proposers, rows
from shrinkage.search.aim import aimed
from shrinkage.search.beside import Baselines
from shrinkage.search.budget import Clock
from shrinkage.search.cohort import Cohort, progress_of
from shrinkage.search.contest import FROM_RANDOM_WEIGHTS, kept_part
from shrinkage.search.events import Watch, nobody
from shrinkage.search.folder import Folder
from shrinkage.search.halving import RUNGS, rung_steps
from shrinkage.search.known import Known
from shrinkage.search.outset import agreed
from shrinkage.search.seam import Search
from shrinkage.search.settings import Settings
from shrinkage.search.standing import Standing
from shrinkage.space import Space
from shrinkage.store.tables import Store

log = logging.getLogger("shrinkage")

_HOPE = 0.7
"""A recipe is begun where this part of what it seems to cost fits: what it costs is a guess."""

_TICK_S = 0.25
_GRACE_FOR_FIRST_S = 4.0


@dataclass
class Study:
    """One search in one folder. Made by `shrinkage.search.session`.

    default, plain: the recipes of the first two trials, with all their epochs; `space.base` is the
    first with as many as there is time for, and trial_seconds, step_seconds are of it.
    memory_holds: so many recipes at once, once that is known. aside: a process of the baselines'
    own.
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
    memory_holds: int | None = None
    aside: Executor | None = None
    standing: Standing | None = None
    _kept_parts: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unlike = frozenset() if self.problem.start is None else FROM_RANDOM_WEIGHTS
        self.known = Known(self.store, cost.Costs(self.problem.shape), unlike)
        self.baselines = Baselines(
            self.store, self.known, self.folder.work, self.problem.metric, self.settings.seed
        )

    @cached_property
    def searching(self) -> Search:
        """What proposes recipes: one object, which keeps what it is told. Needs the plan's base."""
        return proposers.made(
            self.settings, self.space, self.known.costs.of, self.clock.elapsed, self.folder.prior
        )

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
        if (leader := self.known.leader) is None:
            return self.on_all_rows_s(self.trial_seconds)
        return self.on_all_rows_s(self.trained_s(leader) * self._kept(leader))

    def on_all_rows_s(self, seconds: float) -> float:
        """About what one network takes on all rows, where those of all folds took so long."""
        most = max(len(self.rows.train) / len(fold.train) for fold in self.rows.folds)
        return seconds / self.problem.folds * most

    def trained_s(self, trial: int) -> float:
        """What a trial took; about that, where another machine trained it."""
        if (found := self.known.seconds.get(trial)) is None:
            return self.seconds_of(self.known.recipe(trial))
        return found

    def _kept(self, trial: int) -> float:
        """The part of a finished trial's time that it takes to train to where its folds stopped.

        1 as long as its file is with the machine that trained it.
        """
        if trial not in self._kept_parts:
            path = self.folder.trial(trial)
            if not path.is_file():
                return 1.0
            self._kept_parts[trial] = kept_part(path, self.known.recipe(trial))
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
                if self._submit(pool, job, waits=self._alone).done():
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
            self.wind_up(pool)

    @property
    def _at_work(self) -> int:
        """Jobs that the processes of this study have now."""
        return len(self.running) - (self.busy if self.aside else 0)

    @property
    def busy(self) -> int:
        """Baselines that are fitted now."""
        return sum(isinstance(what, str) for what in self.running.values())

    def wind_up(self, pool: Executor) -> None:
        """Wait for what still runs, as long as the time and a little grace allow.

        For what others have to bring on as well, as long as the time allows; what they let go of
        is done here.
        """
        self.harvest()
        while self.clock.left > -self.grace:
            interrupts.check()
            if self.clock.left > 0 and self._others_at_work():
                self.known.news()
                counted = self.settings.trials is not None
                if not self._at_work and (job := self._next_job() if counted else self._owed()):
                    self._submit(pool, job, waits=False)
            elif not self.running:
                return
            self._collect()

    def harvest(self) -> None:
        """Keep what has ended by now, without waiting."""
        for future in [each for each in self.running if each.done()]:
            outcome.take(self, self.running.pop(future), future)

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
        """What is owed first, then rungs that wait, then new cohorts."""
        if owed := self._owed():
            return owed
        if time.monotonic() > self.search_deadline:
            return None
        # What would not end in time is not begun; the refit's processes are free the earlier.
        waiting = self.known.waiting()
        fitting = [each for each in waiting if not each.reference and asking.fits(self, each)]
        for cohort in sorted(fitting, key=lambda each: -each.rung):
            if self.known.claim_rung(cohort):
                return cohort
        # A new recipe is worth a first rung where it could still come to its last.
        return asking.cohort(self) if self.in_time(self.seconds_of(self.space.base)) else None

    def _owed(self) -> Cohort | str | None:
        """What every study has: the default and the plain network, then baselines."""
        for cohort in self.known.waiting():
            if cohort.reference and self.known.claim_rung(cohort):
                return cohort
        # However long they take, networks are trained meanwhile.
        if self.busy < max(1, self.settings.workers - 1):
            return self.baselines.claimed()
        return None

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

    @property
    def _alone(self) -> bool:
        """Whether one process does everything: while it fits a baseline, networks wait."""
        return self.settings.workers < 2 and self.aside is None

    def _submit(self, pool: Executor, job: Cohort | str, *, waits: bool) -> Future:
        if isinstance(job, str):
            ends = self.clock.deadline, self.search_deadline
            future = self.baselines.submit(self.aside or pool, job, *ends, waits=waits)
        else:
            future = pool.submit(task.run, self._task(job))
        self.running[future] = job
        return future

    def _task(self, job: Cohort) -> task.Task:
        """The cohort's next rung, which is trained from now on."""
        job.busy = True
        recipe = next(iter(job.trials.values()))
        steps = self.rung_steps(recipe)
        last = job.rung == len(RUNGS) - 1
        after = None if last else self.folder.checkpoint(job.number, job.rung)
        deadline = self.clock.deadline if job.reference else self.search_deadline
        for each in job.trials.values():
            self.prepare(task.scaling_of(each))
        return task.Task(
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

    def problem_of(self, source: str) -> task.Problem:
        """What trials of this source start from."""
        return replace(self.problem, start=None) if source in FROM_RANDOM_WEIGHTS else self.problem

    def prepare(self, scaling: str) -> None:
        """Write the arrays of a scaling when it is first asked for."""
        path = arrays.path_of(self.folder.work, scaling)
        arrays.write_once(path, lambda: rows.prepare(self.rows, scaling)[0])

    def show(self, phase: str, alive: int | None = None) -> None:
        """Tell whoever watches."""
        found = self.known.best
        best = None if found is None else scores.goodness(self.problem.metric, found)
        contest = self.known.cohorts.values(), self.problem.folds
        name = scores.name_of(self.problem.metric)
        self.watch(progress_of(phase, name, *contest, best, self.clock, alive))
