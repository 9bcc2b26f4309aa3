"""The study's database: one row a study, a trial, a finished rung, a baseline.

SQLite by default. What belongs together is written in one transaction, so a process killed at
any moment leaves either a whole finished rung or none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Engine, Float, ForeignKey, String, create_engine, event, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from shrinkage.errors import BadInput, Unwritable
from shrinkage.files import replacing

FORMAT = 1


class Base(DeclarativeBase):
    pass


class StudyRow(Base):
    """The study's one row. settings: what was asked; plan: what was decided from it."""

    __tablename__ = "study"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    format: Mapped[int] = mapped_column(default=FORMAT)
    version: Mapped[str]
    settings: Mapped[dict] = mapped_column(JSON)
    plan: Mapped[dict | None] = mapped_column(JSON, default=None)
    spent_s: Mapped[float] = mapped_column(Float, default=0.0)
    finished: Mapped[bool] = mapped_column(default=False)


class TrialRow(Base):
    """A recipe that was tried. status: running, dropped, finished, diverged or failed.

    diverged: how many of its members did.
    """

    __tablename__ = "trial"
    number: Mapped[int] = mapped_column(primary_key=True)
    cohort: Mapped[int] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(20))
    recipe: Mapped[str]
    hash: Mapped[str] = mapped_column(String(12))
    status: Mapped[str] = mapped_column(String(10), default="running")
    reason: Mapped[str | None] = mapped_column(default=None)
    diverged: Mapped[int] = mapped_column(default=0)


class RungRow(Base):
    """A rung that a trial finished. score: the metric, averaged over folds, larger is better."""

    __tablename__ = "rung"
    trial: Mapped[int] = mapped_column(ForeignKey("trial.number"), primary_key=True)
    rung: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int]
    share: Mapped[float]
    score: Mapped[float | None]
    seconds: Mapped[float]


class BaselineRow(Base):
    """Another program's scores on the same rows. scores: {validation, test: {metric: value}}."""

    __tablename__ = "baseline"
    name: Mapped[str] = mapped_column(primary_key=True)
    scores: Mapped[dict] = mapped_column(JSON)
    seconds: Mapped[float]


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
    rungs: tuple[tuple[int, int, float, float | None, float], ...]

    @property
    def score(self) -> float | None:
        """At its last finished rung."""
        return self.rungs[-1][3] if self.rungs else None

    @property
    def share(self) -> float:
        """Share of its epochs that were trained and scored."""
        return self.rungs[-1][2] if self.rungs else 0.0

    @property
    def seconds(self) -> float:
        return sum(rung[4] for rung in self.rungs)


class Store:
    """The database of one study.

    Raises BadInput for a damaged or foreign file, a newer format, or one that cannot be written.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            raise BadInput(f"{path} does not exist: {path.parent} does not hold a study")
        self.engine: Engine = create_engine(f"sqlite:///{path}")
        event.listen(self.engine, "connect", _patient)
        try:
            if create:
                self._make()
            else:
                self._check()
        except BadInput:
            self.close()
            raise

    @classmethod
    def begun(cls, path: Path, version: str, settings: dict[str, Any]) -> Store:
        """A new study's database; the file appears with the study in it, or not at all."""
        with replacing(path) as temporary:
            store = cls(temporary, create=True)
            try:
                store.begin(version, settings)
            finally:
                store.close()
        return cls(path)

    def _make(self) -> None:
        """Write-ahead logging: commits survive a kill and do not wait for readers."""
        with self._errors(), self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.rollback()
            Base.metadata.create_all(connection)
            connection.commit()

    def _check(self) -> None:
        with self._errors(), Session(self.engine) as session:
            if session.connection().exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                raise BadInput(f"{self.path} is damaged; restore it from a copy, or fit again")
            row = session.get(StudyRow, 1)
        if row is None:
            raise BadInput(f"{self.path} holds no study: its run ended before it began; fit again")
        if row.format > FORMAT:
            raise BadInput(
                f"{self.path} was written by shrinkage {row.version}, a newer format "
                f"({row.format}); upgrade shrinkage to read it"
            )

    @contextmanager
    def _errors(self):
        try:
            yield
        except OperationalError as error:
            text = str(error.orig)
            if "full" in text or "disk I/O" in text:
                raise Unwritable(
                    f"{self.path}: the disk is full or failing ({text}); free some space and resume"
                ) from None
            if "readonly" in text or "unable to open" in text:
                text = "it cannot be written; check the folder's permissions"
            raise BadInput(f"{self.path}: {text}") from None
        except DatabaseError as error:
            raise BadInput(f"{self.path} is not a study's database: {error.orig}") from None
        except JSONDecodeError as error:
            raise BadInput(f"{self.path} is damaged: {error}; fit again") from None

    @contextmanager
    def session(self):
        """A transaction: all of it is committed at the end, or none on an error."""
        with self._errors(), Session(self.engine) as session, session.begin():
            yield session

    def begin(self, version: str, settings: dict[str, Any]) -> None:
        with self.session() as session:
            session.add(StudyRow(version=version, settings=settings))

    def study(self) -> StudyRow:
        with self._errors(), Session(self.engine, expire_on_commit=False) as session:
            return session.get_one(StudyRow, 1)

    def set_plan(self, plan: dict[str, Any]) -> None:
        with self.session() as session:
            session.get_one(StudyRow, 1).plan = plan

    def spend(self, seconds: float, *, finished: bool | None = None) -> None:
        """Record the total wall-clock seconds used so far."""
        with self.session() as session:
            row = session.get_one(StudyRow, 1)
            row.spent_s = seconds
            if finished is not None:
                row.finished = finished

    def add_trials(self, rows: Iterable[TrialRow]) -> None:
        with self.session() as session:
            session.add_all(rows)

    def move(self, cohorts: Mapping[int, int]) -> None:
        """Put trials into other cohorts."""
        with self.session() as session:
            for number, cohort in cohorts.items():
                session.get_one(TrialRow, number).cohort = cohort

    def note(self, sentence: str) -> None:
        """Keep what the user should read at the end, once."""
        with self.session() as session:
            row = session.get_one(StudyRow, 1)
            plan = dict(row.plan or {})
            row.plan = {**plan, "notes": [*dict.fromkeys([*plan.get("notes", []), sentence])]}

    def finish_rung(
        self,
        rungs: Iterable[RungRow],
        changes: Mapping[int, tuple[str, str | None]],
        spent_s: float,
        diverged: Mapping[int, int] | None = None,
    ) -> None:
        """One transaction: scores of a cohort's rung, and each trial's new (status, reason).

        diverged: how many members of a trial did.
        """
        with self.session() as session:
            for rung in rungs:
                session.merge(rung)
            for number, (status, reason) in changes.items():
                trial = session.get_one(TrialRow, number)
                trial.status, trial.reason = status, reason
                trial.diverged = (diverged or {}).get(number, 0)
            session.get_one(StudyRow, 1).spent_s = spent_s

    def add_baseline(self, name: str, scores: dict[str, Any], seconds: float) -> None:
        with self.session() as session:
            session.merge(BaselineRow(name=name, scores=scores, seconds=seconds))

    def baselines(self) -> dict[str, dict[str, Any]]:
        with self._errors(), Session(self.engine) as session:
            rows = session.scalars(select(BaselineRow))
            return {row.name: {**row.scores, "seconds": row.seconds} for row in rows}

    def trials(self) -> list[Trial]:
        """All trials by number, each with its rungs in order."""
        with self._errors(), Session(self.engine) as session:
            rungs: dict[int, list] = {}
            for r in session.scalars(select(RungRow).order_by(RungRow.trial, RungRow.rung)):
                rungs.setdefault(r.trial, []).append((r.rung, r.step, r.share, r.score, r.seconds))
            return [
                Trial(
                    t.number,
                    t.cohort,
                    t.source,
                    t.recipe,
                    t.status,
                    t.reason,
                    t.diverged,
                    tuple(rungs.get(t.number, ())),
                )
                for t in session.scalars(select(TrialRow).order_by(TrialRow.number))
            ]

    def close(self) -> None:
        self.engine.dispose()


def _patient(connection, _record) -> None:
    """Wait for another's commit; leave the flushing of each to the log's checkpoints."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()
