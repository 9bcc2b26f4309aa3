"""Several machines on one study: none repeats, loses or doubles what another did."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import postgres
from conftest import mixed, tiny_fit
from postgres import ask
from search.kills import killed_after
from search.test_resume import rungs_of, scores_of
from shrinkage import run
from shrinkage.data.source import Table
from shrinkage.data.together import Together
from shrinkage.engine import task
from shrinkage.errors import BadInput
from shrinkage.search import baseline, cutting, rows, shared
from shrinkage.search.contest import PLAIN, finalists
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings
from shrinkage.store.claims import Claims
from shrinkage.store.database import at_url
from shrinkage.store.tables import Store


def table(study: Path) -> str:
    return str(study.parent / "table.csv")


def begun_and_killed(url: str, study: Path, tiny: Path, out: Path, commits: int, patch) -> None:
    """The fixture's study, by a machine that vanishes: its claims stay until they run out."""
    patch.setattr(Claims, "held", lambda self: nullcontext())
    with killed_after(commits, patch):
        tiny_fit(table(study), "y", out, tiny, store=url, study="s")
    patch.undo()
    ask(url, "update claim set until = until - 1000")


@pytest.mark.parametrize("commits", [0, 1, 4, 7])
def test_what_a_killed_machine_left_is_brought_to_its_end(
    commits: int, url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """The other trains again what has no checkpoint here, and comes to what one alone finds."""
    begun_and_killed(url, study, tiny, tmp_path / "a", commits, monkeypatch)
    before = rungs_of(tmp_path / "a")
    folder = tiny_fit(table(study), "y", tmp_path / "b", tiny, store=url, study="s")
    result, after = run.opened(folder).result, rungs_of(folder)
    for number, (_, _, rungs) in before.items():
        assert after[number][2][: len(rungs)] == rungs
    assert after == rungs_of(study)
    assert scores_of(result) == scores_of(run.opened(study).result)
    own = sum(trial.client == result["shared"]["client"] for trial in run.trials_of(folder))
    assert result["shared"]["clients"] == 2
    assert result["shared"]["n_trials_own"] == own
    assert (own == 6) == (commits < 3), "trial 0 is finished by three commits"


def test_who_comes_last_trains_nothing_and_finds_the_same(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    first = tiny_fit(table(study), "y", tmp_path / "a", tiny, store=url, study="s")
    trained, refitted = [], []
    monkeypatch.setattr(task, "run", trained.append)
    monkeypatch.setattr(baseline, "run", refitted.append)
    last = tiny_fit(Table(mixed(), "a frame"), "y", tmp_path / "b", tiny, store=url, study="s")
    assert trained == refitted == []
    theirs, ours = run.opened(first).result, run.opened(last).result
    assert theirs["scores"] == ours["scores"]
    assert theirs["winner"] == ours["winner"]
    assert (theirs["shared"]["n_trials_own"], ours["shared"]["n_trials_own"]) == (6, 0)
    np.testing.assert_array_equal(
        run.opened(first).model.predict_proba(mixed(20)),
        run.opened(last).model.predict_proba(mixed(20)),
    )


def test_a_folder_goes_on_with_its_study_and_its_checkpoints(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    begun_and_killed(url, study, tiny, tmp_path / "a", 4, monkeypatch)
    assert run.trials_of(tmp_path / "a")
    result = run.resume(tmp_path / "a").result
    assert rungs_of(tmp_path / "a") == rungs_of(study)
    assert scores_of(result) == scores_of(run.opened(study).result)
    assert result["shared"]["clients"] == 1
    again = run.resume(tmp_path / "a").result
    assert again == result


def test_files_of_other_machines_are_what_the_database_says(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """A trial's score is that of its predictions, wherever it was trained."""
    begun_and_killed(url, study, tiny, tmp_path / "a", 4, monkeypatch)
    folder = Folder(tiny_fit(table(study), "y", tmp_path / "b", tiny, store=url, study="s"))
    cut = rows.load(folder.work)
    store = shared.opened(folder)
    found = finalists(store, folder, cut)
    store.close()
    finished = [t for t in run.trials_of(folder.root) if t.status == "finished"]
    assert {trial.client for trial in finished} == {t.trial.client for t in found.values()}
    assert len({trial.client for trial in finished}) == 2
    target = cut.target(cut.train)
    for trial in finished:
        hits = [
            np.mean(part.argmax(1) == target[fold.validation])
            for fold, part in zip(cut.folds, found[trial.number].parts, strict=True)
        ]
        assert np.mean(hits) == pytest.approx(trial.score, abs=1e-6)


def test_a_machine_without_time_has_the_references_of_the_others(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    tiny_fit(table(study), "y", tmp_path / "a", tiny, store=url, study="s")
    folder = Folder(tiny_fit(table(study), "y", tmp_path / "b", tiny, store=url, study="s"))
    for path in folder.trials.iterdir():
        path.unlink()
    fetched: set[int] = set()
    with shared.opened(folder) as store:
        others = {trial.number for trial in store.trials() if trial.status == "finished"}
        monkeypatch.setattr(shared, "REFERENCES", frozenset({"default"}))
        shared.fetch(store, folder, fetched, until=0.0)
        assert fetched == {0}
        assert [path.stem for path in folder.trials.iterdir()] == ["00000"]
        shared.fetch(store, folder, fetched)
    assert fetched == others > {0}


def test_a_machine_that_was_too_slow_writes_nothing(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """Its claim ran out while it trained, and another took the cohort and finished the rung."""
    real, taken = task.run, []

    def slowly(work: task.Task) -> task.RungResult:
        found = real(work)
        if 0 in work.alive and not taken:
            taken.append(work)
            ask(url, "update claim set owner = 'quick' where what = 'cohort 0'")
        elif taken and len(taken) < 2 and 1 in work.alive:
            taken.append(work)
            ask(url, "delete from claim where owner = 'quick'")
        return found

    monkeypatch.setattr(task, "run", slowly)
    folder = tiny_fit(table(study), "y", tmp_path / "a", tiny, store=url, study="s")
    assert "cohort 0 was taken over by another machine" in (folder / "run.log").read_text()
    assert rungs_of(folder)[0][2] == rungs_of(study)[0][2]
    assert not list(Folder(folder).work.glob("cohort-*"))
    assert {status for _, status, _ in rungs_of(folder).values()} <= {"finished", "dropped"}


def test_a_cohort_that_this_machine_has_no_time_for_is_anothers(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    """At once, and it does not take it up again itself."""
    real, halted = task.run, []

    def run_out(work: task.Task) -> task.RungResult:
        if min(work.alive) > PLAIN and work.before is None and len(halted) < 9:
            halted.append(work.alive)
            work = replace(work, deadline=float("-inf"))
            ask(url, "update study set changes = changes + 1")  # there is news to look at
        return real(work)

    with monkeypatch.context() as patch:
        patch.setattr(task, "run", run_out)
        patch.setattr("shrinkage.search.known._EVERY_S", 0.0)
        patch.setattr(Claims, "held", lambda self: nullcontext())
        patch.setattr("shrinkage.search.study.Study._others_at_work", lambda self: False)
        tiny_fit(table(study), "y", tmp_path / "a", tiny, store=url, study="s")
    assert halted
    assert len(halted) == len(set(halted))
    assert ask(url, "select what from claim") == []
    folder = tiny_fit(table(study), "y", tmp_path / "b", tiny, store=url, study="s")
    assert rungs_of(folder) == rungs_of(study)


# -- joining -------------------------------------------------------------------------------


ASKED = Settings("t.csv", "y", "classification", "accuracy", 300.0, recipe="a\nb", space="c\nd")
DIFFERENT = [
    ("target", "z", "--target y there, z here"),
    ("task", "regression", "--task classification there"),
    ("metric", "f1", "--metric accuracy there, f1 here"),
    ("test", 0.3, "--test 0.2 there, 0.3 here"),
    ("test", "test.csv", "--test 0.2 there, a file here"),
    ("cv", "5", "--cv auto there, 5 here"),
    ("recipe", "a\nB", "--recipe (text"),
    ("space", "c\nD", "--space (text"),
    ("seed", 1, "--seed 0 there, 1 here"),
    ("trials", 9, "--trials None there, 9 here"),
    ("precision", "bfloat16", "--precision auto there"),
    ("keep", ("id",), "--keep [] there, ['id'] here"),
    ("keep_all", True, "keep_all False there"),
    ("start_from", "run", "--start-from random weights there, a model here"),
]


def founded(settings: Settings, digest: str = "0"):
    from shrinkage.store.schema import StudyRow

    return StudyRow(name="s", settings=settings.to_json(), rows=digest)


@pytest.mark.parametrize(("setting", "value", "words"), DIFFERENT)
def test_what_differs_is_named(setting: str, value: object, words: str) -> None:
    other = replace(ASKED, **{setting: value})  # pyright: ignore
    with pytest.raises(BadInput) as caught:
        shared.check_same(founded(ASKED), other.to_json(), "0")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_an_earlier_version_kept_no_columns() -> None:
    row = founded(ASKED)
    row.settings = {name: value for name, value in row.settings.items() if name != "keep"}
    shared.check_same(row, ASKED.to_json(), "0")


def test_what_is_each_machines_own_may_differ() -> None:
    own = {"source": "u.csv", "budget_s": 9.0, "workers": 7, "device": "cuda", "prior": ("p",)}
    own |= {"first_look": True, "by": ("a",), "search": "gp"}
    other = replace(ASKED, **own, refit=False, ensemble=False)  # pyright: ignore
    shared.check_same(founded(ASKED), other.to_json(), "0")
    elsewhere = replace(ASKED, test="a/t.csv"), replace(ASKED, test="b/t.csv")
    shared.check_same(founded(elsewhere[0]), elsewhere[1].to_json(), "0")
    fields = set(ASKED.to_json())
    assert fields == set(shared.OPTIONS) | {*own, "refit", "ensemble"}, "a new setting: whose?"


def test_the_hash_is_of_the_rows_and_not_of_the_file(tmp_path: Path) -> None:
    frame = mixed(80)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame["when"] = frame["when"].dt.strftime("%Y-%m-%d")

    def digest(data: object, **more: object) -> str:
        found = run.read(data) if isinstance(data, Path) else Table(data, "t")  # pyright: ignore
        return shared.digest_of(cutting.cut(found, replace(ASKED, **more)))  # pyright: ignore

    same = digest(tmp_path / "t.csv")
    assert digest(frame) == same
    changed = frame.copy()
    changed.loc[3, "a"] += 1
    others = [changed, frame[::-1], frame.iloc[:-1], frame.rename(columns={"a": "A"})]
    found = [digest(other) for other in others] + [digest(frame, seed=1), digest(frame, cv="5")]
    cut = cutting.cut(Table(frame, "t"), ASKED)
    found.append(shared.digest_of(replace(cut, coded=("a",))))
    clusters = np.arange(len(cut.train)) // 2
    each = [Together("a", clusters, test) for test in (None, np.arange(len(cut.test)))]
    found += [shared.digest_of(replace(cut, together=together)) for together in each]
    assert len({same, *found}) == 10


def test_another_table_is_refused_and_leaves_nothing(
    url: str, study: Path, tiny: Path, tmp_path: Path
) -> None:
    tiny_fit(table(study), "y", tmp_path / "a", tiny, store=url, study="s", trials=2)
    for data, more in ((mixed(119), {}), (mixed(), {"seed": 3})):
        with pytest.raises(BadInput, match="'s' was begun with"):
            tiny_fit(data, "y", tmp_path / "b", tiny, store=url, study="s", trials=2, **more)
        assert not (tmp_path / "b").exists()
    store = Store(at_url(url), "s")
    assert len(store.clients()) == 1
    store.close()
    other = tiny_fit(mixed(119), "y", tmp_path / "b", tiny, store=url, study="t", trials=2)
    assert run.opened(other).result["shared"]["clients"] == 1


def test_a_folder_keeps_where_its_study_is_and_no_password(
    server: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    secret = "open-sesame"
    name = postgres.database(server).partition("/@")[0].rpartition("@/")[2].partition("?")[0]
    postgres.guard(server, secret)
    given = postgres.url(server, name, "guarded", secret)
    folder = tiny_fit(table(study), "y", tmp_path / "a", tiny, store=given, study="s", trials=2)
    link = json.loads((folder / "store.json").read_text())
    assert link["store"] == postgres.url(server, name, "guarded").replace("/pg", "%2Fpg").replace(
        "host=/tmp", "host=%2Ftmp")  # fmt: skip
    for path in [*folder.rglob("*"), *tmp_path.rglob("*")]:
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    with pytest.raises(BadInput, match="PGPASSWORD") as caught:
        run.resume(folder, "10s")
    assert secret not in str(caught.value)
    assert run.resume(folder, "10s", store=given).result["n_trials"] == 2
    monkeypatch.setenv("PGPASSWORD", secret)
    assert len(run.trials_of(folder)) == 2


def test_a_machine_waits_for_what_another_works_on_until_its_claim_runs_out(
    url: str, study: Path, tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    begun_and_killed(url, study, tiny, tmp_path / "a", 1, monkeypatch)
    ask(url, "update claim set until = until + 5000")
    waits: list[float] = []

    def waited(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            ask(url, "update claim set until = 0 where what = 'cohort 0'")

    monkeypatch.setattr("shrinkage.search.known._EVERY_S", 0.0)
    # Of the study alone: a process that is waited for elsewhere (engine.local) needs its time.
    its = SimpleNamespace(**{**vars(time), "sleep": waited})
    monkeypatch.setattr("shrinkage.search.study.time", its)
    folder = tiny_fit(table(study), "y", tmp_path / "b", tiny, store=url, study="s")
    assert len(waits) == 3
    # What one alone tries after trial 0 it has tried before.
    found = rungs_of(folder)
    assert set(found) == set(rungs_of(study))
    assert found[0] == rungs_of(study)[0]
