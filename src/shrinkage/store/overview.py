"""What studies a database holds, and how far each has come: counted there, not here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, and_, cast, func, inspect, select
from sqlalchemy.orm import Session

from shrinkage.store.claims import LEASE_S
from shrinkage.store.database import Database
from shrinkage.store.opening import check
from shrinkage.store.schema import ClientRow, RungRow, StudyRow, TrialRow, now


@dataclass(frozen=True)
class Overview:
    """score: the best at a last rung, larger is better. alive: clients at work now.

    seen: when one last gave a sign, in seconds since 1970; ago: how long that is past.
    """

    name: str
    settings: dict[str, Any]
    plan: dict[str, Any]
    trials: int
    finished: int
    score: float | None
    clients: int
    alive: int
    seen: float
    ago: float


def overviews(database: Database) -> list[Overview]:
    """Every study there, by name. Raises BadInput where it is no database of studies."""
    if not database.run(lambda session: inspect(session.connection()).has_table("study")):
        return []
    check(database)
    return database.run(_read)


def _read(session: Session) -> list[Overview]:
    done = cast(TrialRow.status == "finished", Integer)
    trials = _grouped(session, select(TrialRow.study, func.count(), func.sum(done)), TrialRow.study)
    whole = and_(TrialRow.study == RungRow.study, TrialRow.number == RungRow.trial)
    best = select(RungRow.study, func.max(RungRow.score)).join(TrialRow, whole)
    best = best.where(TrialRow.status == "finished", RungRow.share >= 1.0)
    best = best.where(RungRow.score > -math.inf)  # where the metric is defined
    scores = _grouped(session, best, RungRow.study)
    near = and_(ClientRow.seen > now() - LEASE_S, ClientRow.finished.is_(False))
    clients = select(ClientRow.study, func.count(), func.sum(cast(near, Integer)))
    clients = _grouped(
        session,
        clients.add_columns(func.max(ClientRow.seen), now() - func.max(ClientRow.seen)),
        ClientRow.study,
    )
    return [
        Overview(
            row.name,
            row.settings,
            row.plan or {},
            *trials.get(row.id, (0, 0)),
            *scores.get(row.id, (None,)),
            *clients.get(row.id, (0, 0, 0.0, 0.0)),
        )
        for row in session.scalars(select(StudyRow).order_by(StudyRow.name))
    ]


def _grouped(session: Session, asked: Any, study: Any) -> dict[int, tuple]:
    """What a query says of each study, by the study's key, which is its first column."""
    return {row[0]: tuple(row[1:]) for row in session.execute(asked.group_by(study))}
