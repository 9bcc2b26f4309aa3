"""The folder of a study, by name.

model/       the winner: weights, preparation, recipe.toml, manifest.json
study.db     every trial and rung, written as they end; or
store.json   where they are, for a study that several machines work on
result.json  the scores
run.log      what happened, with times
work/        the table, prepared arrays, checkpoints, finished trials, the model to start from
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shrinkage.errors import BadInput
from shrinkage.files import unwritable
from shrinkage.wording import command

_TEMPORARY = (".*.tmp*", ".tmp*")
"""Ours, and those that safetensors writes before it renames them."""


@dataclass(frozen=True)
class Folder:
    root: Path

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def database(self) -> Path:
        return self.root / "study.db"

    @property
    def link(self) -> Path:
        return self.root / "store.json"

    @property
    def begun(self) -> bool:
        """Whether a study was begun here."""
        return self.database.is_file() or self.link.is_file()

    @property
    def result(self) -> Path:
        return self.root / "result.json"

    @property
    def log(self) -> Path:
        return self.root / "run.log"

    @property
    def held(self) -> bool:
        """Whether a run holds the study: it locks its log."""
        try:
            with self.log.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def trials(self) -> Path:
        return self.work / "trials"

    @property
    def refits(self) -> Path:
        return self.work / "refit"

    @property
    def start(self) -> Path:
        """The model that networks start from."""
        return self.work / "start"

    @property
    def layers(self) -> Path:
        """What of it networks take over."""
        return self.start / "layers.safetensors"

    @property
    def prior(self) -> Path:
        """What earlier studies were told, where a study learns from some."""
        return self.work / "prior.json"

    @property
    def _written(self) -> Iterator[Path]:
        """Folders that processes write into."""
        return (path for path in (self.work, *self.work.rglob("*")) if path.is_dir())

    def trial(self, number: int) -> Path:
        return self.trials / f"{number:05d}.safetensors"

    def checkpoint(self, cohort: int, rung: int) -> Path:
        return self.work / f"cohort-{cohort:04d}-rung-{rung}.safetensors"

    def forget(self, *, but: Collection[int]) -> None:
        """Take away the checkpoints of all cohorts but these, which are still to go on."""
        for path in self.work.glob("cohort-*-rung-*.safetensors"):
            if int(path.stem.split("-")[1]) not in but:
                path.unlink(missing_ok=True)

    @contextmanager
    def founding(self) -> Iterator[None]:
        """The folder, for whoever begins a study in it meanwhile; taken back on any error.

        One that exists must be empty, or left by a start that was killed.
        Raises BadInput where it is in use or cannot be written. Nothing is overwritten.
        """
        existed = self.root.exists()
        if existed and not self.root.is_dir():
            raise self._taken()
        _make(self.root)
        lock = os.open(self.root, os.O_RDONLY)
        try:
            self._lock(lock)
            if self._unbegun():
                self._discard()
            elif any(self.root.iterdir()):
                raise self._taken()
            try:
                _make(self.work)
                self._marker.touch()
                _make(self.trials)
                yield
                self._marker.unlink(missing_ok=True)
            except BaseException:
                self._discard(root=not existed)
                raise
        finally:
            os.close(lock)

    def _lock(self, root: int) -> None:
        try:
            fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"{self.root}: another run is about to begin there; choose another --out"
            ) from None

    def _taken(self) -> BadInput:
        way_out = f"resume it with `{command('resume', self.root)}`, or choose another --out"
        if not self.begun:
            way_out = "choose another --out"
        return BadInput(f"{self.root} exists and is not an empty folder; {way_out}")

    def _discard(self, *, root: bool = False) -> None:
        """Take away what was written before the study began; `root`: the folder, too."""
        if self.work.is_dir():  # the marker last: a kill here leaves what a next start knows
            for path in [path for path in self.work.iterdir() if path != self._marker]:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            shutil.rmtree(self.work, ignore_errors=True)
        for path in (*_temporary(self.root), *self.root.glob("study.db*"), self.link):
            path.unlink(missing_ok=True)
        if root and not any(self.root.iterdir()):
            self.root.rmdir()

    def sweep(self) -> None:
        """Take away what a killed session was writing, and put back what it had moved aside."""
        self._marker.unlink(missing_ok=True)
        for moved in self.root.glob(".model.*.old"):
            if self.model.exists():
                shutil.rmtree(moved, ignore_errors=True)
            else:
                moved.rename(self.model)
        for folder in (self.root, *self._written):
            for path in _temporary(folder):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    @property
    def _marker(self) -> Path:
        """It stands while a study is founded, and where that was killed."""
        return self.work / "founding"

    def _unbegun(self) -> bool:
        """Whether a start was killed here before its database stood; what others put beside it is
        kept."""
        ours = {self.work, *_temporary(self.root)}
        if self.begun or not ours.issuperset(self.root.iterdir()):
            return False
        return self._marker.exists() or (self.work.is_dir() and not any(self.work.iterdir()))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None


def _temporary(folder: Path) -> list[Path]:
    """Files and folders there whose writing a kill cut short."""
    return [path for pattern in _TEMPORARY for path in folder.glob(pattern)]


@contextmanager
def chosen(out: str | Path | None) -> Iterator[Path]:
    """What was asked for, or a folder of its own: shrinkage-run, shrinkage-run-2, ...

    That one is made at once, so that no other run takes it, and taken away where it stays empty.
    """
    if out is not None:
        yield Path(out)
        return
    folder = _fresh_folder()
    try:
        yield folder
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _fresh_folder() -> Path:
    for number in range(1, 10_000):
        folder = Path("shrinkage-run" if number == 1 else f"shrinkage-run-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(folder, error) from None
        return folder
    raise BadInput("there are 9,999 shrinkage-run folders here; give --out")
