"""Earlier studies that a new one may learn from: `fit --prior DIR` or `--prior URL`.

What they were told is read from their databases and kept in the new study's own folder: it goes on
the same whatever becomes of them. Once that study has its base, `points` puts it into its space;
`search.transfer` learns from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from shrinkage.errors import BadInput
from shrinkage.files import write_text
from shrinkage.recipe import Recipe
from shrinkage.search import shared
from shrinkage.search.contest import FROM_RANDOM_WEIGHTS
from shrinkage.search.folder import Folder
from shrinkage.search.listing import folders, on_server
from shrinkage.space import Space, dimensions_of
from shrinkage.store.database import at_url, parsed, shown
from shrinkage.store.tables import Store

Heard = tuple[str, float, float | None]
"""A recipe as TOML, the share of its epochs, and its score; None: diverged, or not defined."""


@dataclass(frozen=True)
class EarlierStudy:
    """What one earlier study was told of recipes in the new one's space. place: where it lies."""

    place: str
    heard: tuple[Heard, ...]


def named(prior: str) -> str:
    """A place as it may be kept and shown: of a URL without its password."""
    return shown(prior) if _is_url(prior) else prior


def read(
    places: Sequence[str], space: Space, task: str, own: tuple[str, str] | None = None
) -> tuple[list[EarlierStudy], list[str]]:
    """The studies that the new one can learn from, and notes on all others.

    places: folders, which hold studies or are one, and URLs of servers. own: name and rows of the
    new study itself, where it is on a server: its trials are no earlier ones.
    Raises BadInput for a place that does not exist, and for one without any study.
    """
    found: dict[tuple[str, str], EarlierStudy] = {}
    notes: list[str] = []
    for place in places:
        everything = list(_on(place) if _is_url(place) else _below(Path(place)))
        if not everything:
            raise BadInput(
                f"--prior {named(place)}: there is no study in it; give a folder of runs, or the "
                "URL of a server"
            )
        for name, opened in everything:
            try:
                with opened() as store:
                    study = store.study()
                    which = store.name, study.name
                    if (study.name, study.rows) != own and which not in found:
                        found[which] = EarlierStudy(name, _heard_by(store, space, task))
            except BadInput as error:
                notes.append(f"--prior {name}: not used: {str(error).splitlines()[0]}")
    return list(found.values()), list(dict.fromkeys(notes))


def _is_url(place: str) -> bool:
    """Also where it is none, but may hold a password."""
    return "://" in place or place.startswith(("postgres:", "postgresql:", "postgresql+"))


def _below(root: Path) -> Iterator[tuple[str, Callable[[], Store]]]:
    for each in folders(root):
        folder = each.root.resolve()
        yield str(folder), partial(shared.opened, Folder(folder), read_only=True)


def _on(url: str) -> Iterator[tuple[str, Callable[[], Store]]]:
    parsed(url, "--prior: ")
    for each in on_server(url):
        yield f"{shown(url)}, '{each.study}'", partial(_study_on, url, each.study)


def _study_on(url: str, study: str) -> Store:
    return Store(at_url(url), study)


def _heard_by(store: Store, space: Space, task: str) -> tuple[Heard, ...]:
    """Raises BadInput that says why nothing can be learned from it."""
    settings = store.study().settings
    try:
        theirs, dimensions = settings["task"], dimensions_of(settings["space"])
    except KeyError:
        raise BadInput("its settings are damaged") from None
    if theirs != task:
        raise BadInput(f"it is a {theirs}, and this is a {task}")
    if dimensions != space.dimensions:
        raise BadInput("its space has other dimensions")
    around, heard = space.with_base(), []
    # Its own search was not told of networks that did not start where its others did.
    unlike = FROM_RANDOM_WEIGHTS if settings.get("start_from") else frozenset()
    for trial in store.trials():
        if trial.source not in unlike and _point(trial.recipe, around) is not None:
            heard += [(trial.recipe, rung.share, rung.known) for rung in trial.rungs]
    if not any(score is not None for _, _, score in heard):
        raise BadInput("no trial of it finished a rung")
    return tuple(heard)


def points(
    study: EarlierStudy, space: Space
) -> list[tuple[tuple[float, ...], float, float | None]]:
    """What it was told, by points of a study's space with its base as it is trained."""
    around = space.with_base()
    known = {toml: _point(toml, around) for toml, _, _ in study.heard}
    placed = ((known[toml], share, score) for toml, share, score in study.heard)
    return [(point, share, score) for point, share, score in placed if point is not None]


def _point(toml: str, around: Space) -> tuple[float, ...] | None:
    """None outside of the space, as for the plain network."""
    try:
        return tuple(around.encode(Recipe.from_toml(toml)))
    except BadInput:
        return None


def save(found: Sequence[EarlierStudy], path: Path) -> None:
    """Keep what was read in the new study's own folder."""
    told = [{"folder": s.place, "heard": s.heard} for s in found]
    write_text(path, json.dumps(told, allow_nan=False))


def kept(path: Path) -> list[EarlierStudy]:
    """What `save` kept. Raises BadInput where it is gone or damaged."""
    try:
        return [
            EarlierStudy(each["folder"], _heard(each))
            for each in json.loads(path.read_text("utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(f"{path} is gone or damaged: fit again with --prior") from None


def _heard(each: dict[str, Any]) -> tuple[Heard, ...]:
    found = tuple((toml, share, score) for toml, share, score in each["heard"])
    if not all(isinstance(toml, str) for toml, _, _ in found):  # as an earlier version kept them
        raise ValueError
    return found
