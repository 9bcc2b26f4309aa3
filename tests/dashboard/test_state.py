"""What is known of a run from its folder, and that looking leaves no trace."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import tiny_fit
from shrinkage.dashboard.live import page
from shrinkage.dashboard.state import (
    ABSENT,
    FINISHED,
    RUNNING,
    STOPPED,
    Reader,
    State,
    status,
)
from shrinkage.report.timeline import timeline
from shrinkage.search.budget import Clock
from shrinkage.search.folder import Folder

from .conftest import Run, locked

Going = Callable[..., Run]


def read(run: Run) -> State:
    reader = Reader(run.folder)
    try:
        return reader.read()
    finally:
        reader.close()


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# -- how a run stands ------------------------------------------------------------------------


def test_where_nothing_has_begun(tmp_path: Path) -> None:
    assert status(Folder(tmp_path / "nowhere"))[0] == ABSENT
    (tmp_path / "run.log").write_text("")
    assert status(Folder(tmp_path))[0] == ABSENT


def test_a_folder_whose_database_is_not_there_yet_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run takes its lock a moment after the log is there: nobody else may hold it then."""
    monkeypatch.setattr(Folder, "held", property(lambda _: pytest.fail("it was locked")))
    (tmp_path / "study.db").write_text("")
    for log in (None, "", "2026-01-02 10:00:05,0"):
        if log is not None:
            (tmp_path / "run.log").write_text(log)
        assert status(Folder(tmp_path))[0] == ABSENT


def test_a_run_that_goes_on_is_one_that_holds_its_log(going: Going, study: Path) -> None:
    run = going(study)
    assert status(run.folder)[0] == RUNNING
    run.kill()
    assert status(run.folder)[0] == STOPPED
    assert status(Folder(study))[0] == FINISHED


def test_a_finished_run_that_was_resumed_and_killed_has_not_ended(
    going: Going, study: Path, tmp_path: Path
) -> None:
    """Its result is that of the session before."""
    root = tmp_path / "again"
    shutil.copytree(study, root)
    log = root / "run.log"
    once = log.read_text()
    log.write_text(once + once[: once.index("phase: scoring")])
    assert status(Folder(root))[0] == STOPPED
    with locked(log):
        assert status(Folder(root))[0] == RUNNING
    log.write_text(once + once)
    assert status(Folder(root))[0] == FINISHED


# -- what is known of it -----------------------------------------------------------------------


def test_it_is_what_the_database_holds(going: Going, study: Path) -> None:
    run = going(study)
    found = read(run)
    assert len(found.trials) == run.sql("select count(*) from trial")[0][0]
    best = run.sql(
        "select trial, score from rung join trial on trial = number "
        "where status = 'finished' and share = 1 order by score desc, trial"
    )
    assert found.best is not None
    assert (found.best.number, found.score(found.best)) == best[0]
    assert set(found.baselines) == {name for (name,) in run.sql("select name from baseline")}
    assert sum(rung.alive for rung in found.rungs) == 2 * 3, "two trials of three folds"
    assert found.rungs[0].alive == 3
    for rung, known in enumerate(found.rungs):
        standing = (
            "select count(*) from trial where status = 'running' and "
            f"(select count(*) from rung where rung.trial = trial.number) = {rung}"
        )
        assert known.alive == 3 * run.sql(standing)[0][0]
        asked = f"select count(*) from rung where rung = {rung} and score is not null"
        assert known.ended == run.sql(asked)[0][0]


@pytest.mark.parametrize(("upwards", "sign"), [(True, 1), (False, -1)])
def test_the_way_of_a_persons_own_function_is_in_the_plan(
    upwards: bool, sign: int, going: Going, study: Path
) -> None:
    found = read(going(study))
    settings = {**found.settings, "metric": "function:cost"}
    own = replace(found, settings=settings, plan={"greater_is_better": upwards})
    assert own.best is not None
    assert own.best.score is not None
    assert own.score(own.best) == sign * own.best.score
    assert found.plan["greater_is_better"] is True  # accuracy's


def test_less_is_the_goal_of_an_error(going: Going, regression: Path) -> None:
    run = going(regression)
    found = read(run)
    assert not found.greater_is_better
    errors = [-score for (score,) in run.sql(
        "select score from rung join trial on trial = number "
        "where status = 'finished' and share = 1")]  # fmt: skip
    assert found.best is not None
    assert found.score(found.best) == min(errors) > 0
    assert {point.score for point in found.points} >= set(errors)


def test_time_is_counted_as_the_run_counts_it(going: Going, study: Path) -> None:
    found = read(going(study))
    session = found.session
    clock = Clock(0.0, session.budget_s)
    for seconds in (0.0, 10.0, 100.0):
        now = session.started + timedelta(seconds=seconds)
        assert found.seconds_left(now) == pytest.approx(clock.deadline - seconds)
        assert found.used(now) == pytest.approx(seconds / clock.deadline)
    late = session.started + timedelta(days=1)
    assert (found.seconds_left(late), found.used(late)) == (0.0, 1.0)


def test_a_study_on_a_server_is_that_of_all_its_machines(
    url: str, tiny: Path, tmp_path: Path
) -> None:
    shared = {"store": url, "study": "watched", "trials": 2}
    roots = [tiny_fit("breast_cancer", None, tmp_path / name, tiny, **shared) for name in "ab"]
    run = Run(roots[1], ExitStack())
    found = read(run)
    assert [trial.number for trial in found.trials] == [0, 1]
    assert len(found.clients) == 2
    assert found.best is not None
    said = " ".join(str(block) for section in page(found).sections for block in section.blocks)
    # The second machine found all done, so its own log times nothing.
    assert found.points == []
    assert "2 machines on this study, 0 at work now" in said


# -- looking leaves no trace -------------------------------------------------------------------


@pytest.mark.parametrize("writer", [True, False], ids=["beside a writer", "alone"])
def test_nothing_is_written(writer: bool, going: Going, study: Path) -> None:
    run = going(study)
    connection = sqlite3.connect(run.root / "study.db")
    if writer:
        connection.execute("select * from study").fetchall()
    else:
        connection.close()
    before = contents(run.root)
    assert any(name.endswith("-wal") for name in before) == writer
    assert read(run).trials
    after = contents(run.root)
    assert set(after) == set(before)
    changed = {name for name in before if after[name] != before[name]}
    assert changed <= {"study.db-shm"}, "the index that readers share"
    connection.close()


def test_neither_waits_for_the_other(going: Going, study: Path) -> None:
    """A reader sees the last commit while a transaction is open, and none is held up by it."""
    run = going(study)
    before = len(read(run).trials)
    writer = sqlite3.connect(run.root / "study.db", timeout=0, isolation_level=None)
    writer.execute("begin immediate")
    writer.execute("delete from rung")
    reader = Reader(run.folder)
    assert len(reader.read().trials) == before
    assert reader.read().points
    writer.execute("commit")
    assert reader.read().points == []
    writer.execute("begin exclusive")
    writer.execute("rollback")
    # Nothing is left open: who writes can tidy up when it ends.
    writer.close()
    assert not (run.root / "study.db-wal").exists()
    reader.close()


def test_a_log_may_end_anywhere(study: Path) -> None:
    """What is being written is read up to the last whole line."""
    log = (study / "run.log").read_bytes()
    whole = timeline(log.decode())
    assert whole.last is not None
    assert whole.last.done
    seen = 0
    for end in range(0, len(log), 7):
        found = timeline(log[:end].decode("utf-8", errors="replace"))
        assert seen <= len(found.spans) <= len(whole.spans)
        seen = len(found.spans)
        # A line that is cut off tells nothing false.
        assert {(s.kind, s.name) for s in found.spans} <= {(s.kind, s.name) for s in whole.spans}
        if found.last is not None:
            assert found.last.budget_s == whole.last.budget_s
            assert found.last.started == whole.last.started


def test_the_budget_of_the_session_is_in_the_log(study: Path) -> None:
    """The study fixture asked for ten minutes."""
    found = timeline((study / "run.log").read_text()).last
    assert found is not None
    assert (found.task, found.budget_s, found.before) == ("classification", 600.0, 0.0)
    assert found.phase == "scoring"
    assert (found.rows, found.folds) == (96, 3)
