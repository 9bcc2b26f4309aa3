"""Memory that runs out makes cohorts smaller; the scores are those of the whole cohorts."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import tiny_fit
from search.kills import killed_after
from shrinkage import run
from shrinkage.engine import refit as engine_refit
from shrinkage.engine import task
from shrinkage.errors import BadInput
from shrinkage.recipe import load
from shrinkage.search import memory, refit
from shrinkage.search.cohort import Cohort


def said_by(function) -> Exception:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        function()
    return caught.value


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (said_by(lambda: torch.empty(1 << 52)), True),
        (said_by(lambda: np.empty(1 << 52)), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (BrokenExecutor(), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, says: bool) -> None:
    assert memory.ran_out(error) is says


def test_halves_share_what_is_alive() -> None:
    recipe = load("default")
    whole = Cohort(3, "random", dict.fromkeys(range(10, 17), recipe), {10, 12, 13, 15, 16}, rung=1)
    first, second = memory.halves(whole)
    assert (first.number, second.number) == (3, 3)
    assert (first.alive, second.alive) == ({10, 12}, {13, 15, 16})
    assert set(first.trials) == first.alive
    assert set(second.trials) == second.alive
    assert first.rung == second.rung == 1


def test_a_gpu_holds_what_its_free_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.room("cpu", 10) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 9000))
    assert memory.room("cuda", 10) == 80
    assert memory.room("cuda:1", 10_000) == 1


def holding(most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No more than so many trials of a task; answers what was asked of it."""
    asked, whole = [], task.run

    def run(work: task.Task) -> task.RungResult:
        asked.append(len(work.trials))
        if len(work.trials) > most:
            raise MemoryError("too many")
        return whole(work)

    monkeypatch.setattr(task, "run", run)
    return asked


def scores_of(folder: Path) -> dict[tuple[int, int], float | None]:
    return {
        (trial.number, rung[0]): rung[3] for trial in run.trials_of(folder) for rung in trial.rungs
    }


def test_a_study_goes_on_with_smaller_cohorts_and_finds_the_same(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, source = scores_of(study), str(study.parent / "table.csv")
    asked = holding(1, monkeypatch)
    with killed_after(4, monkeypatch):
        tiny_fit(source, "y", tmp_path / "run", tiny)
    result = run.resume(tmp_path / "run").result
    assert max(asked) > 1
    found = scores_of(tmp_path / "run")
    both = set(whole) & set(found)
    assert {trial for trial, _ in both} == {trial for trial, _ in whole}
    assert {key: found[key] for key in both} == {key: whole[key] for key in both}
    assert any("smaller cohorts" in note for note in result["notes"])
    assert result["n_trials"] == run.opened(study).result["n_trials"]


def test_no_memory_for_the_first_recipe_is_said(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding(0, monkeypatch)
    with pytest.raises(BadInput, match="no memory for the first recipe") as caught:
        tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    assert len(str(caught.value).splitlines()) <= 3


def test_networks_on_all_rows_are_halved_until_they_fit(tmp_path: Path) -> None:
    work = engine_refit.Refit(
        None, load("default"), (5, 6, 7), 1.0, 0.0, tmp_path / "00012-0004.safetensors", 0.0
    )  # pyright: ignore

    def failing(error: Exception) -> Future:
        future: Future = Future()
        future.set_exception(error)
        return future

    first, second = refit._finish(work, failing(MemoryError()))
    assert (first.seeds, first.after.name) == ((5,), "00012-0004.safetensors")
    assert (second.seeds, second.after.name) == ((6, 7), "00012-0005.safetensors")
    assert refit._finish(first, failing(MemoryError())) == []
    assert refit._finish(work, failing(ValueError())) == []
