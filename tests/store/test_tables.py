"""The database: what belongs together is written together, and read back as it was."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from shrinkage.errors import BadInput
from shrinkage.store.tables import RungRow, Store, Trial, TrialRow


@pytest.fixture
def store(tmp_path: Path):
    store = Store.begun(tmp_path / "study.db", "0.1", {"target": "y"})
    store.add_trials(
        TrialRow(number=n, cohort=n // 2, source="random", recipe=f"r{n}", hash=f"h{n}")
        for n in range(4)
    )
    yield store
    store.close()


def rung(trial: int, number: int = 0, score: float | None = 0.5) -> RungRow:
    return RungRow(trial=trial, rung=number, step=9, share=1 / 9, score=score, seconds=1.5)


def test_trials_come_back_as_they_were(store: Store) -> None:
    store.finish_rung(
        [rung(0), rung(1, score=None)], {1: ("diverged", "loss is NaN")}, 12.5, {1: 3}
    )
    store.finish_rung([rung(0, 1, 0.75)], {0: ("dropped", None)}, 14.0)
    store.close()
    again = Store(store.path)
    first, second, third, _ = again.trials()
    rungs = ((0, 9, 1 / 9, 0.5, 1.5), (1, 9, 1 / 9, 0.75, 1.5))
    assert first == Trial(0, 0, "random", "r0", "dropped", None, 0, rungs)
    assert (first.score, first.seconds) == (0.75, 3.0)
    assert (second.status, second.reason, second.score) == ("diverged", "loss is NaN", None)
    assert second.diverged == 3
    assert (third.status, third.rungs, third.score, third.share) == ("running", (), None, 0.0)
    assert again.study().spent_s == 14.0
    again.close()


def test_a_rung_written_twice_is_one(store: Store) -> None:
    store.finish_rung([rung(0)], {}, 1.0)
    store.finish_rung([rung(0)], {}, 2.0)
    assert len(store.trials()[0].rungs) == 1


class Stop(Exception):
    pass


def test_an_error_in_a_transaction_writes_nothing(store: Store) -> None:
    def interrupted() -> None:
        with store.session() as session:
            session.add(rung(0))
            session.get_one(TrialRow, 0).status = "dropped"
            session.flush()
            raise Stop

    with pytest.raises(Stop):
        interrupted()
    assert store.trials()[0].rungs == ()
    assert store.trials()[0].status == "running"


def test_an_unknown_trial_undoes_its_whole_rung(store: Store) -> None:
    with pytest.raises(Exception, match="No row was found"):
        store.finish_rung([rung(0), rung(1)], {99: ("dropped", None)}, 5.0)
    assert [trial.rungs for trial in store.trials()] == [()] * 4
    assert store.study().spent_s == 0.0


KILLED = """
import os, signal, sys
from pathlib import Path
from shrinkage.store.tables import RungRow, Store, TrialRow
store = Store(Path(sys.argv[1]))
row = lambda n: RungRow(trial=n, rung=0, step=9, share=.1, score=.5, seconds=1.)
store.finish_rung([row(0), row(1)], {}, 3.0)
with store.session() as session:
    session.add_all([row(2), row(3)])
    session.get_one(TrialRow, 2).status = "dropped"
    session.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_whole_transactions_only(store: Store) -> None:
    store.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.path)], check=False)
    assert done.returncode == -signal.SIGKILL
    again = Store(store.path)
    assert [len(trial.rungs) for trial in again.trials()] == [1, 1, 0, 0]
    assert [trial.status for trial in again.trials()] == ["running"] * 4
    assert again.study().spent_s == 3.0
    again.close()


def test_baselines_and_plan(store: Store) -> None:
    scores = {"validation": {"accuracy": 0.9}, "test": {"accuracy": 0.8}}
    store.add_baseline("linear", scores, 1.25)
    store.set_plan({"epochs_share": 0.5})
    assert store.baselines() == {"linear": {**scores, "seconds": 1.25}}
    assert store.study().plan == {"epochs_share": 0.5}
    assert store.study().settings == {"target": "y"}


def test_the_file_appears_with_the_study_in_it(tmp_path: Path, monkeypatch) -> None:
    def stop(self, *_: object) -> None:
        raise Stop

    monkeypatch.setattr(Store, "begin", stop)
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
