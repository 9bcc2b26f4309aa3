"""Work that fails: one recipe, one baseline or one process costs itself and not the study."""

from __future__ import annotations

import json
import os
import sqlite3
from concurrent.futures import Future
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from conftest import mixed, tiny_fit
from search.test_resume import rungs_of, scores_of
from shrinkage import run
from shrinkage.engine import local, task
from shrinkage.search import baseline
from shrinkage.search.contest import PLAIN
from shrinkage.search.folder import Folder
from shrinkage.store.claims import Claims
from shrinkage.store.tables import Store


def failing(trial: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort with this trial, of the search's, cannot be trained."""
    real = task.run

    def attempted(work: task.Task) -> task.RungResult:
        if trial in work.alive:
            raise error
        return real(work)

    monkeypatch.setattr(task, "run", attempted)


def test_a_cohort_that_cannot_run_is_recorded_and_the_search_goes_on(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command
) -> None:
    failing(2, ValueError("no such [/thing] in [a place]"), monkeypatch)
    folder = tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    trials = run.trials_of(folder)
    failed = [trial for trial in trials if trial.status == "failed"]
    assert 2 in [trial.number for trial in failed]
    assert {trial.cohort for trial in failed} == {trials[2].cohort}
    assert {trial.reason for trial in failed} == {"ValueError: no such [/thing] in [a place]"}
    monkeypatch.setattr("shrinkage.cli.terminal.console.width", 200)
    printed = command("show", folder).out
    assert "failed: ValueError: no such [/thing] in [a place]" in printed
    assert all(not trial.rungs or trial.rungs[-1].score is None for trial in failed)
    result = run.opened(folder).result
    assert result["n_trials"] == 6
    assert result["n_members_diverged"] == 0
    assert rungs_of(folder)[0] == rungs_of(study)[0]
    assert len(trials) > 2 + len(failed), "the search went on"


def test_without_trial_0_there_is_no_study(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(0, ValueError("no such thing"), monkeypatch)
    with pytest.raises(ValueError, match="no such thing"):
        tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)


def test_a_recipe_alone_that_memory_does_not_hold_has_failed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(PLAIN, MemoryError("too many"), monkeypatch)
    folder = tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)
    plain = run.trials_of(folder)[PLAIN]
    assert (plain.status, plain.reason) == ("failed", "no memory for it")
    result = run.opened(folder).result
    assert result["scores"]["plain"] is None
    assert result["winner"]["trial"] == 0


def test_a_baseline_that_fails_has_no_score_and_no_claim(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = baseline.run

    def attempted(name: str, *given: Any) -> Any:
        if name == "linear":
            raise ValueError("singular")
        return real(name, *given)

    with monkeypatch.context() as patch:
        patch.setattr(baseline, "run", attempted)
        patch.setattr(Claims, "held", lambda self: nullcontext())
        folder = tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)
    told = json.loads((folder / "result.json").read_text())["scores"]
    assert told["linear"] is None
    assert told["gradient_boosting"] is not None
    assert "linear failed" in (folder / "run.log").read_text()
    with closing(sqlite3.connect(folder / "study.db")) as database:
        assert not database.execute("select what from claim").fetchall()
    again = run.resume(folder, "5m").result["scores"]
    assert again["linear"] is not None, "a later session tries it again"


def test_a_process_that_is_killed_while_it_trains_costs_nothing(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system may have killed it for its memory, so smaller cohorts go on."""
    real, killed = local.Processes.submit, []

    def submit(pool: local.Processes, fn: Any, /, *given: Any, **named: Any) -> Future:
        if fn is task.run and len(given[0].alive) > 1 and not killed:
            killed.append(given[0].alive)
            return real(pool, os._exit, 9)
        return real(pool, fn, *given, **named)

    monkeypatch.setattr(local.Processes, "submit", submit)
    folder = tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny, workers=1)
    assert killed
    result = run.opened(folder).result
    assert any("Memory did not hold" in note for note in result["notes"])
    trials = {trial.number: trial for trial in run.trials_of(folder)}
    assert not [trial for trial in trials.values() if trial.status in ("failed", "running")]
    for number in killed[0]:
        assert trials[number].rungs[0].score is not None
    whole = run.opened(study).result
    assert scores_of(result)["default"] == scores_of(whole)["default"]
    with Store(Folder(folder).database) as store:
        assert not store.claims.elsewhere()
