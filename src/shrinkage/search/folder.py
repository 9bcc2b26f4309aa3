"""The folder of a study, by name.

model/       the winner: weights, preparation, recipe.toml, manifest.json
study.db     every trial and rung, written as they end; or
store.json   where they are, for a study that several machines work on
result.json  the scores
run.log      what happened, with times
work/        the table, prepared arrays, checkpoints, finished trials, the model to start from
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from shrinkage.errors import BadInput
from shrinkage.files import unwritable

_TEMPORARY = (".*.tmp*", ".tmp*")
"""Ours, and those that safetensors writes before it renames them."""

_BEFORE_BEGIN = (
    "work",
    "trials",
    "train.parquet",
    "test.parquet",
    "train-unread.parquet",
    "test-unread.parquet",
    "folds.npz",
    "schema.json",
    "start",
    "prior.json",
)


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

    def trial(self, number: int) -> Path:
        return self.trials / f"{number:05d}.safetensors"

    def checkpoint(self, cohort: int, rung: int) -> Path:
        return self.work / f"cohort-{cohort:04d}-rung-{rung}.safetensors"

    def create(self) -> bool:
        """Make the folder; one that exists must be empty, or left by a start that was killed.

        Returns whether it was not there before.
        Raises BadInput where it is in use or cannot be written. Nothing is overwritten.
        """
        existed = self.root.exists()
        if existed and self._unbegun():
            self.discard()
        elif existed and (not self.root.is_dir() or any(self.root.iterdir())):
            way_out = f"resume it with `shrinkage resume {self.root}`, or choose another --out"
            if not self.begun:
                way_out = "choose another --out"
            raise BadInput(f"{self.root} exists and is not an empty folder; {way_out}")
        try:
            self.trials.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.root, error) from None
        return not existed

    def discard(self, *, root: bool = False) -> None:
        """Take away what was written before the study began; `root`: the folder, too."""
        shutil.rmtree(self.work, ignore_errors=True)
        for path in _temporary(self.root):
            path.unlink(missing_ok=True)
        if root and not any(self.root.iterdir()):
            self.root.rmdir()

    def sweep(self) -> None:
        """Take away what a killed session was writing, and put back what it had moved aside."""
        for moved in self.root.glob(".model.*.old"):
            if self.model.exists():
                shutil.rmtree(moved, ignore_errors=True)
            else:
                moved.rename(self.model)
        for folder in (self.root, self.work, self.trials, self.refits):
            for path in _temporary(folder):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _unbegun(self) -> bool:
        """Whether a start was killed here before its database stood; anything else is kept."""
        if not self.trials.is_dir() or any(self.trials.iterdir()):
            return False
        found = [*self.root.iterdir(), *self.work.iterdir()]
        left = {*_temporary(self.root), *_temporary(self.work)}
        return all(p.name in _BEFORE_BEGIN or p in left for p in found)


def _temporary(folder: Path) -> list[Path]:
    """Files and folders there whose writing a kill cut short."""
    return [path for pattern in _TEMPORARY for path in folder.glob(pattern)]
