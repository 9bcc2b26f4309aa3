"""One study in a database, as one of its clients sees and changes it.

What belongs together is written in one transaction, so a process killed at any moment leaves
either a whole finished rung or none of it. Other clients may write at the same time: what
changes trials first counts itself among the study's changes, which holds the others off, and
then looks at what is there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import LargeBinary, exists, func, literal, select, update
from sqlalchemy.orm import Session

from shrinkage.errors import BadInput
from shrinkage.files import replacing
from shrinkage.store.claims import INSERT, LEASE_S, Claims, claim, release
from shrinkage.store.database import Database, at_file
from shrinkage.store.migration import ONLY
from shrinkage.store.opening import check, make_study
from shrinkage.store.schema import (
    BaselineRow,
    ClaimRow,
    ClientRow,
    FileRow,
    Rung,
    RungRow,
    StudyRow,
    Trial,
    TrialRow,
    now,
)


def claim_of_baseline(name: str) -> str:
    """What a baseline is called among claims."""
    return f"baseline {name}"


def claim_of(cohort: int) -> str:
    """What a cohort is called among claims."""
    return f"cohort {cohort}"


@dataclass(frozen=True)
class Finished:
    """A rung that a cohort's trials came to the end of. scores: by trial; None: diverged.

    changes: (status, reason) of those that it ends. diverged: how many members of a trial did.
    files: what trials that are finished leave for the other clients.
    """

    rung: int
    step: int
    share: float
    seconds: float
    scores: Mapping[int, float | None]
    changes: Mapping[int, tuple[str, str | None]]
    diverged: Mapping[int, int]
    files: Mapping[int, bytes]


@dataclass(frozen=True)
class Client:
    """alive: it gave a sign lately, and is not gone. spent_s: what it has used so far."""

    name: str
    alive: bool
    spent_s: float


class Store:
    """A study, and who this client of it is. place: a study's file, or a database.

    Raises BadInput for a damaged or foreign file, a newer format, one that cannot be written, and
    for a study or a client that is not there.
    """

    def __init__(self, place: Path | Database, study: str = ONLY, client: str = ONLY) -> None:
        if isinstance(place, Path) and not place.is_file():
            raise BadInput(f"{place} does not exist: {place.parent} does not hold a study")
        database = at_file(place) if isinstance(place, Path) else place
        self.name = database.name
        try:
            check(database)
            self.id = _found(database, study)
        except BadInput:
            database.close()
            raise
        self.database = database.patient
        self.client = client
        self.claims = Claims(self.database, self.id, client)

    @classmethod
    def begun(cls, path: Path, version: str, settings: dict[str, Any]) -> Store:
        """A new study's database; the file appears with the study in it, or not at all."""
        with replacing(path) as temporary:
            database = at_file(temporary)
            try:
                make_study(database, ONLY, version, settings)
                cls(database).enter({})
            finally:
                database.close()
        return cls(path)

    @property
    def shared(self) -> bool:
        """Whether other clients may work on the study."""
        return self.database.shared

    def enter(self, settings: dict[str, Any]) -> None:
        """Be one of the study's clients. settings: its own; others are the study's."""
        row = ClientRow(study=self.id, name=self.client, settings=settings)
        self.database.run(lambda session: session.merge(row))

    # -- what is known -------------------------------------------------------------------

    def study(self) -> StudyRow:
        return self.database.run(lambda session: session.get_one(StudyRow, self.id))

    def settings(self) -> dict[str, Any]:
        """What this client was asked for: the study's settings, and its own over them."""
        return {**self.study().settings, **self.me().settings}

    def me(self) -> ClientRow:
        """Raises BadInput where the database does not know this client."""
        row = self.database.run(lambda session: session.get(ClientRow, (self.id, self.client)))
        if row is None:
            raise BadInput(f"{self.name} does not know this folder's client; fit again")
        return row

    def changes(self) -> int:
        """Differs from what it was where trials or their rungs do."""
        asked = select(StudyRow.changes).where(StudyRow.id == self.id)
        return self.database.run(lambda session: session.scalars(asked).one())

    def trials(self) -> list[Trial]:
        """All trials by number, each with its rungs in order."""
        return self.database.run(lambda session: _trials(session, self.id))

    def baselines(self) -> dict[str, dict[str, Any]]:
        asked = select(BaselineRow).where(BaselineRow.study == self.id)

        def work(session: Session) -> dict[str, dict[str, Any]]:
            rows = session.scalars(asked)
            return {row.name: {**row.scores, "seconds": row.seconds} for row in rows}

        return self.database.run(work)

    def clients(self) -> list[Client]:
        """All that ever worked on the study."""
        return self.database.run(lambda session: _clients(session, self.id))

    def file(self, trial: int) -> bytes | None:
        """What a trial left, where it is finished."""
        asked = select(FileRow.content).where(FileRow.study == self.id, FileRow.trial == trial)
        return self.database.run(lambda session: session.scalars(asked).one_or_none())

    # -- what happens --------------------------------------------------------------------

    def begin(self, plan: dict[str, Any], references: Sequence[tuple[str, str, str]]) -> None:
        """The plan, and a cohort for each (source, hash, recipe); nothing where trials are there.

        They have the epochs of the plan that was written with them.
        """

        def work(session: Session) -> None:
            self._hold(session)
            if not _trials(session, self.id):
                session.get_one(StudyRow, self.id).plan = plan
                for source, hash_, recipe in references:
                    self._add(session, source, {hash_: recipe})

        self.database.run(work)

    def take_number(self) -> int:
        """A number that no other cohort has been asked of the search by."""
        one_more = update(StudyRow).where(StudyRow.id == self.id)
        one_more = one_more.values(asked=StudyRow.asked + 1).returning(StudyRow.asked)
        return self.database.run(lambda session: session.scalars(one_more).one()) - 1

    def add_cohort(
        self, source: str, recipes: Mapping[str, str], most: int | None = None
    ) -> tuple[int, dict[str, int]]:
        """A new cohort of those recipes, by hash, that are new; no more than `most` trials in all.

        It is this client's to train. Returns its number and the trials' by hash, {} for none.
        """

        def work(session: Session) -> tuple[int, dict[str, int]]:
            self._hold(session)
            known = set(session.scalars(select(TrialRow.hash).where(TrialRow.study == self.id)))
            fresh = {hash_: text for hash_, text in recipes.items() if hash_ not in known}
            if most is not None:
                count = select(func.count()).where(TrialRow.study == self.id)
                room = max(0, most - session.scalars(count).one())
                fresh = dict(list(fresh.items())[:room])
            cohort, numbers = self._add(session, source, fresh)
            if numbers:
                claim(session, self.id, claim_of(cohort), self.client)
            return cohort, numbers

        return self.database.run(work)

    def split(self, cohort: int, parts: Sequence[Collection[int]]) -> list[int] | None:
        """New cohorts for parts of a cohort's trials; their numbers, None where it was taken away.

        They are this client's to train.
        """

        def work(session: Session) -> list[int] | None:
            self._hold(session)
            if not claim(session, self.id, claim_of(cohort), self.client):
                return None
            first = _next(session, TrialRow.cohort, self.id)
            numbers = list(range(first, first + len(parts)))
            for number, part in zip(numbers, parts, strict=True):
                claim(session, self.id, claim_of(number), self.client)
                for trial in part:
                    session.get_one(TrialRow, (self.id, trial)).cohort = number
            release(session, self.id, claim_of(cohort), self.client)
            return numbers

        return self.database.run(work)

    def finish_rung(self, cohort: int, found: Finished, spent_s: float) -> bool:
        """One transaction: a cohort's rung, and what its trials became.

        Their files go ahead of it, one by one: while it lasts, nobody else can change the study,
        and none of this client's claims is extended. A study that had come to its end has not any
        more: what is new is in no result yet. Returns whether it was written: not where the cohort
        was taken away meanwhile. Nothing that was recorded is changed.
        """

        if not all(self._send(cohort, *file) for file in found.files.items()):
            return False

        def work(session: Session) -> bool:
            self._hold(session)
            if not claim(session, self.id, claim_of(cohort), self.client):
                return False
            rows = {n: session.get_one(TrialRow, (self.id, n)) for n in found.scores}
            counted = select(RungRow.trial, func.count()).where(RungRow.study == self.id)
            counted = counted.where(RungRow.trial.in_(rows)).group_by(RungRow.trial)
            rungs = {row[0]: row[1] for row in session.execute(counted)}
            for number, row in rows.items():
                stands = row.status == "running" and row.cohort == cohort
                if not stands or rungs.get(number, 0) != found.rung:
                    return False
            at = {"rung": found.rung, "step": found.step, "share": found.share}
            for number, score in found.scores.items():
                one = {"study": self.id, "trial": number, "score": score, "seconds": found.seconds}
                session.add(RungRow(**at, **one))
                rows[number].client = self.client
            for number, (status, reason) in found.changes.items():
                rows[number].status, rows[number].reason = status, reason
                rows[number].diverged = found.diverged.get(number, 0)
            client = session.get_one(ClientRow, (self.id, self.client))
            client.spent_s, client.finished = spent_s, False
            return True

        return self.database.run(work)

    def _send(self, cohort: int, trial: int, content: bytes) -> bool:
        """What a trial leaves, where its cohort is still this client's; whether it was.

        Who took the cohort away sends its own when it has trained it, after this.
        """
        mine = exists().where(
            ClaimRow.study == self.id,
            ClaimRow.what == claim_of(cohort),
            ClaimRow.owner == self.client,
        )
        values = literal(self.id), literal(trial), literal(content, LargeBinary)
        names = ["study", "trial", "content"]
        row = INSERT[self.database.dialect](FileRow).from_select(names, select(*values).where(mine))
        row = row.on_conflict_do_update(
            index_elements=[FileRow.study, FileRow.trial], set_={"content": row.excluded.content}
        )
        sent = row.returning(FileRow.trial)
        return self.database.run(lambda session: session.scalar(sent) is not None)

    def add_baseline(self, name: str, scores: dict[str, Any], seconds: float) -> None:
        def work(session: Session) -> None:
            self._hold(session)
            session.merge(BaselineRow(study=self.id, name=name, scores=scores, seconds=seconds))

        self.database.run(work)

    def note(self, sentence: str) -> None:
        """Keep what the user should read at the end, once."""

        def work(session: Session) -> None:
            self._hold(session)
            row = session.get_one(StudyRow, self.id)
            plan = dict(row.plan or {})
            row.plan = {**plan, "notes": [*dict.fromkeys([*plan.get("notes", []), sentence])]}

        self.database.run(work)

    def spend(self, seconds: float, *, finished: bool) -> None:
        """Record the wall-clock seconds that this client has used in all, and if it is done."""

        def work(session: Session) -> None:
            row = session.get_one(ClientRow, (self.id, self.client))
            row.spent_s, row.finished = seconds, finished

        self.database.run(work)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hold(self, session: Session) -> None:
        """Count a change: no other client changes the study before this transaction ends."""
        mine = update(StudyRow).where(StudyRow.id == self.id)
        session.execute(mine.values(changes=StudyRow.changes + 1))

    def _add(
        self, session: Session, source: str, recipes: Mapping[str, str]
    ) -> tuple[int, dict[str, int]]:
        cohort = _next(session, TrialRow.cohort, self.id)
        first = _next(session, TrialRow.number, self.id)
        numbers = {hash_: first + i for i, hash_ in enumerate(recipes)}
        for hash_, number in numbers.items():
            row = TrialRow(study=self.id, number=number, cohort=cohort, source=source)
            row.recipe, row.hash, row.client = recipes[hash_], hash_, self.client
            session.add(row)
        session.flush()
        return cohort, numbers


def _found(database: Database, study: str) -> int:
    """The study's key."""
    named = select(StudyRow.id).where(StudyRow.name == study)
    found = database.run(lambda session: session.scalars(named).one_or_none())
    if found is None and database.shared:
        raise BadInput(f"{database.name} holds no study '{study}': see `shrinkage studies URL`")
    if found is None:
        raise BadInput(f"{database.name} holds no study: its run ended before it began; fit again")
    return found


def _next(session: Session, column: Any, study: int) -> int:
    largest = session.scalar(select(func.max(column)).where(TrialRow.study == study))
    return 0 if largest is None else largest + 1


def _trials(session: Session, study: int) -> list[Trial]:
    rungs: dict[int, list[Rung]] = {}
    every = select(RungRow).where(RungRow.study == study).order_by(RungRow.trial, RungRow.rung)
    for r in session.scalars(every):
        rungs.setdefault(r.trial, []).append(Rung(r.rung, r.step, r.share, r.score, r.seconds))
    return [
        Trial(
            number=t.number,
            cohort=t.cohort,
            source=t.source,
            recipe=t.recipe,
            status=t.status,
            reason=t.reason,
            diverged=t.diverged,
            rungs=tuple(rungs.get(t.number, ())),
            client=t.client,
        )
        for t in session.scalars(
            select(TrialRow).where(TrialRow.study == study).order_by(TrialRow.number)
        )
    ]


def _clients(session: Session, study: int) -> list[Client]:
    alive = ClientRow.seen > now() - LEASE_S
    asked = select(ClientRow, alive).where(ClientRow.study == study).order_by(ClientRow.name)
    return [
        Client(row.name, bool(near) and not row.finished, row.spent_s)
        for row, near in session.execute(asked)
    ]
