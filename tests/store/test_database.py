"""The way to the database: old formats, lost connections, clients that come at once, secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from shrinkage.errors import BadInput, Unwritable
from shrinkage.store import database as database_module
from shrinkage.store.database import Database, at_file, at_url, parsed, shown
from shrinkage.store.migration import ONLY
from shrinkage.store.opening import make_study
from shrinkage.store.schema import FORMAT
from shrinkage.store.tables import Store

from .test_tables import finished

FORMAT_1 = (Path(__file__).parent / "format1.sql").read_text("utf-8")
"""A study of breast_cancer, six trials, written by the program that knew one study a file."""


# -- earlier formats -----------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "study.db"
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=wal")
    connection.executescript(FORMAT_1)
    connection.close()
    return path


def rows(path: Path, asked: str) -> list[tuple]:
    connection = sqlite3.connect(path)
    found = connection.execute(asked).fetchall()
    connection.close()
    return found


SAME = {
    "study": "version, settings, plan",
    "trial": "number, cohort, source, recipe, hash, status, reason, diverged",
    "rung": "trial, rung, step, share, score, seconds",
    "baseline": "name, scores, seconds",
}


def test_a_study_of_format_1_is_all_there(old: Path) -> None:
    before = {name: rows(old, f"select {what} from {name}") for name, what in SAME.items()}
    spent, done = rows(old, "select spent_s, finished from study")[0]
    store = Store(old)
    assert len(before["trial"]) == len(store.trials()) == 6
    assert store.study().format == FORMAT
    assert store.me().spent_s == spent > 0
    assert store.me().finished == bool(done)
    assert {trial.client for trial in store.trials()} == {ONLY}
    assert store.take_number() == 1 + max(trial.cohort for trial in store.trials())
    store.close()
    for name, what in SAME.items():
        assert rows(old, f"select {what} from {name}") == before[name]
    tables = {name for (name,) in rows(old, "select name from sqlite_master where type = 'table'")}
    assert not [name for name in tables if name.startswith("old_")]


def test_it_goes_on_like_a_new_one(old: Path) -> None:
    store = Store(old)
    cohort, numbers = store.add_cohort("random", {"new": "recipe"})
    assert (cohort, numbers) == (1 + max(t.cohort for t in store.trials()[:6]), {"new": 6})
    assert store.finish_rung(cohort, finished(0, {6: 0.5}, {6: ("dropped", None)}), 99.0)
    store.close()
    again = Store(old)
    assert (len(again.trials()), again.me().spent_s) == (7, 99.0)
    again.close()


def test_a_migration_that_stops_has_changed_nothing(old: Path, monkeypatch) -> None:
    before = rows(old, "select name, sql from sqlite_master")
    from shrinkage.store import migration

    broken = migration._SINCE_1 + "; insert into nowhere values (1)"
    monkeypatch.setattr(migration, "_STEPS", {1: broken})
    with pytest.raises(BadInput, match="nowhere"):
        Store(old)
    assert rows(old, "select name, sql from sqlite_master") == before
    monkeypatch.undo()
    store = Store(old)
    assert len(store.trials()) == 6
    store.close()


@pytest.mark.parametrize(("number", "words"), [(99, "newer format"), (0, "there is no way to")])
def test_a_format_without_a_way_is_refused(number: int, words: str, old: Path) -> None:
    connection = sqlite3.connect(old)
    connection.execute("update study set format = ?", (number,))
    connection.commit()
    connection.close()
    before = rows(old, "select name, sql from sqlite_master")
    with pytest.raises(BadInput, match=words) as caught:
        Store(old)
    assert len(str(caught.value).splitlines()) <= 3
    assert rows(old, "select name, sql from sqlite_master") == before


# -- several at once -----------------------------------------------------------------------


def together(there: Callable[[], Database], work: Callable[[Store], object], count: int) -> list:
    """What each of so many clients gets that begin at the same moment."""
    make_study(there(), "s", "0.1", {})
    stores = [Store(there(), "s", f"c{i}") for i in range(count)]
    for store in stores:
        store.enter({})
    ready = Barrier(count)

    def one(store: Store) -> object:
        ready.wait()
        return work(store)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, stores))


@pytest.fixture(params=["sqlite", "postgresql"])
def there(request: pytest.FixtureRequest, tmp_path: Path):
    opened: list[Database] = []
    url = request.getfixturevalue("url") if request.param == "postgresql" else None

    def open_() -> Database:
        opened.append(at_url(url) if url else at_file(tmp_path / "study.db"))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


def test_a_claim_goes_to_one_of_those_who_ask_at_once(there: Callable[[], Database]) -> None:
    def claim(store: Store) -> list[bool]:
        return [store.claims.take(f"cohort {n}") for n in range(12)]

    taken = together(there, claim, 4)
    assert [sum(column) for column in zip(*taken, strict=True)] == [1] * 12


def test_recipes_asked_for_at_once_are_trials_once(there: Callable[[], Database]) -> None:
    """Four clients propose overlapping recipes; all but the first of equal ones are left out."""

    def propose(store: Store) -> tuple[list[int], list[tuple[int, dict[str, int]]]]:
        asked, added = [], []
        for n in range(8):
            asked.append(store.take_number())
            added.append(store.add_cohort("gp", {f"h{n}": "r", f"h{n + 1}": "r"}, most=8))
        return asked, added

    found = together(there, propose, 4)
    asked = [number for numbers, _ in found for number in numbers]
    assert sorted(asked) == list(range(2, 34))
    trials = [pair for _, each in found for _, new in each for pair in new.items()]
    assert sorted(number for _, number in trials) == list(range(8))
    assert sorted(hash_ for hash_, _ in trials) == [f"h{n}" for n in range(8)]
    cohorts = [cohort for _, each in found for cohort, new in each if new]
    assert len(set(cohorts)) == len(cohorts)


def test_an_empty_server_gets_its_tables_once(url: str) -> None:
    ready = Barrier(4)

    def found(number: int) -> None:
        database = at_url(url)
        ready.wait()
        make_study(database, f"s{number % 2}", "0.1", {})
        database.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(found, range(4)))
    database = at_url(url)
    assert database.run(lambda s: s.execute(text("select count(*) from study")).scalar()) == 2
    database.close()


# -- lost connections ----------------------------------------------------------------------


def lost(times: int) -> Callable[..., int]:
    """Work whose connection the server ends so often before it succeeds."""
    calls: list[int] = []

    def work(session) -> int:
        calls.append(1)
        session.execute(text("insert into t values (1)"))
        if len(calls) <= times:
            session.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        return len(calls)

    return work


@pytest.fixture
def one(url: str, monkeypatch):
    monkeypatch.setattr(database_module, "_PAUSE_S", 0.0)
    database = at_url(url)
    database.run(lambda session: session.execute(text("create table t (n integer)")))
    yield database
    database.close()


def test_work_that_lost_its_connection_is_done_once(one: Database, caplog) -> None:
    assert one.patient.run(lost(2)) == 3
    count = one.run(lambda session: session.execute(text("select count(*) from t")).scalar())
    assert count == 1
    assert len([record for record in caplog.records if "trying again" in record.message]) == 1


def test_patience_ends_and_says_how_to_go_on(one: Database) -> None:
    with pytest.raises(Unwritable, match="resume when it is back"):
        replace(one, patience=1e-9).run(lost(9))
    with pytest.raises(BadInput, match="cannot be used"):
        one.impatient.run(lost(9))


def test_a_client_that_vanished_in_the_middle_keeps_nobody_waiting(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction stays open, and holds what the others want to change.

    Where it wakes up in the middle of that, it takes its work up again.
    """
    quick = {"idle_in_transaction_session_timeout": "300ms", "lock_timeout": "100ms"}
    assert quick.keys() <= database_module._SERVER.keys()
    monkeypatch.setattr(database_module, "_SERVER", quick)
    monkeypatch.setattr(database_module, "_PAUSE_S", 0.05)
    databases = [at_url(url) for _ in range(2)]
    make_study(databases[0], "s", "0.1", {})
    gone, other = (
        Store(database, "s", name) for database, name in zip(databases, "ab", strict=True)
    )
    slept = []

    def sleeps(session: Session) -> None:
        gone._hold(session)
        if not slept:
            slept.append(1)
            other.note("goes on")

    gone.database.run(sleeps)
    assert slept
    assert other.study().plan == {"notes": ["goes on"]}
    assert other.changes() == 2
    for database in databases:
        database.close()


def test_what_the_server_looks_after_lasts_as_long_as_the_connection(url: str) -> None:
    database = at_url(url)
    for _ in range(2):  # the second time from the pool
        for name in ("lock_timeout", "idle_in_transaction_session_timeout"):
            shows = text(f"show {name}")
            shown_ = database.run(lambda session, shows=shows: session.execute(shows).scalar())
            assert shown_ == database_module._SERVER[name]
    database.close()


# -- URLs ----------------------------------------------------------------------------------


SHOWN = [
    ("postgresql://u:secret@h:5432/d", "postgresql://u@h:5432/d"),
    ("postgres://u:s%2Fecret@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"),
    ("postgresql+psycopg://h/d?password=secret&user=u", "postgresql://h/d?user=u"),
    ("postgresql:///d?host=/tmp/x&sslpassword=secret", "postgresql:///d?host=%2Ftmp%2Fx"),
]


@pytest.mark.parametrize(("given", "expected"), SHOWN)
def test_what_is_shown_of_a_url_has_no_password(given: str, expected: str) -> None:
    assert shown(given) == expected
    assert shown(expected) == expected
    assert parsed(given).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("given", ["secret", "mysql://u:secret@h/d", "postgresql://u:secret@h:x/d"])
def test_a_url_of_no_use_is_not_repeated(given: str) -> None:
    with pytest.raises(BadInput, match="expected postgresql://") as caught:
        parsed(given)
    assert "secret" not in str(caught.value)
