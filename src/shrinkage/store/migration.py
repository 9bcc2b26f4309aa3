"""Databases of earlier formats are brought to this one when they are opened, whole or not at all.

1: one study a file, its tables without a column that says which.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, inspect, text

from shrinkage.errors import BadInput
from shrinkage.store.schema import FORMAT, Base

ONLY = "study"
"""The name of a file's study, and of its client."""

_TABLES = ("study", "trial", "rung", "baseline")

_SINCE_1 = f"""
insert into study (id, name, format, version, settings, rows, plan, asked, changes)
select 1, '{ONLY}', {FORMAT}, version, settings, '', nullif(plan, 'null'),
       (select coalesce(max(cohort), 1) + 1 from old_trial), 0 from old_study;
insert into client (study, name, settings, spent_s, finished, seen)
select 1, '{ONLY}', '{{}}', spent_s, finished, 0 from old_study;
insert into trial (study, number, cohort, source, recipe, hash, status, reason, diverged, client)
select 1, number, cohort, source, recipe, hash, status, reason, diverged, '{ONLY}' from old_trial;
insert into rung (study, trial, rung, step, share, score, seconds)
select 1, trial, rung, step, share, score, seconds from old_rung;
insert into baseline (study, name, scores, seconds)
select 1, name, scores, seconds from old_baseline
"""

_STEPS: Mapping[int, str] = {1: _SINCE_1}


def migrate(connection: Connection, name: str) -> None:
    """Bring the database behind the connection to FORMAT. A database without studies stays.

    Raises BadInput for a newer format, and for one that there is no way from.
    """
    found = connection.execute(text("select format, version from study")).all()
    formats = {row.format for row in found}
    for row in found:
        if row.format > FORMAT:
            raise BadInput(
                f"{name} was written by shrinkage {row.version}, a newer format "
                f"({row.format}); upgrade shrinkage to read it"
            )
    if formats <= {FORMAT}:
        return
    if len(formats) > 1 or connection.dialect.name != "sqlite" or not formats <= set(_STEPS):
        raise BadInput(
            f"{name} has the format {min(formats)} of shrinkage {found[0].version}, from which "
            f"there is no way to {FORMAT};\ngo on with that version, or fit again"
        )
    _moved(connection, _STEPS[formats.pop()])


def _moved(connection: Connection, statements: str) -> None:
    """In one transaction of SQLite, which the driver does not begin for such statements."""
    connection.rollback()
    connection.exec_driver_sql("begin immediate")
    for index in inspect(connection).get_indexes("trial"):
        connection.exec_driver_sql(f'drop index "{index["name"]}"')
    for table in _TABLES:
        connection.exec_driver_sql(f"alter table {table} rename to old_{table}")
    Base.metadata.create_all(connection)
    for statement in statements.split(";"):
        connection.exec_driver_sql(statement)
    for table in reversed(_TABLES):
        connection.exec_driver_sql(f"drop table old_{table}")
    connection.commit()
