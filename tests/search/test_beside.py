"""Baselines beside networks: neither waits long for the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, mixed, tiny_fit
from shrinkage import run
from shrinkage.data.source import Table
from shrinkage.engine.local import Inline
from shrinkage.search import baseline, beside, session
from shrinkage.search.budget import Clock
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings

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


def test_the_search_ends_in_time_though_a_baseline_does_not(tmp_path: Path) -> None:
    asked = Settings("t", "y", budget_s=60.0, recipe=TINY, space=SPACE, cv="2", workers=2)
    folder, pool = Folder(tmp_path / "run"), Slow()
    with session.prepared(Table(mixed(60), "t"), asked, folder, Clock(time.time(), 60.0)) as study:
        study.plan(pool)
        study.clock, study.trial_seconds = Clock(time.time(), 8.0), 0.1
        study.run(pool)
        assert study.busy == len(study.running) == len(pool.held) == 1
        assert study.search_deadline < time.time() < study.clock.deadline
        assert study.known.best is not None, "networks were trained meanwhile"
        ((future, (name, *arguments)),) = pool.held
        future.set_result(baseline.run(name, *arguments[:-1]))
        study.wind_up()
        assert not study.running
        assert set(study.store.baselines()) == {name} == {"linear"}


def test_with_one_process_a_baseline_has_a_share_of_the_time() -> None:
    now = time.time()
    assert beside.until(2, now + 50, now + 40) == now + 50
    for workers in (0, 1):
        assert beside.until(workers, now + 50, now + 40) == pytest.approx(now + 8, abs=0.5)
        assert beside.until(workers, now - 1, now - 5) == pytest.approx(now, abs=0.5)


def test_no_further_fit_is_begun_when_its_time_is_up(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shrinkage.search.study.until", lambda *_: 0.0)
    folder = tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)
    told = run.opened(folder).result["scores"]
    assert (told["linear"], told["gradient_boosting"]) == (None, None)
    assert told["plain"] is not None
    assert "baseline linear: time was up" in (folder / "run.log").read_text()
    # Nobody holds them: a session with more time fits them.
    monkeypatch.undo()
    again = run.resume(folder, "5m").result["scores"]
    assert again["linear"] is not None
