"""Train the arms of an ablation, seed after seed, within a time; what is done is kept in files.

A round is all arms at one seed. Only whole rounds count, so that every comparison is paired; a
round that would not end in time is not begun. A run that is killed goes on from its files.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shrinkage import interrupts, scores
from shrinkage.engine import scoring
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput
from shrinkage.evidence import stats
from shrinkage.evidence.design import Design
from shrinkage.recipe import Recipe
from shrinkage.search import cost, memory
from shrinkage.search.budget import MEMBERS_A_COHORT, Clock
from shrinkage.search.events import Progress, Watch, nobody

log = logging.getLogger("shrinkage")


class Wanted(NamedTuple):
    """A recipe and the seed it is trained with; on which rows, where not on those of the rounds."""

    recipe: Recipe
    seed: int
    design: Design | None = None


Task = tuple[Design, scoring.Scoring]

_TICK_S = 0.25
_GRACE_S = 2.0
"""Tasks watch the deadline themselves; so long they may take to score and write."""


@dataclass
class Rounds:
    """slots: processes at work. share: of the clock's budget that these rounds may use up to now.

    most: recipes a cohort, where memory has set a limit.
    networks: trained by this run. spent, jobs: seconds and number of tasks that it has finished.
    asked: where the scores of all that it was asked for lie.
    """

    design: Design
    pool: Executor
    slots: int
    clock: Clock
    watch: Watch = nobody
    share: float = 1.0
    most: int | None = None
    networks: int = 0
    spent: float = 0.0
    jobs: int = 0
    asked: set[Path] = field(default_factory=set)
    running: dict[Future, Task] = field(default_factory=dict)
    phase: str = ""

    @property
    def deadline(self) -> float:
        """When training must halt, in seconds of time.monotonic()."""
        return self.clock.deadline - (1 - self.share) * self.clock.budget_s

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def kept(self) -> int:
        """Networks that were asked for and whose scores are kept, also those of earlier runs."""
        return sum(map(_there, self.asked)) * self.design.problem.folds

    def path_of(self, wanted: Wanted) -> Path:
        """Where its scores lie."""
        design = wanted.design or self.design
        return scoring.path_of(design.problem.folder, wanted.recipe, wanted.seed)

    def missing(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        paths = {each: self.path_of(each) for each in dict.fromkeys(wanted)}
        self.asked.update(paths.values())
        return [each for each, path in paths.items() if not _there(path)]

    def run(self, rounds: Sequence[Sequence[Wanted]], phase: str) -> int:
        """Train what is missing, round by round; returns how many rounds from the first are whole.

        Raises BadInput where memory does not hold the networks of one recipe.
        """
        for number, wanted in enumerate(rounds):
            if not self._begin(wanted, f"{phase} {number + 1}/{len(rounds)}"):
                break
        self._end()
        whole = [not self.missing(wanted) for wanted in rounds]
        return whole.index(False) if False in whole else len(whole)

    def one(self, wanted: Sequence[Wanted], phase: str) -> bool:
        """One round; whether it is whole."""
        self._begin(wanted, phase)
        self._end()
        return not self.missing(wanted)

    def _begin(self, wanted: Sequence[Wanted], phase: str) -> bool:
        """Submit all of a round that is missing; False where it would not end in time."""
        waiting = list(self._tasks(self.missing(wanted)))
        self._show(phase)
        if waiting and not self._fits(len(waiting)):
            return False
        while waiting and self.left > 0:
            while waiting and len(self.running) < self.slots:
                self._submit(waiting.pop(0))
            self._collect()
        return True

    def _end(self) -> None:
        while self.running and self.left > -_GRACE_S:
            self._collect()

    def _tasks(self, wanted: Sequence[Wanted]) -> Iterator[Task]:
        """Cohorts of one seed, signature and choice of rows; the costliest first, so that
        processes end together.

        Members with one seed draw their numbers once for all.
        """
        groups: dict[tuple[Design, int, str], list[Recipe]] = {}
        for recipe, seed, design in wanted:
            groups.setdefault((design or self.design, seed, recipe.signature), []).append(recipe)
        tasks: list[tuple[float, Task]] = []
        for (design, seed, _), recipes in groups.items():
            problem = design.problem
            each = cost.bytes_held(recipes[0], problem.shape)
            members = memory.room(problem.device, each) or 2 * MEMBERS_A_COHORT
            size = max(1, min(members // problem.folds, self.most or len(recipes)))
            given = design.parts, design.groups, self.deadline
            for first in range(0, len(recipes), size):
                some = tuple(recipes[first : first + size])
                work = sum(cost.of_training(recipe, problem.shape) for recipe in some)
                task = design, scoring.Scoring(problem, some, seed, *given)
                tasks.append((work * len(design.trained[0]), task))
        yield from (task for _, task in sorted(tasks, key=lambda each: each[0], reverse=True))

    def _fits(self, jobs: int) -> bool:
        """Whether a round of so many tasks should end in time; the first is begun anyway."""
        each = self.spent / self.jobs if self.jobs else 0.0
        rounds = -(-jobs // self.slots)
        return self.left > rounds * each

    def _submit(self, task: Task) -> None:
        design, work = task
        for recipe in work.recipes:
            design.prepare(scaling_of(recipe))
        self.running[self.pool.submit(scoring.run, work)] = task

    def _collect(self) -> None:
        interrupts.check()
        done, _ = wait(self.running, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        self._show()
        for future in done:
            task = self.running.pop(future)
            work = task[1]
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
                self.networks += len(work.recipes) * work.problem.folds

    def _halve(self, task: Task, error: BaseException) -> None:
        """Memory did not hold them at once: two halves follow, and no larger cohort."""
        memory.let_go(error)
        design, work = task
        count = len(work.recipes)
        if count == 1:
            raise BadInput(
                "no memory for the networks of one recipe, or their process was killed: close "
                "other programs;\nwhat is done is kept, the same command goes on from there"
            ) from None
        log.warning("no memory for %d recipes at once: %s", count, error)
        self.most = count // 2
        for some in (work.recipes[: count // 2], work.recipes[count // 2 :]):
            self._submit((design, replace(work, recipes=some)))

    def _show(self, phase: str | None = None) -> None:
        self.phase = phase or self.phase
        alive = sum(len(work.recipes) * work.problem.folds for _, work in self.running.values())
        self.watch(
            Progress(
                self.phase,
                scores.name_of(self.design.problem.metric),
                alive=alive,
                left_s=self.clock.told_s,
                budget_s=self.clock.budget_s,
            )
        )


def _there(path: Path) -> bool:
    """Whether scores are kept there; a power cut may leave an empty file."""
    return path.is_file() and path.stat().st_size > 0


def read(paths: Sequence[Sequence[Path]]) -> tuple[np.ndarray, np.ndarray]:
    """An arm's scores from its files, one a recipe and seed: pseudo-values [S, J], picks [S, P].

    Which of its recipes counts is chosen by cross-fitting (`stats.tuned`).
    """
    table = np.array([[_scores(path) for path in row] for row in paths])
    picks = stats.tuned(table[..., 0])
    return stats.pseudo_values(stats.at_rates(table, picks).mean(1)), picks


def _scores(path: Path) -> np.ndarray:
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(
            f"{path} is damaged: {reason}; remove it and run the command again"
        ) from None
