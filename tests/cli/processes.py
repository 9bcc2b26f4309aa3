"""Runs of the installed command that are interrupted and killed from outside."""

from __future__ import annotations

import atexit
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAM = [sys.executable, "-m", "shrinkage.cli.main"]


def start(*arguments: object, program: list[str] = PROGRAM) -> subprocess.Popen:
    """In a session of its own, so that its whole group can be killed and no other.

    What a test that failed left of it ends with the tests.
    """
    process = subprocess.Popen(
        [*program, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def group(pid: int) -> list[int]:
    """Living processes of the session that `pid` leads."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, NotADirectoryError):
            continue
        if entry.name.isdigit() and int(fields[3]) == pid and fields[0] not in ("Z", "X"):
            found.append(int(entry.name))
    return found


def wait_for(condition, seconds: float) -> bool:
    until = time.time() + seconds
    while time.time() < until:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


@dataclass(frozen=True)
class Rows:
    """What a study's database holds: (trial, rung, step, score) and baselines."""

    rungs: frozenset
    baselines: frozenset


def database(run: Path) -> Rows:
    """Read without a trace: from a copy, with its log."""
    import shutil
    import tempfile

    if not (run / "study.db").is_file():
        return Rows(frozenset(), frozenset())
    with tempfile.TemporaryDirectory() as folder:
        for path in run.glob("study.db*"):
            shutil.copy(path, folder)
        connection = sqlite3.connect(Path(folder) / "study.db")
        rungs = connection.execute("select trial, rung, step, score, seconds from rung").fetchall()
        names = connection.execute("select name, seconds from baseline").fetchall()
        connection.close()
    return Rows(frozenset(rungs), frozenset(names))


def kill(process: subprocess.Popen, *, whole_group: bool) -> list[int]:
    """SIGKILL to the process, or to its group at once. Returns who else was in the group."""
    others = [pid for pid in group(process.pid) if pid != process.pid]
    if process.poll() is not None:  # it ended by itself, and its workers with it
        process.communicate()
        return others
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return others


def leftovers(run: Path) -> list[str]:
    """Temporary files, and checkpoints that nobody needs once a study has ended."""
    return sorted(str(path.relative_to(run)) for path in run.rglob(".*"))
