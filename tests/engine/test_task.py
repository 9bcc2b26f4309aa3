"""A task does the same whenever it is done; arrays are read as they stand on the disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from conftest import mixed
from shrinkage.data.source import Table
from shrinkage.engine import arrays, task
from shrinkage.recipe import load
from shrinkage.search import cutting, rows
from shrinkage.search.settings import Settings


@pytest.fixture
def work(tmp_path: Path, tiny: Path) -> tuple[task.Task, Path]:
    cut = cutting.cut(Table(mixed(100), "t"), Settings("t", "y", cv="2"))
    dataset, preparers = rows.prepare(cut, "standard")
    arrays.write(dataset, tmp_path / "standard.safetensors")
    shape = rows.shape_of(preparers, 2)
    problem = task.Problem(tmp_path, 2, shape, "classification", "accuracy")
    recipe = load(tiny).for_task("classification")
    trials = tuple((n, recipe.set({"update.adam.lr": 0.01 * (n + 1)})) for n in range(3))
    (tmp_path / "trials").mkdir()
    after = tmp_path / "half.safetensors"
    alive = frozenset(range(3))
    asked = task.Task(problem, trials, alive, 0, 9, None, after, tmp_path / "trials", float("inf"))
    return asked, tmp_path


def test_a_task_done_twice_writes_the_same(work: tuple[task.Task, Path]) -> None:
    asked, folder = work
    first = task.run(asked)
    content = (folder / "half.safetensors").read_bytes()
    second = task.run(asked)
    assert (first.scores, first.step, first.halted) == (second.scores, second.step, False)
    assert (folder / "half.safetensors").read_bytes() == content


def test_two_rungs_are_one_training(work: tuple[task.Task, Path]) -> None:
    asked, folder = work
    whole = task.run(replace(asked, until=18, after=None))
    expected = {n: load_file(folder / "trials" / f"{n:05d}.safetensors") for n in range(3)}
    half = task.run(asked)
    halves = task.run(replace(asked, until=18, before=folder / "half.safetensors", after=None))
    assert halves.scores == whole.scores
    assert (half.part, halves.part, whole.part) == (0.75, 0.25, 1.0)
    for n, tensors in expected.items():
        found = load_file(folder / "trials" / f"{n:05d}.safetensors")
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():  # what was not scored is no number in both
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_a_checkpoint_that_cannot_be_read_costs_time_and_no_trial(
    work: tuple[task.Task, Path], caplog: pytest.LogCaptureFixture
) -> None:
    asked, folder = work
    whole = task.run(replace(asked, until=18, after=None))
    before = folder / "half.safetensors"
    before.write_bytes(b"of another version")
    found = task.run(replace(asked, until=18, before=before, after=None))
    assert found.scores == whole.scores
    assert found.part == 1, "as much as it took"
    assert "half.safetensors" in caplog.text
    assert "trained from the start" in caplog.text


def test_a_rung_to_which_no_member_comes_is_passed_with_what_they_kept(
    work: tuple[task.Task, Path],
) -> None:
    """They all stopped early, in the first epochs: at such a rate nothing improves for long."""
    asked, folder = work
    wild = {"update.adam.lr": 3.0, "stop.early_stopping.patience": 1.0}
    asked = replace(asked, trials=tuple((n, recipe.set(wild)) for n, recipe in asked.trials))
    first = task.run(asked)
    assert not first.reasons
    assert first.part < 0.75
    last = replace(asked, until=18, before=folder / "half.safetensors", after=None)
    for alive in (asked.alive, frozenset({1})):
        found = task.run(replace(last, alive=alive))
        assert found.scores == {n: first.scores[n] for n in alive}
        assert (found.part, found.halted) == (0, False)
    assert (folder / "trials" / "00002.safetensors").is_file()


def test_a_trial_alone_is_the_trial_among_others(work: tuple[task.Task, Path]) -> None:
    asked, folder = work
    task.run(replace(asked, until=18, after=None))
    together = load_file(folder / "trials" / "00001.safetensors")
    task.run(replace(asked, until=18, after=None, trials=asked.trials[1:2], alive=frozenset([1])))
    alone = load_file(folder / "trials" / "00001.safetensors")
    torch.testing.assert_close(alone["weights"], together["weights"], rtol=1e-4, atol=1e-5)


def test_who_diverges_leaves_and_the_part_is_counted(work: tuple[task.Task, Path]) -> None:
    asked, _ = work
    (_, recipe), *others = asked.trials
    wild = 0, recipe.set({"update.adam.lr": 1e30})
    found = task.run(replace(asked, trials=(wild, *others)))
    assert set(found.reasons) == {0}
    assert (set(found.scores), found.part) == ({1, 2}, 0.75)


def test_a_task_past_its_deadline_halts_and_keeps_what_there_is(work) -> None:
    asked, folder = work
    found = task.run(replace(asked, deadline=0.0))
    assert found.halted
    assert found.step < 9
    assert not (folder / "half.safetensors").exists()


def test_a_file_of_the_same_name_is_read_anew(work, monkeypatch) -> None:
    _, folder = work
    path, read = folder / "standard.safetensors", lambda p: arrays.read(p, 2, 2, "classification")
    one = read(path)
    assert read(path) is one
    cut = cutting.cut(Table(mixed(60), "t"), Settings("t", "y", cv="2"))
    arrays.write(rows.prepare(cut, "standard")[0], path)
    two = read(path)
    assert len(two.folds[0].train.target) == 24
    monkeypatch.chdir(folder)
    assert read(Path(path.name)) is two
    np.testing.assert_array_equal(len(one.folds[0].train.target), 40)
