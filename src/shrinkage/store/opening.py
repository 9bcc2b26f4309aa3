"""What is done to a database once: its tables and a study are made, its format is checked."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from shrinkage.errors import BadInput
from shrinkage.store.claims import INSERT
from shrinkage.store.database import Database
from shrinkage.store.migration import migrate
from shrinkage.store.schema import Base, StudyRow

_TABLES_LOCK = 0x5368726E
"""Two clients that come to an empty server at once make its tables one after the other."""

FIRST_ASKED = 2
"""Questions to a search count from here, as cohorts once did, of which the first two were a study's
references: seeds of questions are as they were."""


def make_study(
    database: Database, name: str, version: str, settings: dict[str, Any], rows: str = ""
) -> None:
    """A study of this name, where there is none; the tables, where there are none."""
    new = INSERT[database.dialect](StudyRow).values(
        name=name, version=version, settings=settings, rows=rows, asked=FIRST_ASKED
    )
    new = new.on_conflict_do_nothing(index_elements=[StudyRow.name])

    def tables(session: Session) -> None:
        if database.shared:
            session.execute(text(f"select pg_advisory_xact_lock({_TABLES_LOCK})"))
        Base.metadata.create_all(session.connection())

    if not database.shared:
        # Write-ahead logging: commits survive a kill and do not wait for readers.
        with database.errors(), database.engine.connect() as connection:
            connection.exec_driver_sql("pragma journal_mode=wal")
    database.run(tables)
    check(database)
    database.run(lambda session: session.execute(new))


def check(database: Database) -> None:
    """A whole database of this format, after a migration where it takes one. Raises BadInput."""
    with database.errors(), database.engine.connect() as connection:
        look = "select 'ok'" if database.shared else "pragma quick_check(1)"
        if connection.exec_driver_sql(look).scalar() != "ok":
            raise BadInput(f"{database.name} is damaged; restore it from a copy, or fit again")
        migrate(connection, database.name)
