"""Claims: who works on what, so that no two clients of a study do the same.

A claim is a lease. Its holder extends it while it lives; one that ran out may be taken by anybody.
Whether it has is asked of the database's clock alone: those of the clients may be wrong.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shrinkage.errors import BadInput
from shrinkage.store.database import Database
from shrinkage.store.schema import ClaimRow, ClientRow, now

LEASE_S = 30.0
BEAT_S = 5.0
"""Seconds a claim lasts, and seconds between two times its holder extends it."""

INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""What can say what a conflict does, by dialect."""


def claim(session: Session, study: int, what: str, owner: str) -> bool:
    """Claim it, in one statement: whether it was free, run out, or the owner's already.

    The claim cannot change hands before the transaction ends.
    """
    row = INSERT[session.get_bind().dialect.name](ClaimRow).values(
        study=study, what=what, owner=owner, until=now() + LEASE_S
    )
    free = or_(ClaimRow.owner == owner, ClaimRow.until < now())
    row = row.on_conflict_do_update(
        index_elements=[ClaimRow.study, ClaimRow.what],
        set_={"owner": row.excluded.owner, "until": row.excluded.until},
        where=free,
    )
    return session.scalar(row.returning(ClaimRow.owner)) is not None


def release(session: Session, study: int, what: str, owner: str) -> None:
    """The claim is free for others, where it is the owner's."""
    mine = ClaimRow.study == study, ClaimRow.owner == owner
    session.execute(delete(ClaimRow).where(*mine, ClaimRow.what == what))


@dataclass(frozen=True)
class Claims:
    """The claims of one client on one study."""

    database: Database
    study: int
    owner: str

    def take(self, what: str) -> bool:
        """Whether it is this client's from now on."""
        return self.database.run(lambda session: claim(session, self.study, what, self.owner))

    def give_up(self, what: str) -> None:
        self.database.run(lambda session: release(session, self.study, what, self.owner))

    def elsewhere(self) -> frozenset[str]:
        """What others have claimed, and still do."""
        others = ClaimRow.study == self.study, ClaimRow.owner != self.owner, ClaimRow.until >= now()
        asked = select(ClaimRow.what).where(*others)
        return self.database.run(lambda session: frozenset(session.scalars(asked)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Claims made within are extended until its end, when they are given up.

        To a file nobody else comes: what an earlier session left there is this one's anyway.
        """
        stop = Event()
        beating = Thread(target=self._beat, args=(stop,), daemon=True)
        if self.database.shared:
            self._extend(self.database)
            beating.start()
        try:
            yield
        finally:
            stop.set()
            if self.database.shared:
                beating.join()
            every = delete(ClaimRow).where(
                ClaimRow.study == self.study, ClaimRow.owner == self.owner
            )
            # Where the database is gone they run out by themselves.
            with suppress(BadInput):
                self.database.impatient.run(lambda session: session.execute(every))

    def _beat(self, stop: Event) -> None:
        # Ctrl-C is the main thread's, which may not want to hear it while it starts a process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while not stop.wait(BEAT_S):
            # Who works will find out, and say so.
            with suppress(BadInput):
                self._extend(self.database.impatient)

    def _extend(self, database: Database) -> None:
        """All of this client's claims last as if they were new."""

        def work(session: Session) -> None:
            mine = ClaimRow.study == self.study, ClaimRow.owner == self.owner
            session.execute(update(ClaimRow).where(*mine).values(until=now() + LEASE_S))
            me = ClientRow.study == self.study, ClientRow.name == self.owner
            session.execute(update(ClientRow).where(*me).values(seen=now()))

        database.run(work)
