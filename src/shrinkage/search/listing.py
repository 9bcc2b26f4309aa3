"""The studies below a folder, or on a server, as their databases tell: `shrinkage studies`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shrinkage import scores
from shrinkage.errors import BadInput, Unreachable
from shrinkage.search.folder import Folder
from shrinkage.search.shared import opened
from shrinkage.store.database import at_url
from shrinkage.store.overview import Overview, overviews

NAMES = ("study.db", "store.json")
"""A folder with one of these is a study's."""

DEEPEST = 3
"""Folders below the one asked for that are looked into."""


@dataclass(frozen=True)
class Summary:
    """status: running, finished, stopped (resume goes on), damaged, or unreachable (its server); of
    the last two with the reason.

    trials, finished: tried, and trained to the end. score: the winner's validation score, in the
    metric's unit; None before there is one. spent_s: wall-clock seconds of all sessions.
    """

    folder: Path
    status: str
    source: str = ""
    target: str = ""
    metric: str = ""
    trials: int = 0
    finished: int = 0
    score: float | None = None
    spent_s: float = 0.0
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}


@dataclass(frozen=True)
class Shared:
    """A study on a server. score: the best of a trial trained to its end, in the metric's unit.

    clients, alive: machines that worked on it, and those that do now. seen: when one last gave a
    sign, in ISO 8601; ago_s: how many seconds that is past.
    """

    study: str
    task: str
    source: str
    target: str
    metric: str
    trials: int
    finished: int
    score: float | None
    clients: int
    alive: int
    seen: str
    ago_s: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def on_server(url: str) -> list[Shared]:
    """Every study on the server, by name. Raises BadInput where it cannot be read."""
    database = at_url(url)
    try:
        found = overviews(database)
    finally:
        database.close()
    return [_shared(each) for each in found]


def _shared(found: Overview) -> Shared:
    asked = found.settings
    name, score = str(asked.get("metric")), found.score
    if score is not None and not scores.upwards(name, found.plan):
        score = -score
    return Shared(
        study=found.name,
        task=str(asked.get("task")),
        source=str(asked.get("source")),
        target=str(asked.get("target")),
        metric=name,
        trials=found.trials,
        finished=found.finished,
        score=score,
        clients=found.clients,
        alive=found.alive,
        seen=datetime.fromtimestamp(found.seen, UTC).isoformat(timespec="seconds"),
        ago_s=round(found.ago, 1),
    )


def studies(root: Path) -> list[Summary]:
    """Every study in the folder or below it, by path.

    A damaged one is named as such and hides no other. Raises BadInput as `folders` does.
    """
    return [summary(folder) for folder in folders(root)]


def folders(root: Path) -> list[Folder]:
    """Of the studies in this folder or below it, by path. Raises BadInput where it is none."""
    if not root.is_dir():
        raise BadInput(f"{root} is not a folder: give the one that holds your runs")
    deep = ["/".join([*["*"] * depth, ""]) for depth in range(DEEPEST + 1)]
    found = {path.parent for each in deep for name in NAMES for path in root.glob(each + name)}
    return [Folder(folder) for folder in sorted(found)]


def summary(folder: Folder) -> Summary:
    try:
        with opened(folder, read_only=True) as store:
            row, trials, asked = store.me(), store.trials(), store.study().settings
        status = "finished" if row.finished else "running" if folder.held else "stopped"
        return Summary(
            folder=folder.root,
            status=status,
            source=str(asked["source"]),
            target=str(asked["target"]),
            metric=str(asked["metric"]),
            trials=len(trials),
            finished=sum(trial.status == "finished" for trial in trials),
            score=_score(folder.result, str(asked["metric"])),
            spent_s=float(row.spent_s),
        )
    except BadInput as error:
        status = "unreachable" if isinstance(error, Unreachable) else "damaged"
        return Summary(folder.root, status, reason=str(error).splitlines()[0])
    except (KeyError, TypeError):
        return Summary(folder.root, "damaged", reason=f"{folder.database}: its settings")


def _score(result: Path, metric: str) -> float | None:
    """The winner's, where the study came to its end."""
    try:
        found = json.loads(result.read_text("utf-8"))
        return float(found["scores"]["winner"]["validation"][metric])
    except (OSError, ValueError, KeyError, TypeError):
        return None
