"""What is known of a run while it goes on, read from its folder without a trace.

The log says which session runs and what it does, the database what became of every trial. Whether
a run is alive is asked of the lock on its log, and only where a session has begun: a run that is
about to take the lock is never in its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.report.facts import Point, points
from shrinkage.report.timeline import Session, Timeline, timeline
from shrinkage.search import shared
from shrinkage.search.budget import Clock
from shrinkage.search.contest import DEFAULT, PLAIN
from shrinkage.search.folder import Folder
from shrinkage.search.halving import RUNGS
from shrinkage.store.tables import Client, Store, Trial

ABSENT, RUNNING, FINISHED, STOPPED = "absent", "running", "finished", "stopped"


def status(folder: Folder) -> tuple[str, Timeline]:
    """(absent, running, finished or stopped; what its log tells).

    absent: nothing has begun there. stopped: no run holds the study, and the last one did not come
    to its end.
    """
    found = timeline(_text(folder))
    if found.began is None or not folder.begun:
        return ABSENT, found
    if folder.held:
        return (RUNNING if found.last else ABSENT), found
    found = timeline(_text(folder))  # what was written until the lock was free
    if found.last is None:  # of a version that did not log it
        return FINISHED if folder.result.is_file() else STOPPED, found
    return FINISHED if found.last.done and folder.result.is_file() else STOPPED, found


def _text(folder: Folder) -> str:
    try:
        return folder.log.read_text("utf-8", errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True)
class Rung:
    """A rung of the contest. share: of the training. ended: trials that came to its end with a
    score. alive: networks that are on their way to it."""

    share: float
    ended: int
    alive: int


@dataclass(frozen=True)
class State:
    """A run that goes on, or did not come to its end.

    trials, baselines: as the database has them; a baseline's scores by part and metric.
    points: rungs that this folder's log knows the time of. clients: of a study on a server.
    """

    folder: Folder
    status: str
    settings: Mapping[str, Any]
    plan: Mapping[str, Any]
    session: Session
    timeline: Timeline
    trials: list[Trial]
    baselines: Mapping[str, Mapping[str, Any]]
    clients: list[Client]

    @property
    def metric(self) -> str:
        return str(self.settings["metric"])

    @property
    def greater_is_better(self) -> bool:
        return scores.upwards(self.metric, self.plan)

    @property
    def points(self) -> list[Point]:
        return points(self.trials, self.timeline, self.greater_is_better)

    @property
    def finished(self) -> list[Trial]:
        """Trials that were trained to the end."""
        return [trial for trial in self.trials if trial.status == "finished"]

    @property
    def best(self) -> Trial | None:
        """The first of those with the best score among `finished`; None where none is known."""
        scored = [trial for trial in self.finished if trial.score is not None]
        return max(scored, key=lambda t: (t.score or 0.0, -t.number), default=None)

    def score(self, trial: Trial) -> float | None:
        """In the metric's own unit."""
        return trial.in_unit(self.greater_is_better)

    @property
    def plain(self) -> Trial | None:
        """The plain network, once it was trained to the end."""
        return next((trial for trial in self.finished if trial.number == PLAIN), None)

    @property
    def default(self) -> Trial | None:
        """The default recipe, once it was trained to the end."""
        return next((trial for trial in self.finished if trial.number == DEFAULT), None)

    @property
    def rungs(self) -> list[Rung]:
        """As a contest stands: who came to each rung, and who is on the way to it."""
        running = [t for t in self.trials if t.status == "running"]
        ended = [rung for t in self.trials for rung in t.rungs]
        return [
            Rung(
                share,
                ended=sum(r.number == rung and r.score is not None for r in ended),
                alive=self.session.folds * sum(len(t.rungs) == rung for t in running),
            )
            for rung, share in enumerate(RUNGS)
        ]

    def seconds_left(self, now: datetime) -> float:
        """Until training must halt, about: a large table needs more for its end."""
        started = self.session.started.timestamp()
        clock = Clock(started, self.session.budget_s)
        return max(0.0, clock.deadline - now.timestamp())

    def used(self, now: datetime) -> float:
        """The share of the time to train that is gone, in [0, 1]."""
        clock = Clock(0.0, self.session.budget_s)
        return 1 - min(1.0, self.seconds_left(now) / max(clock.deadline, 1e-9))


class Reader:
    """Reads one folder again and again. Raises BadInput where it cannot be read."""

    def __init__(self, folder: Folder, url: str | None = None) -> None:
        self.folder = folder
        self._url = url
        self._store: Store | None = None

    def read(self, seen: tuple[str, Timeline] | None = None) -> State:
        """What is known now. The log comes first: what it tells of is in the database by then.

        seen: its status, where that was just looked at: a long log is not read twice.
        """
        how, found = seen or status(self.folder)
        if found.last is None:
            raise BadInput(f"{self.folder.log} tells of no session that could be followed")
        store = self._opened()
        settings = store.settings()
        if not isinstance(settings.get("metric"), str):
            raise BadInput(f"{store.name} is damaged: its settings")
        clients = store.clients() if store.shared else []
        return State(
            folder=self.folder,
            status=how,
            settings=settings,
            plan=store.study().plan or {},
            session=found.last,
            timeline=found,
            trials=store.trials(),
            baselines=store.baselines(),
            clients=clients,
        )

    def _opened(self) -> Store:
        if self._store is None:
            self._store = shared.opened(self.folder, self._url, read_only=True)
            self._store.database = self._store.database.impatient
        return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
