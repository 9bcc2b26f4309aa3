"""A PostgreSQL server of the tests' own: a folder in /tmp, a Unix socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

PORT = 5432
"""Names the socket; each server has a folder of its own."""


def programs() -> Path | None:
    """Where Debian and others put the server: on the path, or not."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").is_file()), None)


def _owner() -> str | None:
    """Whom the server runs as: it refuses to be root. None: the user of the tests."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


@contextmanager
def serving() -> Iterator[str]:
    """A server until the end of the block, and the folder of its socket."""
    place = programs()
    assert place is not None
    owner, folder = _owner(), Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    become = []
    if owner is not None:
        shutil.chown(folder, owner)
        user = pwd.getpwnam(owner)
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def call(program: str, *arguments: str) -> None:
        command = [*become, str(place / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        assert done.returncode == 0, (done.stdout, done.stderr, _log(folder))

    data = folder / "data"
    options = f"-k {folder} -p {PORT} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB"
    try:
        call("initdb", "-D", str(data), "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8")
        rules = (data / "pg_hba.conf").read_text()
        (data / "pg_hba.conf").write_text(f"local all guarded scram-sha-256\n{rules}")
        log = str(folder / "log")
        call("pg_ctl", "-D", str(data), "-l", log, "-o", options, "-w", "-t", "60", "start")
        execute(str(folder), "create role guarded login superuser")
        yield str(folder)
        call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def url(folder: str, database: str, user: str = "tests", password: str = "") -> str:
    return f"postgresql://{user}{password and ':' + password}@/{database}?host={folder}"


def execute(folder: str, *statements: str, database: str = "postgres") -> None:
    """As whoever may do all, each by itself."""
    import psycopg

    with psycopg.connect(url(folder, database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # pyright: ignore


def guard(folder: str, password: str) -> None:
    """The user `guarded`, who may do all, has to give this password."""
    execute(folder, f"alter role guarded password '{password}'")


def database(folder: str) -> str:
    """The URL of a new and empty one."""
    name = f"d{uuid4().hex[:12]}"
    execute(folder, f"create database {name}")
    return url(folder, name)


def ask(url: str, question: str) -> list[tuple]:
    """What a statement answers, on any database of studies."""
    from sqlalchemy import text

    from shrinkage.store.database import at_url

    database = at_url(url)
    try:
        answer = database.run(lambda session: session.execute(text(question)))
        return [tuple(row) for row in answer] if answer.returns_rows else []
    finally:
        database.close()


def _log(folder: Path) -> str:
    path = folder / "log"
    return path.read_text()[-2000:] if path.is_file() else ""
