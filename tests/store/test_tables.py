"""The database: what belongs together is written together, and read back as it was.

Every test runs on both databases that a study may be kept in.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from postgres import ask
from shrinkage.errors import BadInput, Unwritable
from shrinkage.store import claims
from shrinkage.store.database import Database, at_file, at_url
from shrinkage.store.opening import make_study
from shrinkage.store.schema import Trial, TrialRow
from shrinkage.store.tables import Finished, Store

Open = Callable[[str], Store]
There = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the study is kept, as a file's path or a URL."""
    if request.param == "sqlite":
        return str(tmp_path / "study.db")
    return request.getfixturevalue("url")


def at(place: str) -> Database:
    return at_url(place) if "://" in place else at_file(Path(place))


@pytest.fixture
def there(place: str):
    """The database once more, as another process would open it."""
    opened: list[Database] = []

    def open_() -> Database:
        opened.append(at(place))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


@pytest.fixture
def client(there: There) -> Open:
    """Opens the study as a client of this name; the study is founded, with two cohorts of two."""
    make_study(there(), "s", "0.1", {"target": "y"}, "rows")

    def enter(name: str) -> Store:
        store = Store(there(), "s", name)
        store.enter({"workers": 2})
        return store

    first = enter("first")
    for cohort in range(2):
        first.add_cohort("random", {f"h{cohort}{i}": f"r{cohort}{i}" for i in range(2)})
    return enter


@pytest.fixture
def store(client: Open) -> Store:
    return client("first")


def finished(rung: int, scores: dict, changes: dict | None = None, **more: dict) -> Finished:
    share = (1 / 9, 1 / 3, 1.0)[rung]
    empty = {"diverged": {}, "files": {}}
    return Finished(rung, 9, share, 1.5, scores, changes or {}, **{**empty, **more})


def run_out(store: Store, what: str = "%") -> None:
    """Claims like this one have run out."""
    late = text("update claim set until = until - 1000 where what like :what")
    store.database.run(lambda session: session.execute(late, {"what": what}))


def test_trials_come_back_as_they_were(client: Open) -> None:
    store = client("first")
    diverged = {1: ("diverged", "loss is NaN")}
    assert store.finish_rung(
        0, finished(0, {0: 0.5, 1: None}, diverged, diverged={1: 3}, files={0: b"\0weights"}), 12.5
    )
    assert store.finish_rung(0, finished(1, {0: 0.75}, {0: ("dropped", None)}), 14.0)
    again = client("second")
    first, second, third, _ = again.trials()
    rungs = ((0, 9, 1 / 9, 0.5, 1.5), (1, 9, 1 / 3, 0.75, 1.5))
    assert first == Trial(0, 0, "random", "r00", "dropped", None, 0, rungs, "first")
    assert (first.score, first.seconds) == (0.75, 3.0)
    assert (second.status, second.reason, second.score) == ("diverged", "loss is NaN", None)
    assert second.diverged == 3
    assert (third.status, third.rungs, third.score, third.share) == ("running", (), None, 0.0)
    assert (again.file(0), again.file(1)) == (b"\0weights", None)
    assert (store.me().spent_s, again.me().spent_s) == (14.0, 0.0)
    assert store.me().settings == {"workers": 2}


def test_what_is_recorded_is_not_changed(store: Store) -> None:
    assert store.finish_rung(0, finished(0, {0: 0.5, 1: 0.25}), 1.0)
    before = store.trials()
    assert not store.finish_rung(0, finished(0, {0: 0.7, 1: 0.1}, {1: ("dropped", None)}), 2.0)
    assert not store.finish_rung(0, finished(2, {0: 0.7}, {0: ("finished", None)}), 2.0)
    assert not store.finish_rung(1, finished(1, {0: 0.7}), 2.0), "of another cohort"
    assert store.trials() == before
    assert store.finish_rung(0, finished(1, {0: 0.7, 1: 0.1}, {1: ("dropped", None)}), 2.0)
    assert not store.finish_rung(0, finished(2, {1: 0.9}), 2.0), "dropped"


def test_an_unknown_trial_undoes_its_whole_rung(store: Store) -> None:
    with pytest.raises(Exception, match="No row was found"):
        store.finish_rung(0, finished(0, {0: 0.5, 99: 0.5}), 5.0)
    assert [trial.rungs for trial in store.trials()] == [()] * 4
    assert store.me().spent_s == 0.0


class Stop(Exception):
    pass


def test_an_error_in_a_transaction_writes_nothing(store: Store) -> None:
    def interrupted(session) -> None:
        session.get_one(TrialRow, (store.id, 0)).status = "dropped"
        session.flush()
        raise Stop

    with pytest.raises(Stop):
        store.database.run(interrupted)
    assert store.trials()[0].status == "running"


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from store.test_tables import Store, at, finished
store = Store(at(sys.argv[1]), "s", "first")
store.finish_rung(0, finished(0, {0: .5, 1: .5}), 3.0)
store._hold = lambda session: None
real = store.database.engine
from sqlalchemy import event
event.listen(real, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
store.finish_rung(1, finished(0, {2: .5, 3: .5}, {2: ("dropped", None)}), 4.0)
"""


def test_a_kill_leaves_whole_transactions_only(client: Open, place: str) -> None:
    command = [sys.executable, "-c", KILLED, place, str(Path(__file__).parents[1])]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = client("first")
    assert [len(trial.rungs) for trial in again.trials()] == [1, 1, 0, 0]
    assert [trial.status for trial in again.trials()] == ["running"] * 4
    assert again.me().spent_s == 3.0


def test_baselines_plan_and_notes(store: Store) -> None:
    scores = {"validation": {"accuracy": 0.9, "roc_auc": float("nan")}, "test": {"accuracy": 0.8}}
    store.add_baseline("linear", scores, 1.25)
    found = store.baselines()["linear"]
    assert str(found.pop("validation")) == str(scores["validation"])
    assert found == {"test": {"accuracy": 0.8}, "seconds": 1.25}
    store.note("One thing.")
    store.note("One thing.")
    store.begin({"epochs_share": 0.5}, [("default", "h", "r")])
    assert store.study().plan == {"notes": ["One thing."]}
    assert store.study().settings == {"target": "y"}
    assert len(store.trials()) == 4, "references are of an empty study"


def test_references_are_cohorts_that_are_free(there: There) -> None:
    make_study(there(), "s", "0.1", {})
    one, other = (Store(there(), "s", name) for name in "ab")
    one.begin({"first": True}, [("default", "same", "r"), ("plain", "same", "r")])
    other.begin({"late": True}, [("default", "x", "y")])
    assert other.study().plan == {"first": True}, "by which the trials that are there were made"
    assert [(t.number, t.cohort, t.source) for t in one.trials()] == [
        (0, 0, "default"), (1, 1, "plain")]  # fmt: skip
    assert other.claims.take("cohort 0")


def test_a_recipe_is_tried_once(client: Open) -> None:
    one, other = client("one"), client("other")
    assert one.add_cohort("random", {"a": "A", "h00": "known"}) == (2, {"a": 4})
    assert other.add_cohort("random", {"a": "A", "b": "B", "c": "C"}, most=6) == (3, {"b": 5})
    assert other.add_cohort("random", {"d": "D"}, most=6) == (4, {})
    assert [t.client for t in one.trials()] == ["first"] * 4 + ["one", "other"]


def test_each_question_has_a_number_of_its_own(client: Open) -> None:
    one, other = client("one"), client("other")
    assert [one.take_number(), other.take_number(), one.take_number()] == [2, 3, 4]


def test_changes_tell_whether_there_is_something_new(client: Open) -> None:
    one, other = client("one"), client("first")
    before = one.changes()
    one.trials()
    other.claims.take("baseline linear")
    assert one.changes() == before
    other.finish_rung(0, finished(0, {0: 0.5, 1: 0.5}), 1.0)
    assert one.changes() > before


def test_parts_of_a_cohort_are_cohorts(client: Open) -> None:
    one, other = client("first"), client("other")
    assert other.split(0, [[0], [1]]) is None, "it is first's"
    assert one.split(0, [[0], [1]]) == [2, 3]
    assert [t.cohort for t in one.trials()] == [2, 3, 1, 1]
    assert not other.claims.take("cohort 3")
    assert one.add_cohort("random", {"z": "Z"})[0] == 4


def test_a_claim_is_one_clients_until_it_runs_out(client: Open) -> None:
    one, other = client("one"), client("other")
    assert one.claims.take("plan")
    assert one.claims.take("plan"), "again"
    assert not other.claims.take("plan")
    assert (one.claims.elsewhere() & {"plan"}, other.claims.elsewhere() & {"plan"}) == (
        set(), {"plan"})  # fmt: skip
    run_out(one, "plan")
    assert other.claims.elsewhere() == {"cohort 0", "cohort 1"}
    assert other.claims.take("plan")
    assert not one.claims.take("plan")
    one.claims.give_up("plan")
    assert one.claims.elsewhere() == {"plan", "cohort 0", "cohort 1"}, "it was not one's to give"
    other.claims.give_up("plan")
    assert one.claims.take("plan")


def test_a_claim_that_was_held_is_extended_and_given_up(client: Open) -> None:
    one, other = client("one"), client("other")
    one.claims.take("plan")
    run_out(one, "plan")
    one.claims._extend(one.database)
    assert not other.claims.take("plan")
    with one.claims.held():
        assert not other.claims.take("plan")
    assert other.claims.take("plan")


def test_claims_on_a_server_are_extended_as_long_as_they_are_held(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Again and again: a rung may take longer than a claim lasts."""
    database, beats, twice = at_url(url), [], Event()
    make_study(database, "s", "0.1", {"target": "y"}, "rows")
    one = Store(database, "s", "one")
    real = claims.Claims._extend

    def extend(its: claims.Claims, where: Database) -> None:
        real(its, where)
        beats.append(its.owner)
        if len(beats) > 2:
            twice.set()

    monkeypatch.setattr(claims, "BEAT_S", 0.01)
    monkeypatch.setattr(claims.Claims, "_extend", extend)
    with one.claims.held():
        one.claims.take("plan")
        run_out(one, "plan")
        beats.clear()
        twice.clear()
        assert twice.wait(30)
        found = ask(url, "select what, until > extract(epoch from now()) from claim")
    assert ("plan", True) in found
    assert ask(url, "select what from claim") == []
    database.close()


ERRORS = [
    ("database or disk is full", Unwritable, "the disk is full or failing"),
    ("disk I/O error", Unwritable, "the disk is full or failing"),
    ("attempt to write a readonly database", BadInput, "check the folder's permissions"),
    ("unable to open database file", BadInput, "check the folder's permissions"),
    ("no such table: trial", BadInput, "no such table: trial"),
]


@pytest.mark.parametrize(("text", "kind", "words"), ERRORS, ids=[case[0] for case in ERRORS])
def test_an_error_of_a_file_is_named(
    text: str, kind: type[BadInput], words: str, tmp_path: Path
) -> None:
    database = at_file(tmp_path / "study.db")

    def work(_: object) -> None:
        raise OperationalError("select", {}, sqlite3.OperationalError(text))

    with pytest.raises(BadInput) as caught:
        database.run(work)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert str(tmp_path / "study.db") in str(caught.value)
    database.close()


def test_who_lost_a_cohort_writes_nothing(client: Open) -> None:
    slow, quick = client("first"), client("quick")
    run_out(slow)
    assert quick.claims.take("cohort 0")
    before = quick.trials()
    assert not slow.finish_rung(0, finished(0, {0: 0.5, 1: 0.5}), 1.0)
    assert quick.trials() == before
    assert quick.finish_rung(0, finished(0, {0: 0.5, 1: 0.5}), 1.0)
    quick.claims.give_up("cohort 0")
    # It is nobody's now, and yet what was recorded stands.
    before = quick.trials()
    assert not slow.finish_rung(0, finished(0, {0: 0.1, 1: 0.1}, {0: ("dropped", None)}), 1.0)
    assert quick.trials() == before
    assert quick.trials()[0].client == "quick"


def test_a_file_is_that_of_who_trained_the_rung_that_counts(client: Open) -> None:
    """Files go ahead of their rung, and a client may lose its cohort in between, or before."""
    slow, quick = client("first"), client("quick")
    assert slow._send(0, 0, b"slow, in time")
    assert quick.file(0) == b"slow, in time"
    run_out(slow)
    assert quick.claims.take("cohort 0")
    assert not slow.finish_rung(0, finished(0, {0: 0.1, 1: 0.1}, files={0: b"slow"}), 1.0)
    assert quick.file(0) == b"slow, in time"
    assert quick.finish_rung(0, finished(0, {0: 0.5, 1: 0.5}, files={0: b"quick"}), 1.0)
    assert slow.file(0) == b"quick"
    quick.claims.give_up("cohort 0")
    before = quick.trials()
    # It is nobody's now: a rung without its files would be of no use to the others.
    assert not slow.finish_rung(0, finished(1, {0: 0.9, 1: 0.9}, files={0: b"slow"}), 1.0)
    assert (slow.file(0), slow.trials()) == (b"quick", before)


def test_a_client_is_alive_while_it_gives_signs(client: Open) -> None:
    store = client("first")
    client("other")
    long_ago = text("update client set seen = seen - 1000 where name = 'other'")
    store.database.run(lambda session: session.execute(long_ago))
    assert [(c.name, c.alive) for c in store.clients()] == [("first", True), ("other", False)]
    store.spend(3.0, finished=True)
    assert [(c.alive, c.spent_s) for c in store.clients()] == [(False, 3.0), (False, 0.0)]


def test_a_study_and_a_client_that_are_not_there(client: Open, there: There) -> None:
    client("first")
    with pytest.raises(BadInput, match="holds no study"):
        Store(there(), "other")
    with pytest.raises(BadInput, match="does not know"):
        Store(there(), "s", "nobody").me()


def test_a_newer_format_is_refused(client: Open, there: There) -> None:
    newer = text("update study set format = 99, version = '9.1'")
    client("first").database.run(lambda session: session.execute(newer))
    with pytest.raises(BadInput, match=r"9\.1, a newer format \(99"):
        Store(there(), "s")


def test_a_study_is_founded_once(client: Open, there: There) -> None:
    store = client("first")
    make_study(there(), "s", "0.2", {"target": "z"}, "others")
    row = store.study()
    assert (row.version, row.settings, row.rows) == ("0.1", {"target": "y"}, "rows")
    make_study(there(), "t", "0.2", {})
    assert replace(Store(there(), "t", "first").claims, owner="x").study != store.id


# -- files only ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run?", "a%20b", "c#d", "e&f=g"])
def test_a_path_is_no_address(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "study.db"
    store = Store.begun(path, "0.1", {"seed": 5})
    store.close()
    assert path.is_file()
    assert {each.name for each in tmp_path.iterdir()} == {name}
    again = Store(path)
    assert again.settings() == {"seed": 5}
    again.close()


def test_the_file_appears_with_the_study_in_it(tmp_path: Path, monkeypatch) -> None:
    def stop(self, *_: object) -> None:
        raise Stop

    monkeypatch.setattr(Store, "enter", stop)
    with pytest.raises(Stop):
        Store.begun(tmp_path / "study.db", "0.1", {})
    assert list(tmp_path.iterdir()) == []


def test_looking_changes_no_foreign_database(tmp_path: Path) -> None:
    path = tmp_path / "cats.db"
    connection = sqlite3.connect(path)
    connection.execute("create table cats (name text)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"cats\.db"):
        Store(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["cats.db"]
