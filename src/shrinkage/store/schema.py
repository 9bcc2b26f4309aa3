"""The tables of a database of studies: the same in SQLite and in PostgreSQL.

study     what was asked and decided     client    who works on it, and since when no more
trial     a recipe that was tried        claim     what a client works on, and until when
rung      what a trial came to           file      what a finished trial left, for the others
baseline  another program's scores

Every row belongs to a study. Times are seconds since 1970 on the database's own clock.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Dialect, Float, ForeignKey, ForeignKeyConstraint, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

FORMAT = 2
"""2: a database holds several studies, each worked on by several clients."""


class Json(TypeDecorator):
    """JSON as text: PostgreSQL's own type refuses the NaN of a score that is not defined."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class now(FunctionElement):
    """The database's clock, which is the same for all clients."""

    type = Float()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::float8"


class Base(DeclarativeBase):
    pass


class StudyRow(Base):
    """settings: what was asked; plan: what was decided from it. rows: the hash of its table.

    asked: cohorts asked of the search. changes: counts what happened to trials; a transaction
    that changes some counts first and so holds off all others.
    """

    __tablename__ = "study"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    format: Mapped[int] = mapped_column(default=FORMAT)
    version: Mapped[str]
    settings: Mapped[dict] = mapped_column(Json)
    rows: Mapped[str] = mapped_column(default="")
    plan: Mapped[dict | None] = mapped_column(Json, default=None)
    asked: Mapped[int] = mapped_column(default=0)
    changes: Mapped[int] = mapped_column(default=0)


class ClientRow(Base):
    """settings: its own, where they need not be the study's. spent_s: by all of its sessions."""

    __tablename__ = "client"
    study: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    settings: Mapped[dict] = mapped_column(Json)
    spent_s: Mapped[float] = mapped_column(Float, default=0.0)
    finished: Mapped[bool] = mapped_column(default=False)
    seen: Mapped[float] = mapped_column(Float, default=now())


class TrialRow(Base):
    """A recipe that was tried. status: running, dropped, finished, diverged or failed.

    diverged: how many of its members did. client: who trained it last. Hashes differ, but for
    those of references: a person may ask for the plain network as trial 0.
    """

    __tablename__ = "trial"
    study: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cohort: Mapped[int]
    source: Mapped[str] = mapped_column(String(20))
    recipe: Mapped[str]
    hash: Mapped[str] = mapped_column(String(12))
    status: Mapped[str] = mapped_column(String(10), default="running")
    reason: Mapped[str | None] = mapped_column(default=None)
    diverged: Mapped[int] = mapped_column(default=0)
    client: Mapped[str]


class RungRow(Base):
    """A rung that a trial finished.

    score: what the metric compares by (`scores.Metric.compares`), averaged over folds, larger is
    better.
    """

    __tablename__ = "rung"
    study: Mapped[int] = mapped_column(primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True)
    rung: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[int]
    share: Mapped[float]
    score: Mapped[float | None]
    seconds: Mapped[float]
    __table_args__ = (ForeignKeyConstraint(["study", "trial"], ["trial.study", "trial.number"]),)


class BaselineRow(Base):
    """Another program's scores on the same rows. scores: {validation, test: {metric: value}}."""

    __tablename__ = "baseline"
    study: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    scores: Mapped[dict] = mapped_column(Json)
    seconds: Mapped[float]


class ClaimRow(Base):
    """What a client works on: nobody else does before `until`. See `store.claims`."""

    __tablename__ = "claim"
    study: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    until: Mapped[float] = mapped_column(Float)


class FileRow(Base):
    """What a finished trial left: weights, statistics, predictions; see `engine.task`."""

    __tablename__ = "file"
    study: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    trial: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]


class Rung(NamedTuple):
    """A rung that a trial came to the end of. share: of its epochs.

    score: None: it diverged; -inf: the metric is not defined there, which is worse than any score.
    """

    number: int
    step: int
    share: float
    score: float | None
    seconds: float

    @property
    def known(self) -> float | None:
        """The score, where there is one that can be shown."""
        return None if self.score is None or not math.isfinite(self.score) else self.score

    def in_unit(self, greater_is_better: bool) -> float | None:
        """The same as the metric has it."""
        return self.known if greater_is_better or self.known is None else -self.known


@dataclass(frozen=True)
class Trial:
    """A trial and its rungs, as plain values."""

    number: int
    cohort: int
    source: str
    recipe: str
    status: str
    reason: str | None
    diverged: int
    rungs: tuple[Rung, ...]
    client: str = ""

    @property
    def score(self) -> float | None:
        """At its last finished rung, where it is known."""
        return self.rungs[-1].known if self.rungs else None

    def in_unit(self, greater_is_better: bool) -> float | None:
        """The same as the metric has it."""
        return self.rungs[-1].in_unit(greater_is_better) if self.rungs else None

    @property
    def share(self) -> float:
        """Share of its epochs that were trained and scored."""
        return self.rungs[-1].share if self.rungs else 0.0

    @property
    def seconds(self) -> float:
        return sum(rung.seconds for rung in self.rungs)
