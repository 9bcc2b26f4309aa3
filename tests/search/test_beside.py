"""Baselines beside networks: neither waits long for the other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, mixed, tiny_fit
from shrinkage import run
from shrinkage.data.source import Table
from shrinkage.engine import local
from shrinkage.engine.local import Inline
from shrinkage.search import baseline, beside, refit, session
from shrinkage.search.budget import Clock
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings
from shrinkage.search.study import Study
from shrinkage.store.claims import Claims
from shrinkage.store.database import Database

SPACE = '[vary]\n"network.mlp.width" = [2, 8, 30]\n'


class Slow(Inline):
    """Baselines come to no end before someone lets them."""

    def __init__(self) -> None:
        self.held: list[tuple[Future, tuple]] = []

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        if fn is not baseline.run:
            return super().submit(fn, *args, **kwargs)
        self.held.append((Future(), args))
        return self.held[-1][0]


def study_in(folder: Path, **asked: Any) -> AbstractContextManager[Study]:
    """A study of 60 rows and 60 seconds."""
    settings = Settings("t", "y", budget_s=60.0, recipe=TINY, cv="2", **asked)
    clock = Clock(time.monotonic(), 60.0)
    return session.prepared(Table(mixed(60), "t"), settings, Folder(folder / "run"), clock)


def test_the_search_ends_in_time_though_a_baseline_does_not(tmp_path: Path) -> None:
    pool = Slow()
    with study_in(tmp_path, space=SPACE, workers=2) as study:
        study.plan(pool)
        study.clock, study.trial_seconds = Clock(time.monotonic(), 8.0), 0.1
        study.run(pool)
        assert study.busy == len(study.running) == len(pool.held) == 1
        assert study.search_deadline < time.monotonic() < study.clock.deadline
        assert study.known.best is not None, "networks were trained meanwhile"
        ((future, (name, *arguments)),) = pool.held
        future.set_result(baseline.run(name, *arguments[:-1]))
        study.wind_up(pool)
        assert not study.running
        assert set(study.store.baselines()) == {name} == {"linear"}


def test_on_a_gpu_networks_do_not_wait_for_a_baseline(tmp_path: Path) -> None:
    """It has a process of its own, which here never ends; networks have this process."""
    slow = Slow()
    with study_in(tmp_path, space=SPACE) as study:
        study.plan(Inline())
        study.aside, study.trial_seconds = slow, 0.1
        study.clock = Clock(time.monotonic(), 8.0)
        study.run(Inline())
        assert study.busy == len(study.running) == len(slow.held) == 1
        assert study.known.trials > 3
        ((future, (name, *arguments)),) = slow.held
        assert arguments[-1] == study.clock.deadline
        # It ends after the last training did, when there is no time to wait for it.
        study.clock = Clock(time.monotonic() - 100, 8.0)
        study.wind_up(Inline())
        assert not study.store.baselines()
        future.set_result(baseline.run(name, *arguments[:-1]))
        study.wind_up(Inline())
        assert set(study.store.baselines()) == {name}


def test_what_a_machine_lets_go_of_at_the_end_another_brings_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the plain network and a baseline, and vanishes when no new recipe is tried."""
    with study_in(tmp_path, space=SPACE) as study:
        store = study.store
        monkeypatch.setattr(Database, "shared", True)
        study.plan(Inline())
        other = Claims(store.database, store.id, "other")
        for what in ("cohort 1", "baseline linear"):
            assert other.take(what)
        study.clock = Clock(time.monotonic(), 40.0)
        monkeypatch.setattr(Study, "search_deadline", 0.0)
        study.run(Inline())
        assert [trial.status for trial in store.trials()] == ["finished", "running"]
        assert not store.baselines(), "there was no time for one while networks waited"
        looks = []

        def news(*, at_once: bool = False) -> None:
            looks.append(at_once)
            study.known.elsewhere = set(store.claims.elsewhere())
            if len(looks) == 3:
                for what in study.known.elsewhere:
                    other.give_up(what)
                study.known.elsewhere = set()

        monkeypatch.setattr(study.known, "news", news)
        study.wind_up(Inline())
        assert len(looks) >= 3
        assert study.clock.left > 20, "and waits no longer"
        assert [trial.status for trial in store.trials()] == ["finished", "finished"]
        assert set(store.baselines()) == {"linear"}


def test_a_baseline_that_ends_leaves_its_process_to_the_training_on_all_rows(
    tmp_path: Path,
) -> None:
    pool = Slow()
    with study_in(tmp_path, space=SPACE, workers=2) as study:
        study.plan(pool)
        study.clock, study.trial_seconds = Clock(time.monotonic(), 6.0), 0.1
        study.run(pool)
        ((future, (name, *arguments)),) = pool.held
        future.set_result(baseline.run(name, *arguments[:-1]))
        assert study.busy == 1, "nobody has looked yet"
        study.clock = Clock(time.monotonic(), 60.0)
        refit.train(study, Inline())
        assert not study.running
        assert set(study.store.baselines()) == {name}
        assert len(list(study.folder.refits.iterdir())) >= 2, "one piece a process, free or not"


def test_the_only_process_is_taken_back_from_a_fit_that_does_not_end(tmp_path: Path) -> None:
    pool = local.executor(1)
    with study_in(tmp_path, workers=1) as study:
        first = pool.submit(os.getpid).result(60)
        running: dict[Future, Any] = {pool.submit(time.sleep, 600): study.baselines.claimed()}
        study.baselines.take_back(pool, running)
        assert len(running) == 1, "it has time yet"
        study.baselines.overdue = time.monotonic() - 1
        study.baselines.take_back(pool, running)
        assert not running
        assert not study.store.baselines()
        assert pool.submit(os.getpid).result(60) != first
        local.stop(pool)


def test_a_fit_that_has_ended_leaves_the_only_process_to_networks(tmp_path: Path) -> None:
    """They were killed at the time at which it would have been given up."""
    pool = local.executor(1)
    with study_in(tmp_path, workers=1) as study:
        first = pool.submit(os.getpid).result(60)
        fits = study.baselines
        for found in (({}, {}, 1.0), None):
            name = fits.claimed()
            assert name is not None
            fits.submit(Inline(), name, time.monotonic(), time.monotonic(), waits=True)
            assert fits.overdue <= time.monotonic()
            fits.keep(name, found)
            fits.take_back(pool, {pool.submit(os.getpid): "a cohort"})
            assert pool.submit(os.getpid).result(60) == first
        fits.overdue = time.monotonic() - 1
        fits.take_back(pool, {})
        assert pool.submit(os.getpid).result(60) == first, "there is nothing to take it from"
        local.stop(pool)


def test_with_one_process_a_baseline_has_a_share_of_the_time() -> None:
    now = time.monotonic()
    assert beside.until(False, now + 50, now + 40) == now + 50
    assert beside.until(True, now + 50, now + 40) == pytest.approx(now + 8, abs=0.5)
    assert beside.until(True, now - 1, now - 5) == pytest.approx(now, abs=0.5)


def test_no_further_fit_is_begun_when_its_time_is_up(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shrinkage.search.beside.until", lambda *_: 0.0)
    folder = tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)
    told = run.opened(folder).result["scores"]
    assert (told["linear"], told["gradient_boosting"]) == (None, None)
    assert told["plain"] is not None
    assert "baseline linear: time was up" in (folder / "run.log").read_text()
    # Nobody holds them: a session with more time fits them.
    monkeypatch.undo()
    again = run.resume(folder, "5m").result["scores"]
    assert again["linear"] is not None
