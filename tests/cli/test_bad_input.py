"""Whatever cannot be used ends with exit code 2, in at most three lines, and changes nothing."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from data.malformed import CASES as TABLES
from data.malformed import Malformed

from . import bad_inputs
from .bad_inputs import Bad, Place
from .bad_starts import STARTS

CASES = [*bad_inputs.CASES, *STARTS]


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder below, hidden ones too, with the file's hash; the log may grow."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
        if path.name != "run.log"
    }


@pytest.fixture
def place(tmp_path: Path, study: Path, regression: Path, monkeypatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, study, regression)


def check(code: int, out: str, err: str, expects: tuple[str, ...]) -> None:
    assert code == 2, err
    assert 1 <= len(err.splitlines()) <= 3, err
    assert "Traceback" not in err + out
    assert err.startswith("error: ")
    for words in expects:
        assert words in err, err


def test_there_are_enough_cases() -> None:
    assert len(CASES) + len(TABLES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)
    assert len(IN_A_PROCESS) == 4


@pytest.mark.parametrize("case", TABLES, ids=str)
def test_a_malformed_table_is_named(case: Malformed, place: Place, command) -> None:
    path = case.write(place.folder)
    before = contents(place.folder)
    done = command("fit", path, "--target", case.target, "--task", case.task)
    check(done.code, done.out, done.err, () if case.task == "clustering" else case.expects)
    assert contents(place.folder) == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_input_is_named(case: Bad, place: Place, command) -> None:
    (place.folder / "loss.toml").write_text("[loss.squared_error]\n")
    (place.folder / "huber.toml").write_text('[choose]\nloss = ["huber"]\n')
    arguments = case.prepare(place)
    before, study = contents(place.folder), contents(place.study)
    done = command(*arguments)
    check(done.code, done.out, done.err, case.expects)
    assert contents(place.folder) == before
    assert contents(place.study) == study


IN_A_PROCESS = [case for case in CASES if case.name in ("unknown option", "budget too short",
    "text in a number column", "weights.safetensors flipped at 50%")]  # fmt: skip


@pytest.mark.parametrize("case", IN_A_PROCESS, ids=str)
def test_bad_input_is_named_by_the_installed_command(case: Bad, place: Place) -> None:
    arguments = [str(a) for a in case.prepare(place)]
    before = contents(place.folder)
    program = [sys.executable, "-m", "shrinkage.cli.main"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    check(done.returncode, done.stdout, done.stderr, case.expects)
    assert contents(place.folder) == before
