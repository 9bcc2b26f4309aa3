"""Studies are listed as they are: finished, stopped, running, damaged; names are not markup."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from shrinkage import run
from shrinkage.cli import terminal
from shrinkage.errors import BadInput
from shrinkage.search.folder import Folder
from shrinkage.search.listing import studies
from shrinkage.store.tables import Store


@pytest.fixture
def several(study: Path, tmp_path: Path) -> Path:
    for name in ("a", "deep/er/b", "c[red]", "d", "too/deep/to/look"):
        shutil.copytree(study, tmp_path / name)
    store = Store(tmp_path / "deep/er/b/study.db")
    store.spend(12.0, finished=False)
    store.close()
    (tmp_path / "deep/er/b/result.json").unlink()
    (tmp_path / "d" / "study.db").write_text("no database")
    return tmp_path


def test_all_are_listed_and_a_damaged_one_hides_none(several: Path, study: Path) -> None:
    found = {str(each.folder.relative_to(several)): each for each in studies(several)}
    assert list(found) == ["a", "c[red]", "d", "deep/er/b"]
    whole = run.opened(study).result
    first = found["a"]
    assert (first.status, first.trials) == ("finished", whole["n_trials"])
    assert first.finished == whole["n_trials_finished"]
    assert first.score == whole["scores"]["winner"]["validation"]["accuracy"]
    assert (first.target, first.metric) == ("y", "accuracy")
    assert found["deep/er/b"].status == "stopped"
    assert found["deep/er/b"].score is None
    assert found["deep/er/b"].spent_s == 12.0
    assert found["d"].status == "damaged"
    assert "not a study's database" in found["d"].reason
    assert [each.folder for each in studies(several / "a")] == [several / "a"]


def test_a_study_in_use_is_running(several: Path) -> None:
    folder = Folder(several / "deep/er/b")
    with folder.log.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert studies(folder.root)[0].status == "running"
    assert studies(folder.root)[0].status == "stopped"


def test_who_asks_for_a_result_too_early_hears_whether_one_will_come(
    several: Path, command
) -> None:
    folder = Folder(several / "deep/er/b")
    for asked in ("show", "report"):
        with folder.log.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            done = command(asked, folder.root)
            assert "run goes on; follow it with" in done.out + done.err
        done = command(asked, folder.root)
        assert "run did not end; go on with" in done.out + done.err


def test_the_command(several: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(several)
    monkeypatch.setattr(terminal.console, "_width", 80)
    done = command("studies")
    assert done.code == 0
    for text in ("c[red]", "deep/er/b", "stopped", "finished", "resume", "not a study's"):
        assert text in done.out
    listed = json.loads(command("studies", ".", "--json").out)
    assert [each["status"] for each in listed] == ["finished", "finished", "damaged", "stopped"]
    (several / "empty").mkdir()
    assert "no study" in command("studies", "empty").out
    assert command("studies", "nowhere").code == 2


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a folder"):
        studies(tmp_path / "none")
