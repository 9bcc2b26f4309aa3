"""The folder of a study, by name.

model/       the winner: weights, preparation, recipe.toml, manifest.json
study.db     every trial and rung, written as they end
result.json  the scores
run.log      what happened, with times
work/        the table, prepared arrays, checkpoints, finished trials
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shrinkage.errors import BadInput
from shrinkage.files import unwritable


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

    def trial(self, number: int) -> Path:
        return self.trials / f"{number:05d}.safetensors"

    def checkpoint(self, cohort: int, rung: int) -> Path:
        return self.work / f"cohort-{cohort:04d}-rung-{rung}.safetensors"

    def create(self) -> None:
        """Make the folder; one that exists must be empty.

        Raises BadInput where it is in use or cannot be written. Nothing is overwritten.
        """
        if self.root.exists() and (not self.root.is_dir() or any(self.root.iterdir())):
            way_out = f"resume it with `shrinkage resume {self.root}`, or choose another --out"
            if not self.database.is_file():
                way_out = "choose another --out"
            raise BadInput(f"{self.root} exists and is not an empty folder; {way_out}")
        try:
            self.trials.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.root, error) from None
