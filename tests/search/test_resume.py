"""A study that stopped goes on as if it had not: the same trials, rungs, scores, winner."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from conftest import mixed, tiny_fit
from search.kills import Killed, killed_after
from shrinkage import run
from shrinkage.cli.terminal import summary
from shrinkage.engine import task
from shrinkage.errors import BadInput, Unwritable
from shrinkage.model import Model
from shrinkage.report import facts
from shrinkage.report.words import looks_line
from shrinkage.report.write import write
from shrinkage.search import listing, session
from shrinkage.search.contest import PLAIN
from shrinkage.search.folder import Folder
from shrinkage.search.runlog import logging_to
from shrinkage.search.settings import Settings
from shrinkage.store.tables import Store

SAME = ("n_trials", "n_trials_finished", "winner", "recipe_hash", "rows")


def scores_of(result: dict) -> dict:
    """Every score of the networks; baselines are not of interest here."""
    return {
        name: {part: row[part] for part in ("validation", "test")}
        for name, row in result["scores"].items()
    }


def rungs_of(folder: Path) -> dict:
    return {
        trial.number: (trial.recipe, trial.status,
                       [rung[:4] for rung in trial.rungs])
        for trial in run.trials_of(folder)
    }  # fmt: skip


MOMENTS = (0, 2, 4, 6, 7)


@pytest.mark.parametrize("commit", MOMENTS)
def test_a_stop_between_checkpoint_and_commit_costs_nothing(
    commit: int, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """Killed after a worker wrote its files and before the database knew."""
    whole = run.opened(study).result
    with killed_after(commit, monkeypatch):
        tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    before = rungs_of(tmp_path / "run")
    work = tmp_path / "run" / "work"
    for name in (".half.123.tmp", ".tmp93UmAK", "cohort-0099-rung-0.safetensors"):
        (work / name).write_text("left by a killed worker")
    result = run.resume(tmp_path / "run").result
    after = rungs_of(tmp_path / "run")
    for number, (_, _, rungs) in before.items():
        assert after[number][2][: len(rungs)] == rungs
    assert after == rungs_of(study)
    assert scores_of(result) == scores_of(whole)
    assert {k: result[k] for k in SAME} == {k: whole[k] for k in SAME}
    assert not list((tmp_path / "run").rglob(".*"))
    assert not list(work.glob("cohort-*")), "nothing is left to go on with"


def test_a_stop_before_the_study_began_leaves_room_for_another(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    table, out = str(study.parent / "table.csv"), tmp_path / "run"

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("shrinkage.search.folder.Folder._discard", lambda *_, **__: None)
        patch.setattr(Store, "begun", killed)
        with pytest.raises(Killed):
            tiny_fit(table, "y", out, tiny, trials=2)
    assert (out / "work" / "train.parquet").is_file()
    with pytest.raises(BadInput, match="does not hold a study"):
        run.resume(out)
    assert tiny_fit(table, "y", out, tiny, trials=2) == out


@pytest.mark.parametrize("name", ["run/work/trials/mine.txt", "run/notes.txt", "run/work/mine.csv"])
def test_a_folder_with_anything_else_in_it_is_left_alone(
    name: str, study: Path, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "run" / "work" / "trials").mkdir(parents=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(BadInput, match="not an empty folder"):
        tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    assert (tmp_path / name).read_text() == "mine"


def test_a_finished_study_is_returned_as_it_is(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "run"))
    assert run.resume(folder).result == run.opened(study).result


@pytest.mark.parametrize("text", ["", "[]", '{"task": "classification"}', '{"task": '])
def test_a_damaged_result_is_written_again(text: str, study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "run"))
    (folder / "result.json").write_text(text)
    with pytest.raises(BadInput, match="is damaged: write it again with `shrinkage resume"):
        run.opened(folder)
    assert scores_of(run.resume(folder).result) == scores_of(run.opened(study).result)
    assert run.opened(folder).result["recipe"] == run.opened(study).result["recipe"]


def test_a_finished_study_takes_more_time(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "run"))
    result, first = run.resume(folder, "10s").result, run.opened(study).result
    assert scores_of(result) == scores_of(first)
    assert first["wall_s"] < result["wall_s"] < result["budget_s"]
    assert (first["test_looks"], result["test_looks"]) == (1, 2)
    (said,) = (line for line in summary(result, "run") if "scored 2 times" in line)
    assert said == looks_line(result)
    assert looks_line(first) is None


@pytest.mark.parametrize("rung", [0, 1])
def test_a_cohort_that_is_halted_within_a_rung_goes_on_from_the_one_before(
    rung: int, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """Nothing of the half rung is kept: not its files, and no word of it in the database."""
    halted, real = [], task.run

    def run_out(work: task.Task) -> task.RungResult:
        numbers = [number for number, _ in work.trials]
        done = 0 if work.before is None else int(work.before.stem[-1]) + 1
        if min(numbers) > PLAIN and done == rung:
            halted.extend(work.alive)
            work = replace(work, deadline=float("-inf"))
        return real(work)

    with monkeypatch.context() as patch:
        patch.setattr(task, "run", run_out)
        folder = tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    trials = {trial.number: trial for trial in run.trials_of(folder)}
    assert halted
    for number in halted:
        assert trials[number].status == "running"
        assert len(trials[number].rungs) == rung
        assert not Folder(folder).trial(number).exists()
    with Store(Folder(folder).database) as store:
        assert not store.claims.elsewhere()
    found = run.resume(folder, "10m").result
    assert rungs_of(folder) == rungs_of(study)
    assert scores_of(found) == scores_of(run.opened(study).result)


def test_a_clock_that_is_set_meanwhile_moves_no_budget(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    hours = count(1_700_000_000, 3600)
    monkeypatch.setattr("time.time", lambda: float(next(hours)))
    folder = tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    assert rungs_of(folder) == rungs_of(study)


def test_what_a_killed_save_moved_aside_comes_back(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "run"))
    (folder / "model").rename(folder / ".model.77.old")
    (folder / ".model.77.tmp").mkdir()
    run.resume(folder, "10s")
    assert Model.load(folder).recipe.hash == run.opened(study).result["recipe_hash"]
    assert not list(folder.rglob(".*"))


def test_derived_files_are_made_again(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "run"))
    (folder / "work" / "shape.json").write_text("[")
    (folder / "work" / "standard.safetensors").write_bytes(b"")  # as a power cut leaves it
    (folder / "model" / "weights.safetensors").write_bytes(b"")
    (folder / "result.json").unlink()
    result = run.resume(folder, "10s").result
    assert scores_of(result) == scores_of(run.opened(study).result)
    frame = mixed(20, seed=8)
    np.testing.assert_array_equal(
        Model.load(folder).predict(frame), Model.load(study).predict(frame)
    )


def test_arrays_that_a_power_cut_emptied_are_made_again(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    with killed_after(3, monkeypatch):
        tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    for path in (tmp_path / "run" / "work").glob("*.safetensors"):
        if not path.name.startswith("cohort"):
            path.write_bytes(path.read_bytes()[:-4])
    result = run.resume(tmp_path / "run").result
    assert scores_of(result) == scores_of(run.opened(study).result)


def test_a_session_that_was_killed_while_it_wrote_is_not_at_its_end(
    study: Path, tmp_path: Path, monkeypatch
) -> None:
    """It trained nothing new, so only its model and its scores are."""
    folder = Path(shutil.copytree(study, tmp_path / "run"))

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(session.finish, "write", killed)
        with pytest.raises(Killed):
            run.resume(folder, "10s")
    (folder / "model" / "manifest.json").write_text("half of it")
    result = run.resume(folder).result
    assert scores_of(result) == scores_of(run.opened(study).result)
    assert Model.load(folder).recipe.hash == result["recipe_hash"]


def test_an_interrupt_while_a_study_is_founded_leaves_room_for_another(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    begun = Store.begun.__func__

    def interrupted(*given: object) -> None:
        begun(Store, *given).close()
        raise KeyboardInterrupt

    out = tmp_path / "run"
    monkeypatch.setattr(Store, "begun", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny_fit(mixed(60), "y", out, tiny, trials=2)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(KeyboardInterrupt):
        tiny_fit(mixed(60), "y", out, tiny, trials=2)
    assert not list(out.iterdir())


def test_a_full_disk_costs_the_lines_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_to(Path("/dev/full")):
        session.log.info("a line " * 2000)
    assert "Logging error" not in capfd.readouterr().err


def test_who_looks_at_a_study_leaves_no_trace(study: Path, tmp_path: Path, monkeypatch) -> None:
    """So it may lie where nothing can be written, as in a colleague's folder."""
    folder = Path(shutil.copytree(study, tmp_path / "run"))
    seen: list[set[str]] = []
    trials = Store.trials

    def looking(store: Store) -> list:
        found = trials(store)
        seen.append({path.name for path in folder.iterdir()})
        return found

    monkeypatch.setattr(Store, "trials", looking)
    before = {path.name for path in folder.iterdir()}
    run.trials_of(folder)
    run.importance(folder)
    listing.studies(tmp_path)
    facts.read(folder)
    assert seen == [before] * 4


def test_two_runs_do_not_share_a_folder(study: Path, tmp_path: Path) -> None:
    import fcntl

    folder = Path(shutil.copytree(study, tmp_path / "run"))
    with open(folder / "run.log", "a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="in use by another run"):
            run.resume(folder, "10s")
    assert run.resume(folder, "10s").result


def test_a_disk_that_fills_in_the_middle_blames_no_recipe(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    from shrinkage.engine import task

    calls, real = [], task.save_file

    def full(*arguments: object, **named: object) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        real(*arguments, **named)  # pyright: ignore

    with monkeypatch.context() as patch:
        patch.setattr(task, "save_file", full)
        with pytest.raises(Unwritable, match="disk is full"):
            tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny)
    assert {trial.status for trial in run.trials_of(tmp_path / "run")} <= {
        "running", "finished", "dropped"}  # fmt: skip
    assert scores_of(run.resume(tmp_path / "run").result) == scores_of(run.opened(study).result)


def test_no_plan_is_made_of_no_time(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    """It would be one epoch for good, whatever time a later session has."""
    monkeypatch.setattr(run, "seconds", lambda _: 0.001)
    monkeypatch.setattr("shrinkage.search.study._GRACE_FOR_FIRST_S", 0.0)
    with pytest.raises(BadInput, match=r"took all of 0.001 s: .* --budget"):
        tiny_fit(mixed(60), "y", tmp_path / "run", tiny, trials=2)
    monkeypatch.undo()
    found = run.resume(tmp_path / "run", "5m").result
    assert found["n_trials_finished"] == 2
    assert "epochs = 9" in run.trials_of(tmp_path / "run")[0].recipe


def test_a_study_that_had_little_time_says_what_a_new_one_would_have(
    tiny: Path, tmp_path: Path
) -> None:
    long = tmp_path / "long.toml"
    long.write_text(tiny.read_text().replace("epochs = 9", "epochs = 100000"))
    folder = tiny_fit(mixed(60), "y", tmp_path / "run", long, trials=2, budget="10s")
    notes = run.opened(folder).result["notes"]
    assert not any("a new fit" in note for note in notes)
    for _ in range(2):
        notes = run.resume(folder, "1h").result["notes"]
    (said,) = (note for note in notes if "a new fit" in note)
    assert said.startswith("Trial 0 has ")
    assert "of its 100,000 epochs" in said
    assert "with 3600 s a new fit would have" in said


def refuse(name: str) -> None:
    raise AssertionError(name)


def test_a_result_is_json_without_nan(study: Path) -> None:
    json.loads((study / "result.json").read_text(), parse_constant=refuse)


def test_one_test_row_tells_no_interval(tiny: Path, tmp_path: Path) -> None:
    table = mixed(60)
    table.iloc[:1].to_csv(tmp_path / "one.csv", index=False)
    asked = {"test": tmp_path / "one.csv", "trials": 2, "metric": "log_loss"}
    folder = tiny_fit(table, "y", tmp_path / "run", tiny, **asked)
    found = json.loads((folder / "result.json").read_text(), parse_constant=refuse)
    against = found["against_plain"]
    assert (against["standard_error"], against["interval"]) == (None, [None, None])
    assert (folder / "report.html").is_file()


def with_refit(**asked: object) -> Settings:
    return Settings(**{**asked, "refit": True})  # pyright: ignore


def test_a_refit_that_fails_costs_no_study(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    """The winner is trained on all rows at the end; without that, the folds' networks stand."""
    from shrinkage.engine import refit

    def fail(_: object) -> int:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(refit, "run", fail)
    monkeypatch.setattr(run, "Settings", with_refit)
    folder = tiny_fit(mixed(100), "y", tmp_path / "run", tiny, trials=2, cv="holdout")
    result = run.opened(folder).result
    assert result["scores"]["winner"]["test"]["accuracy"] > 0.5
    assert "training on all rows failed" in (folder / "run.log").read_text()


def test_a_study_goes_on_without_a_trial_whose_file_is_damaged(study: Path, tmp_path: Path) -> None:
    """As a power cut may leave it. What it said before says nothing in the report."""
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    path = folder / "work" / "trials" / "00001.safetensors"
    path.write_bytes(b"")
    with pytest.raises(BadInput, match=r"is damaged.*remove it and resume"):
        run.resume(folder, "10s")
    path.unlink()
    assert run.resume(folder, "10s").result["scores"]["plain"] is None
    assert "plain" in write(folder).read_text()


def test_a_damaged_refit_is_named(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run, "Settings", with_refit)
    folder = tiny_fit(mixed(100), "y", tmp_path / "run", tiny, trials=2, cv="holdout")
    found = sorted((folder / "work" / "refit").glob("*.safetensors"))
    assert found
    found[0].write_bytes(b"")
    with pytest.raises(BadInput, match="is damaged"):
        run.resume(folder, "10s")


def test_a_finished_study_that_was_killed_on_its_second_way_goes_on(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """It does not come back with what its first session found."""
    monkeypatch.setattr(run, "Settings", lambda **own: Settings(**{**own, "trials": None}))
    asked = {"trials": 4, "cv": "2", "budget": "12s", "single": True}
    tiny_fit(mixed(60), "y", tmp_path / "run", tiny, **asked)
    with killed_after(3, monkeypatch):
        run.resume(tmp_path / "run", "10m")
    heard: list[str] = []
    again = run.resume(tmp_path / "run", watch=lambda progress: heard.append(progress.phase)).result
    assert "scoring" in heard, "what the second session found is in the result"
    heard.clear()
    assert run.resume(tmp_path / "run").result == again
    run.resume(tmp_path / "run", watch=lambda progress: heard.append(progress.phase))
    assert not heard


def test_a_study_of_a_device_that_is_gone_is_not_gone_on_with(
    study: Path, tmp_path: Path, monkeypatch
) -> None:
    shutil.copytree(study, tmp_path / "run")
    before = rungs_of(tmp_path / "run")

    def gone(name: str) -> str:
        raise BadInput(f"--device {name}: not there")

    monkeypatch.setattr(session, "device_for", gone)
    with pytest.raises(BadInput, match="was begun on cpu, which is not here") as caught:
        run.resume(tmp_path / "run", "5m")
    assert "fit again with --device cpu" in str(caught.value)
    assert rungs_of(tmp_path / "run") == before
