"""Train the arms of an ablation, seed after seed, within a time; what is done is kept in files.

A round is all arms at one seed. Only whole rounds count, so that every comparison is paired; a
round that would not end in time is not begun. A run that is killed goes on from its files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

from shrinkage import scores
from shrinkage.engine import scoring
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput
from shrinkage.evidence.design import Design
from shrinkage.recipe import Recipe
from shrinkage.search import cost, memory
from shrinkage.search.budget import MEMBERS_A_COHORT, Clock
from shrinkage.search.events import Progress, Watch, nobody

log = logging.getLogger("shrinkage")

Wanted = tuple[Recipe, int]
"""A recipe and the seed it is trained with."""

_TICK_S = 0.25
_GRACE_S = 2.0
"""Tasks watch the deadline themselves; so long they may take to score and write."""


@dataclass
class Rounds:
    """slots: processes at work. most: recipes a cohort, where memory has set a limit.

    networks: trained by this run. spent, jobs: seconds and number of tasks that it has finished.
    """

    design: Design
    pool: Executor
    slots: int
    clock: Clock
    watch: Watch = nobody
    most: int | None = None
    networks: int = 0
    spent: float = 0.0
    jobs: int = 0
    running: dict[Future, scoring.Scoring] = field(default_factory=dict)
    phase: str = ""

    @property
    def kept(self) -> int:
        """Networks whose scores are kept, of this run and of earlier ones."""
        return len(list(self.design.problem.folder.glob("*.npy"))) * self.design.problem.folds

    def missing(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        folder = self.design.problem.folder
        unique = dict.fromkeys(wanted)
        return [each for each in unique if not scoring.path_of(folder, *each).is_file()]

    def run(self, rounds: Sequence[Sequence[Wanted]], phase: str) -> int:
        """Train what is missing, round by round; returns how many rounds from the first are whole.

        Raises BadInput where memory does not hold the networks of one recipe.
        """
        for number, wanted in enumerate(rounds):
            waiting = list(self._tasks(self.missing(wanted)))
            self._show(f"{phase} {number + 1}/{len(rounds)}")
            if waiting and not self._fits(len(waiting)):
                break
            while waiting and self.clock.left > 0:
                while waiting and len(self.running) < self.slots:
                    self._submit(waiting.pop(0))
                self._collect()
        while self.running and self.clock.left > -_GRACE_S:
            self._collect()
        whole = [not self.missing(wanted) for wanted in rounds]
        return whole.index(False) if False in whole else len(whole)

    def _tasks(self, wanted: Sequence[Wanted]) -> Iterator[scoring.Scoring]:
        """Cohorts of one seed and signature, the costliest first, so that processes end together.

        Members with one seed draw their numbers once for all.
        """
        groups: dict[tuple[int, str], list[Recipe]] = {}
        for recipe, seed in wanted:
            groups.setdefault((seed, recipe.signature), []).append(recipe)
        problem = self.design.problem
        tasks = []
        for (seed, _), recipes in groups.items():
            each = cost.held(recipes[0], problem.shape)
            members = memory.room(problem.device, each) or 2 * MEMBERS_A_COHORT
            size = max(1, min(members // problem.folds, self.most or len(recipes)))
            parts, groups_ = self.design.parts, self.design.groups
            for first in range(0, len(recipes), size):
                some = tuple(recipes[first : first + size])
                tasks.append(
                    scoring.Scoring(problem, some, seed, parts, groups_, self.clock.deadline)
                )
        yield from sorted(tasks, key=self._cost, reverse=True)

    def _cost(self, task: scoring.Scoring) -> float:
        return sum(cost.whole(recipe, task.problem.shape) for recipe in task.recipes)

    def _fits(self, jobs: int) -> bool:
        """Whether a round of so many tasks should end in time; the first is begun anyway."""
        each = self.spent / self.jobs if self.jobs else 0.0
        rounds = -(-jobs // self.slots)
        return self.clock.left > rounds * each

    def _submit(self, task: scoring.Scoring) -> None:
        for recipe in task.recipes:
            self.design.prepare(scaling_of(recipe))
        self.running[self.pool.submit(scoring.run, task)] = task

    def _collect(self) -> None:
        done, _ = wait(self.running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        self._show()
        for future in done:
            task = self.running.pop(future)
            try:
                seconds = future.result()
            except Exception as error:
                if not memory.ran_out(error):
                    raise
                self._halve(task, error)
                continue
            if seconds is not None:
                self.jobs += 1
                self.spent += seconds
                self.networks += len(task.recipes) * task.problem.folds

    def _halve(self, task: scoring.Scoring, error: BaseException) -> None:
        """Memory did not hold them at once: two halves follow, and no larger cohort."""
        memory.let_go(error)
        count = len(task.recipes)
        if count == 1:
            raise BadInput(
                "no memory for the networks of one recipe, or their process was killed: close "
                "other programs;\nwhat is done is kept, the same command goes on from there"
            ) from None
        log.warning("no memory for %d recipes at once: %s", count, error)
        self.most = count // 2
        for some in (task.recipes[: count // 2], task.recipes[count // 2 :]):
            self._submit(scoring.Scoring(**{**vars(task), "recipes": some}))

    def _show(self, phase: str | None = None) -> None:
        self.phase = phase or self.phase
        alive = sum(len(task.recipes) * task.problem.folds for task in self.running.values())
        self.watch(
            Progress(
                self.phase,
                scores.name_of(self.design.problem.metric),
                alive=alive,
                left_s=max(0.0, self.clock.left),
                budget_s=self.clock.budget_s,
            )
        )
