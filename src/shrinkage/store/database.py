"""Where studies are kept: a SQLite file for one, a PostgreSQL server for those of a team.

Work is a function of a session. It runs in one transaction, all of it or nothing; where the
connection to a server is lost it runs again, so it must be fit to run twice.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from json import JSONDecodeError
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from shrinkage.errors import BadInput, Unreachable, Unwritable, not_installed

log = logging.getLogger("shrinkage")

T = TypeVar("T")

PATIENCE_S = 30.0
_PAUSE_S = 1.0
"""How long a server is waited for once it was there, and between two attempts."""

_SECRETS = ("password", "sslpassword")
_EXPECTED = "expected postgresql://USER@HOST/DATABASE"
_NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A connection whose other end vanished is found out in half a minute, not in hours."""

_SERVER = {
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "20s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""So does the server: a client that vanished within a transaction would keep all others from the
study, and they would wait for it past their budgets."""


@dataclass(frozen=True)
class Database:
    """name: in messages, without a password. patience: seconds to wait for a lost server."""

    engine: Engine
    name: str
    patience: float = 0.0

    @property
    def shared(self) -> bool:
        """Whether other clients may come to it; a file is its folder's own."""
        return self.dialect != "sqlite"

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @property
    def patient(self) -> Database:
        """The same, with patience: for those who have come to it once."""
        return replace(self, patience=PATIENCE_S) if self.shared else self

    @property
    def impatient(self) -> Database:
        """The same, for what need not succeed."""
        return replace(self, patience=0.0)

    def run(self, work: Callable[[Session], T]) -> T:
        """What the work returns. Raises BadInput, and Unwritable where there is no way to write."""
        until = time.monotonic() + self.patience
        told = False
        while True:
            try:
                return self._once(work)
            except _Lost as error:
                if time.monotonic() > until:
                    raise Unwritable(
                        f"{self.name} was not to be reached for {self.patience:.0f} s: {error}\n"
                        "What was finished is kept: resume when it is back"
                    ) from None
                if not told:
                    log.warning("%s is lost, trying again: %s", self.name, error)
                    told = True
                time.sleep(min(_PAUSE_S, self.patience))

    def _once(self, work: Callable[[Session], T]) -> T:
        with (
            self.errors(),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            return work(session)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """The database's errors in our words."""
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            text = self._text(error)
            if self.shared and self.patience:
                raise _Lost(text) from None
            if self.shared:
                raise Unreachable(self._unreachable(text)) from None
            if "full" in text or "disk I/O" in text:
                raise Unwritable(
                    f"{self.name}: the disk is full or failing ({text}); free some space and resume"
                ) from None
            if "readonly" in text or "unable to open" in text:
                text = "it cannot be written; check the folder's permissions"
            raise BadInput(f"{self.name}: {text}") from None
        except DatabaseError as error:
            text = self._text(error)
            raise BadInput(f"{self.name} is not a study's database: {text}") from None
        except JSONDecodeError as error:
            raise BadInput(f"{self.name} is damaged: {error}; fit again") from None

    def _text(self, error: DatabaseError | InterfaceError) -> str:
        """Its first line that says something, and never the password."""
        lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
        # "connection failed: connection to server at ... failed: FATAL: the reason"
        text = lines[0].rpartition("FATAL:")[2].strip() if lines else type(error.orig).__name__
        url = self.engine.url
        secrets = (url.password, *(url.query.get(name) for name in _SECRETS))
        for secret in filter(None, secrets):
            text = text.replace(str(secret), "***")
        return text

    def _unreachable(self, text: str) -> str:
        ways = {
            "password": "give the right one in PGPASSWORD or ~/.pgpass",
            "no pg_hba.conf entry": "ask its administrator to let you in",
            f'database "{self.engine.url.database}" does not exist': "make it first, with createdb",
            "role": "name another user, or have its administrator make this one",
        }
        found = [way for said, way in ways.items() if said in text]
        way_out = found[0] if found else "check the URL, and that the server runs"
        return f"{self.name} cannot be used: {text}\n{way_out}"

    def close(self) -> None:
        self.engine.dispose()


class _Lost(Exception):
    """A server that cannot be reached now, and could before."""


def at_file(path: Path, *, read_only: bool = False) -> Database:
    """The database in this file.

    read_only: to look at what another program writes; nothing is written, and each connection is
    closed at once, so that the writer can tidy up when it ends.
    """
    if read_only:
        engine = create_engine("sqlite://", creator=partial(_looking, path), poolclass=NullPool)
    else:
        engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _patient)
    return Database(engine, str(path))


def _looking(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Where nobody writes there is no log beside the file, and none
    is made: SQLite would make an empty one, and leave it."""
    written = path.with_name(f"{path.name}-wal").exists()
    options = "mode=ro" if written else "mode=ro&immutable=1"
    address = f"file:{quote(str(path.absolute()))}?{options}"
    return sqlite3.connect(address, uri=True, check_same_thread=False)


def at_url(text: str) -> Database:
    """The PostgreSQL database of this URL; nothing is asked of it yet.

    Raises BadInput for another kind of URL, and where psycopg is not installed.
    """
    url = parsed(text)
    try:
        network = {name: value for name, value in _NETWORK.items() if name not in url.query}
        engine = create_engine(url, connect_args=network, pool_pre_ping=True)
        event.listen(engine, "connect", partial(_watchful, str(url.query.get("options", ""))))
    except ImportError:
        raise not_installed("a study on a server needs psycopg", "postgres") from None
    return Database(engine, shown(text))


def parsed(text: str, begin: str = "") -> URL:
    """Raises BadInput, which does not repeat what it was given: it may hold a password.

    begin: of the message, such as the option that it was given with.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise BadInput(f"{begin}no URL of a server: {_EXPECTED}") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise BadInput(f"{begin}{url.get_backend_name()}: {_EXPECTED}")
    return url.set(drivername="postgresql+psycopg")


def shown(text: str) -> str:
    """The URL without its password: fit for messages and files, and to connect where PGPASSWORD
    or ~/.pgpass has the password."""
    url = parsed(text).difference_update_query(_SECRETS)
    # `URL.set` takes None for "as it was".
    where = url.username, None, url.host, url.port, url.database, url.query
    return URL.create("postgresql", *where).render_as_string(hide_password=False)


def _watchful(options: str, connection, _record) -> None:
    """What the server has to look after on this connection, for as long as it lasts.

    options: of the URL, which have a say first.
    """
    connection.autocommit = True
    for name, value in _SERVER.items():
        if name not in options:
            connection.execute(f"set {name} = '{value}'")
    connection.autocommit = False


def _patient(connection, _record) -> None:
    """Wait for another's commit; leave the flushing of each to the log's checkpoints."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()
