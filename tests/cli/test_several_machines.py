"""Two commands on one study through a real server, and what can be wrong with a server."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import postgres
from conftest import mixed, tiny_fit
from postgres import ask
from shrinkage import run
from shrinkage.dashboard.state import Reader
from shrinkage.search.folder import Folder
from shrinkage.search.halving import RUNGS

from .processes import group, kill, leftovers, start, wait_for
from .test_interrupts import recomputed

TRIALS = 14


def client_of(out: Path) -> str:
    return json.loads((out / "store.json").read_text())["client"]


def test_of_two_processes_one_is_killed_and_the_other_finishes(
    url: str, tiny: Path, tmp_path: Path
) -> None:
    frame = mixed(400)
    frame.to_csv(tmp_path / "t.csv", index=False)
    # So that there is a middle to be killed in.
    slow = tmp_path / "slow.toml"
    slow.write_text(tiny.read_text().replace("epochs = 9", "epochs = 300"))
    asked = ["fit", tmp_path / "t.csv", "--target", "y", "--budget", "5m", "--cv", 3, "--workers"]
    asked += [0, "--recipe", slow, "--trials", TRIALS, "--store", url, "--study", "s", "--out"]
    one, other = tmp_path / "one", tmp_path / "other"
    killed = start(*asked, one)
    # It has begun the study, so it is never too late to have a part in it.
    assert wait_for((one / "store.json").is_file, 90), killed.poll()
    left = start(*asked, other)
    held = (
        "select count(*) from claim join rung on rung.study = claim.study join trial on "
        "trial.study = rung.study and trial.number = rung.trial and claim.what = 'cohort ' || "
        "trial.cohort where status = 'running' and trial.client = claim.owner and owner = "
    )

    def in_the_middle() -> bool:
        """It has finished a rung of a cohort, and trains the next."""
        return ask(url, f"{held}'{client_of(one)}'")[0][0] > 0

    assert wait_for(in_the_middle, 90), (killed.poll(), left.poll())
    kill(killed, whole_group=True)
    before = set(ask(url, "select trial, rung, step, score, seconds from rung"))
    scored = set(ask(url, "select name, seconds from baseline"))
    # Its claims run out half a minute later: the test does not wait for it.
    ask(url, f"update claim set until = 0 where owner = '{client_of(one)}'")
    out, err = left.communicate(timeout=300)
    assert (left.returncode, err) == (0, ""), err

    rungs = ask(url, "select trial, rung, step, score, seconds from rung")
    assert set(rungs) >= before, "a rung that was recorded is there as it was"
    assert len({row[:2] for row in rungs}) == len(rungs)
    trials = ask(url, "select number, status, hash from trial order by number")
    assert [number for number, _, _ in trials] == list(range(TRIALS))
    assert len({hash_ for _, _, hash_ in trials}) == TRIALS
    for number, status, _ in trials:
        mine = sorted(row[1] for row in rungs if row[0] == number)
        assert mine == list(range(len(mine)))
        assert status in ("finished", "dropped", "diverged")
        assert status != "finished" or len(mine) == len(RUNGS)
    assert set(ask(url, "select name, seconds from baseline")) >= scored
    assert ask(url, "select count(*) from claim") == [(0,)]

    result = json.loads((other / "result.json").read_text())
    assert (result["n_trials"], result["shared"]["clients"]) == (TRIALS, 2)
    owners = [name for (name,) in ask(url, "select client from trial")]
    assert result["shared"]["n_trials_own"] == owners.count(client_of(other))
    assert result["scores"]["winner"]["test"]["accuracy"] == recomputed(other, frame)
    assert all(result["scores"][name] for name in ("plain", "default", "linear"))
    assert not leftovers(other)
    assert "of 2 machines" in out
    assert not group(left.pid)


# -- what can be wrong ---------------------------------------------------------------------


def there(server: str, database: str = "postgres", user: str = "tests") -> str:
    return postgres.url(server, database, user, "s3cret")


WRONG = [
    (lambda server: "nonsense", ("--store", "postgresql://")),
    (lambda server: "mysql://u:s3cret@h/d", ("mysql", "postgresql://")),
    (lambda server: there(server, "nowhere"), ("nowhere", "does not exist", "createdb")),
    (lambda server: there(server, user="nobody"), ("nobody", "user")),
    (lambda server: there(server, user="guarded"), ("password", "PGPASSWORD")),
    (lambda server: there(f"{server}/gone"), ("gone", "server runs")),
    (lambda server: "postgresql://u:s3cret@127.0.0.1:1/d", ("127.0.0.1", "server runs")),
]


@pytest.fixture
def guarded(server: str) -> str:
    postgres.guard(server, "another")
    return server


@pytest.mark.parametrize(("given", "expects"), WRONG, ids=[words[0] for _, words in WRONG])
@pytest.mark.parametrize("verb", ["fit", "studies"])
def test_a_server_of_no_use_is_named(
    verb: str, given, expects: tuple, guarded: str, tmp_path: Path, command, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mixed(60).to_csv("t.csv", index=False)
    url = given(guarded)
    fit = ("fit", "t.csv", "--target", "y", "--out", "run", "--study", "s", "--store", url)
    asked = fit if verb == "fit" else ("studies", url if "://" in url else "x://y")
    done = command(*asked)
    assert done.code == 2, done.err
    assert 1 <= len(done.err.splitlines()) <= 3, done.err
    if verb == "fit" or "://" in url:
        assert all(words in done.err for words in expects), done.err
    assert "s3cret" not in done.out + done.err
    assert os.listdir(tmp_path) == ["t.csv"]


HALF = [
    (("--store", "postgresql://h/d"), "--study NAME"),
    (("--store", "postgresql://h/d", "--study", ""), "--study NAME"),
    (("--store", "postgresql://h/d", "--study", "a\nb"), "--study NAME"),
    (("--study", "s"), "--store URL"),
]


@pytest.mark.parametrize(("options", "words"), HALF)
def test_half_of_what_is_needed(options: tuple, words: str, tmp_path: Path, command) -> None:
    mixed(60).to_csv(tmp_path / "t.csv", index=False)
    done = command("fit", tmp_path / "t.csv", "--target", "y", "--out", tmp_path / "run", *options)
    assert (done.code, words in done.err) == (2, True), done.err
    assert not (tmp_path / "run").exists()


def test_a_missing_driver_says_what_to_install(tmp_path: Path, command, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = command("studies", "postgresql://h/d")
    assert done.code == 2
    assert "pip install -e '.[postgres]'" in done.err


LINKS = [
    ("{", "damaged"),
    ('{"store": "postgresql://h/d"}', "damaged"),
    ('{"store": "nonsense", "study": "s", "client": "c"}', "postgresql://"),
]


@pytest.mark.parametrize(("link", "words"), LINKS)
def test_a_damaged_link_is_named(link: str, words: str, tmp_path: Path, command) -> None:
    (tmp_path / "store.json").write_text(link)
    for verb in ("resume", "show"):
        done = command(verb, tmp_path)
        assert (done.code, words in done.err) == (2, True), done.err
    listed = json.loads(command("studies", tmp_path, "--json").out)
    assert [each["status"] for each in listed] == ["damaged"]


def test_a_study_whose_server_does_not_answer_is_not_called_damaged(
    tmp_path: Path, command
) -> None:
    link = {"store": "postgresql://me@127.0.0.1:1/db", "study": "s", "client": "c"}
    (tmp_path / "store.json").write_text(json.dumps(link))
    (found,) = json.loads(command("studies", tmp_path, "--json").out)
    assert (found["status"], "cannot be used" in found["reason"]) == ("unreachable", True)


def test_a_server_other_than_the_folders_is_refused(study: Path, tmp_path: Path, command) -> None:
    folder = shutil.copytree(study, tmp_path / "run")
    done = command("resume", folder, "--store", "postgresql://h/d")
    assert (done.code, "leave out --store" in done.err) == (2, True)
    link = {"store": "postgresql://h/d", "study": "s", "client": "c"}
    (folder / "store.json").write_text(json.dumps(link))
    for verb in ("resume", "show", "report"):
        done = command(verb, folder, "--store", "postgresql://u:s3cret@h/e")
        assert (done.code, "h/d" in done.err, "s3cret" in done.err) == (2, True, False)
    heard: list[str | None] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shrinkage.run.write.try_to", lambda _, store=None: heard.append(store))
        patch.setattr("shrinkage.run.ablation.ablated", lambda *_: {})
        run.ablate(folder, store="postgresql://h/d")
        patch.setattr("shrinkage.search.shared.at_url", lambda url: heard.append(url) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Reader(Folder(folder), "postgresql://h/d?password=s3cret")._opened()
    assert heard == ["postgresql://h/d", "postgresql://h/d?password=s3cret"]


# -- lists ---------------------------------------------------------------------------------


def test_studies_on_a_server_are_listed(
    url: str, study: Path, tiny: Path, tmp_path: Path, command
) -> None:
    assert "no study" in command("studies", url).out
    source = str(study.parent / "table.csv")
    for name, out in (("s", "a"), ("s", "b"), ("t[red]", "c")):
        tiny_fit(source, "y", tmp_path / out, tiny, store=url, study=name, trials=2)
    same = "format, version, settings, rows, asked, changes"
    ask(url, f"insert into study (name, {same}) select 'new', {same} from study where name = 's'")
    ask(url, "update client set finished = false where study = 1")
    listed = json.loads(command("studies", url, "--json").out)
    new, first, second = listed
    assert [each["study"] for each in listed] == ["new", "s", "t[red]"]
    assert (first["trials"], first["finished"], first["clients"], first["alive"]) == (2, 2, 2, 2)
    assert (second["clients"], second["alive"]) == (1, 0)
    assert (new["trials"], new["score"], new["clients"]) == (0, None, 0)
    trials = ask(url, "select max(score) from rung where study = 1 and share = 1")
    assert first["score"] == trials[0][0]
    assert (first["task"], first["metric"]) == ("classification", "accuracy")
    assert 0 <= first["ago_s"] < 60
    done = command("studies", url)
    for words in ("t[red]", "2/2", "accuracy", "s ago", "table.csv"):
        assert words in done.out, done.out
    folders = json.loads(command("studies", tmp_path, "--json").out)
    assert [(each["trials"], each["status"]) for each in folders] == [
        (2, "stopped"), (2, "stopped"), (2, "finished")]  # fmt: skip
    assert np.isfinite(folders[0]["score"])
