"""Earlier studies that a new one may learn from: `fit --prior DIR`.

What they were told is read from their databases, put into points of the new study's space, and kept
in its own folder: it goes on the same whatever becomes of them. `search.transfer` learns from it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrinkage.data.schema import Schema
from shrinkage.errors import BadInput
from shrinkage.files import write_text
from shrinkage.recipe import Recipe
from shrinkage.search.folder import Folder
from shrinkage.search.listing import studies
from shrinkage.space import Space, dimensions_of
from shrinkage.store.tables import Store

Heard = tuple[tuple[float, ...], float, float | None]
"""A point of the space, the share of its epochs, and its score; None: diverged."""


@dataclass(frozen=True)
class Study:
    """What one earlier study was told, as points of the new one's space."""

    folder: str
    heard: tuple[Heard, ...]


def read(folders: Sequence[str], space: Space, task: str) -> tuple[list[Study], list[str]]:
    """The studies in or below the folders that the new one can learn from, and notes on all others.

    Raises BadInput for a folder that does not exist, and for one without any study.
    """
    found: list[Study] = []
    notes: list[str] = []
    places: dict[Path, None] = {}
    for folder in folders:
        here = [summary.folder.resolve() for summary in studies(Path(folder))]
        if not here:
            raise BadInput(f"--prior {folder}: there is no study in it; give a folder of runs")
        places |= dict.fromkeys(here)
    for place in places:
        try:
            found.append(_study(Folder(place), space, task))
        except BadInput as error:
            notes.append(f"--prior {place}: not used: {str(error).splitlines()[0]}")
    return found, notes


def _study(folder: Folder, space: Space, task: str) -> Study:
    """Raises BadInput that says why nothing can be learned from it."""
    theirs = _task(folder)
    if theirs != task:
        raise BadInput(f"it is a {theirs}, and this is a {task}")
    store = Store(folder.database)
    try:
        settings, trials = store.study().settings, store.trials()
    finally:
        store.close()
    try:
        dimensions = dimensions_of(settings["space"])
    except KeyError:
        raise BadInput("its settings are damaged") from None
    if dimensions != space.dimensions:
        raise BadInput("its space has other dimensions")
    around, heard = space.with_base(), []
    for trial in trials:
        try:
            point = tuple(around.encode(Recipe.from_toml(trial.recipe)))
        except BadInput:
            continue  # outside of the space, as the plain network
        heard += [(point, share, score) for _, _, share, score, _ in trial.rungs]
    if not any(score is not None for _, _, score in heard):
        raise BadInput("no trial of it finished a rung")
    return Study(str(folder.root), tuple(heard))


def _task(folder: Folder) -> str:
    try:
        about = json.loads((folder.work / "schema.json").read_text("utf-8"))
        return Schema.from_json(about["schema"]).task
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput("its work folder is gone or damaged, so its task is not known") from None


def save(found: Sequence[Study], path: Path) -> None:
    """Keep what was read in the new study's own folder."""
    write_text(path, json.dumps([{"folder": s.folder, "heard": s.heard} for s in found]))


def kept(path: Path) -> list[Study]:
    """What `save` kept. Raises BadInput where it is gone or damaged."""
    try:
        return [Study(each["folder"], _heard(each)) for each in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is gone or damaged: fit again with --prior") from None


def _heard(each: dict[str, Any]) -> tuple[Heard, ...]:
    return tuple((tuple(point), share, score) for point, share, score in each["heard"])
