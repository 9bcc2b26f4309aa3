"""Folders of runs as they are while they go on, made of finished ones."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shrinkage.search.folder import Folder


@contextmanager
def locked(log: Path) -> Iterator[None]:
    """The log is held as a run holds it."""
    with log.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@dataclass
class Run:
    """A run in the middle: some trials have not come to their end, and nothing is concluded.

    held: leaves it as a killed run does.
    """

    root: Path
    held: ExitStack

    @property
    def folder(self) -> Folder:
        return Folder(self.root)

    def sql(self, *statements: str) -> list[tuple]:
        """Run them as the run itself would; the rows of the last."""
        connection = sqlite3.connect(self.root / "study.db")
        try:
            with connection:
                found = [connection.execute(each).fetchall() for each in statements]
        finally:
            connection.close()
        return found[-1]

    def log(self, text: str) -> None:
        with (self.root / "run.log").open("a") as stream:
            stream.write(text)

    def end(self, finished: Path) -> None:
        """What the end of a run writes, in its order, and then it lets go."""
        shutil.copy(finished / "study.db", self.root / "study.db")
        shutil.copy(finished / "result.json", self.root / "result.json")
        (self.root / "run.log").write_text((finished / "run.log").read_text())
        self.held.close()
        shutil.copy(finished / "report.html", self.root / "report.html")

    def kill(self) -> None:
        self.held.close()


def _cut(log: str) -> str:
    """As it was before the run chose its winner."""
    lines = log.splitlines(keepends=True)
    return "".join(line for line in lines if "done after" not in line and "scoring" not in line)


@pytest.fixture
def going(tmp_path: Path) -> Iterator[Callable[[Path], Run]]:
    """Makes a run that goes on of a finished one."""
    with ExitStack() as stack:

        def made(finished: Path, name: str = "run") -> Run:
            root = tmp_path / name
            shutil.copytree(finished, root)
            for left in ("result.json", "report.html", "report.md"):
                (root / left).unlink()
            path = root / "run.log"
            path.write_text(_cut(path.read_text()))
            held = stack.enter_context(ExitStack())
            held.enter_context(locked(path))
            run = Run(root, held)
            run.sql(
                "update client set finished = 0",
                # The last two trials are on their way, one of them to its first rung.
                "update trial set status = 'running' where number >= "
                "(select max(number) - 1 from trial)",
                "delete from rung where trial = (select max(number) from trial)",
                "delete from rung where rung = 2 and trial = (select max(number) - 1 from trial)",
            )
            return run

        yield made
