"""The studies below a folder, as their databases and results tell: `shrinkage studies`."""

from __future__ import annotations

import fcntl
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shrinkage.errors import BadInput
from shrinkage.search.folder import Folder
from shrinkage.search.shared import opened

DEEPEST = 3
"""Folders below the one asked for that are looked into."""


@dataclass(frozen=True)
class Summary:
    """status: running, finished, stopped (resume goes on) or damaged, with the reason.

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


def studies(root: Path) -> list[Summary]:
    """Every study in the folder or below it, by path.

    A damaged one is named as such and hides no other. Raises BadInput where there is no folder.
    """
    if not root.is_dir():
        raise BadInput(f"{root} is not a folder: give the one that holds your runs")
    places = (root.glob("/".join(["*"] * depth) + "/study.db") for depth in range(1, DEEPEST + 1))
    found = [*root.glob("study.db"), *(path for each in places for path in each)]
    return [summary(Folder(path.parent)) for path in sorted(found)]


def summary(folder: Folder) -> Summary:
    try:
        store = opened(folder)
        try:
            row, trials, asked = store.me(), store.trials(), store.study().settings
        finally:
            store.close()
        status = "finished" if row.finished else "running" if _held(folder.log) else "stopped"
        return Summary(
            folder.root,
            status,
            str(asked["source"]),
            str(asked["target"]),
            str(asked["metric"]),
            len(trials),
            sum(trial.status == "finished" for trial in trials),
            _score(folder.result, str(asked["metric"])),
            float(row.spent_s),
        )
    except BadInput as error:
        return Summary(folder.root, "damaged", reason=str(error).splitlines()[0])
    except (KeyError, TypeError):
        return Summary(folder.root, "damaged", reason=f"{folder.database}: its settings")


def _score(result: Path, metric: str) -> float | None:
    """The winner's, where the study came to its end."""
    try:
        found = json.loads(result.read_text("utf-8"))
        return float(found["scores"]["winner"]["validation"][metric])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _held(log: Path) -> bool:
    """Whether a run holds the study: it locks its log."""
    try:
        with log.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
