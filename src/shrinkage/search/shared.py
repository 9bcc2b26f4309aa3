"""One study, several machines: joining it, and the files that pass between them.

A study on a server has a name; each machine that joins has a folder of its own, which keeps the
server's URL (never a password), the study's name, and who it is among the study's clients.
"""

from __future__ import annotations

import hashlib
import json
import math
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from shrinkage.errors import BadInput
from shrinkage.files import replacing, write_text
from shrinkage.search.contest import REFERENCES
from shrinkage.search.folder import Folder
from shrinkage.search.rows import Rows
from shrinkage.search.settings import Settings
from shrinkage.store.artifact import versions
from shrinkage.store.database import at_file, at_url, parsed, shown
from shrinkage.store.opening import make_study
from shrinkage.store.schema import StudyRow
from shrinkage.store.tables import Store

_LONGEST = 100

OPTIONS = {
    "target": "--target",
    "task": "--task",
    "metric": "--metric",
    "test": "--test",
    "cv": "--cv",
    "recipe": "--recipe",
    "space": "--space",
    "seed": "--seed",
    "trials": "--trials",
    "portfolio": "--portfolio",
    "precision": "--precision",
    "keep": "--keep",
    "together": "--together",
    "time": "--time",
    "keep_all": "keep_all",
    "start_from": "--start-from",
}
"""Settings that have to be the same for all clients of a study, as a person gives them. What is
left out is each machine's own: its data's place, budget, processes, device, ensemble, what proposes
its recipes (auto is what its budget and extras allow) and from which prior, and what it looks at in
the end."""


@dataclass(frozen=True)
class Place:
    """Where a study is kept for several machines. url: may hold a password; it is not kept."""

    url: str
    study: str


def place(url: str | None, study: str | None) -> Place | None:
    """What a person gave with --store and --study, once the server was reached.

    Raises BadInput for one without the other, and where the server cannot be used.
    """
    if url is None and study is None:
        return None
    if url is None:
        raise BadInput("--study names a study on a server: say which one, with --store URL")
    if not study or not study.isprintable() or len(study) > _LONGEST:
        raise BadInput("--store needs a study's name, the same on all machines: --study NAME")
    parsed(url, "--store: ")
    database = at_url(url)
    try:
        database.run(lambda session: session.connection())
    finally:
        database.close()
    return Place(url, study)


def joined(where: Place, folder: Folder, settings: Settings, rows: Rows) -> Store:
    """The study of this name, begun where there is none, and this folder as one of its clients.

    Raises BadInput where it was begun with other settings or other rows; nothing is written then.
    """
    database, asked, digest = at_url(where.url), settings.to_json(), digest_of(rows)
    try:
        make_study(database, where.study, versions()["shrinkage"], asked, digest)
        client = f"{socket.gethostname()}-{uuid4().hex[:8]}"
        store = Store(database, where.study, client)
        check_same(store.study(), asked, digest)
        store.enter({name: value for name, value in asked.items() if name not in OPTIONS})
    except BaseException:
        database.close()
        raise
    link = {"store": shown(where.url), "study": where.study, "client": client}
    write_text(folder.link, json.dumps(link, indent=2) + "\n")
    return store


def opened(folder: Folder, url: str | None = None, *, read_only: bool = False) -> Store:
    """The database of a study's folder: its own file, or the server that its link names.

    url: the server's, with the password, where that is not in PGPASSWORD or ~/.pgpass.
    read_only: to look, as in a folder that may only be read; see `database.at_file`. A file of an
    earlier format is brought to this one all the same, which needs to write.
    Raises BadInput where the folder holds no study.
    """
    if not folder.link.is_file():
        if url is not None:
            raise BadInput(f"{folder.root} is no folder of a study on a server: leave out --store")
        if read_only and folder.database.is_file():
            with suppress(BadInput):  # what is really wrong is said below
                return Store(at_file(folder.database, read_only=True))
        return Store(folder.database)
    try:
        link = json.loads(folder.link.read_text("utf-8"))
        kept, study, client = (str(link[name]) for name in ("store", "study", "client"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder.link} is damaged: {error}; join the study anew") from None
    if url is not None and shown(url) != kept:
        raise BadInput(f"{folder.root} belongs to a study on {kept}, and not on {shown(url)}")
    return Store(at_url(url or kept), study, client)


def settings_of(store: Store) -> Settings:
    """What this folder's client was asked for. Raises BadInput where it makes no sense."""
    try:
        return Settings(**store.settings())
    except TypeError as error:
        raise BadInput(f"{store.name} is damaged: its settings: {error}") from None


def check_same(study: StudyRow, asked: Mapping[str, Any], digest: str) -> None:
    """Raises BadInput, which names what differs from the study that is there."""
    theirs, ours = _deciding(study.settings), _deciding(asked)
    differing = [name for name in OPTIONS if theirs.get(name) != ours[name]]
    if differing:
        texts = [f"{OPTIONS[n]} {_brief(theirs.get(n))} there, {_brief(ours[n])} here"
                 for n in differing]  # fmt: skip
        raise BadInput(
            f"the study '{study.name}' was begun with other settings: {'; '.join(texts)}.\n"
            "Join it with the same ones, or name another study"
        )
    if study.rows != digest:
        raise BadInput(
            f"the study '{study.name}' was begun with another table: rows, columns or the order "
            "of rows differ.\nJoin it with the same data, or name another study"
        )


def _deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of a file's or a folder's path, only that there is one: what it holds is compared by hash."""
    found = {name: settings.get(name) for name in OPTIONS}
    found["test"] = "a file" if isinstance(found["test"], str) else found["test"]
    # Earlier versions did not have these.
    found["keep"] = sorted(found["keep"] or ())
    found |= {name: found[name] or "" for name in ("together", "time")}
    found["start_from"] = "a model" if found["start_from"] else "random weights"
    return found


def _brief(value: Any) -> str:
    """A setting in a few words: recipes and spaces are texts of many lines."""
    text = str(value)
    if "\n" not in text and len(text) <= 40:
        return text
    return f"(text {hashlib.sha256(text.encode()).hexdigest()[:6]})"


def digest_of(rows: Rows) -> str:
    """A hash of all that a study trains and judges on: rows in order, folds, where networks start.

    The same for the same table wherever it lies and whatever file it was read from.
    """
    digest = hashlib.sha256(json.dumps(rows.schema.to_json(), sort_keys=True).encode())
    for frame in (rows.train, rows.test):
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    for fold in rows.folds:
        for part in (fold.train, fold.validation):
            digest.update(np.asarray(part, dtype=np.int64).tobytes())
    if rows.together is not None:
        for clusters in (rows.together.train, rows.together.test):
            digest.update(b"" if clusters is None else clusters.astype(np.int64).tobytes())
    if rows.coded:  # where there are none, as an earlier version has it
        digest.update(json.dumps(rows.coded).encode())
    if rows.origin is not None:
        digest.update(rows.origin.weights.numpy().tobytes())
    return digest.hexdigest()[:16]


def fetch(store: Store, folder: Folder, fetched: set[int], until: float = math.inf) -> None:
    """The files of trials that others have finished: any of them may win, or join the winner.

    fetched: those that this session has by now; a finished trial's file stays as it is.
    until: when to stop, in seconds of time.monotonic(): what is not here by then cannot win here.
    References are fetched in any case, for something must be there to return.
    """
    if not store.shared:
        return
    for trial in store.trials():
        done = trial.number in fetched or trial.client == store.client
        done = done or (time.monotonic() > until and trial.source not in REFERENCES)
        if trial.status != "finished" or done:
            continue
        path = folder.trial(trial.number)
        content = store.file(trial.number)
        if content is not None and not _holds(path, content):
            with replacing(path, sync=False) as temporary:
                temporary.write_bytes(content)
        if content is not None:
            fetched.add(trial.number)


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def described(store: Store) -> dict[str, Any] | None:
    """What result.json says of a study that several machines worked on."""
    if not store.shared:
        return None
    trials = store.trials()
    return {
        "store": store.name,
        "study": store.study().name,
        "clients": len(store.clients()),
        "client": store.client,
        "n_trials_own": sum(trial.client == store.client for trial in trials),
    }
