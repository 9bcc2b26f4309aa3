"""A full disk: a clear message, exit code 2, nothing half-written, what was there is intact."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .bad_inputs import ROWS
from .test_bad_input import contents


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def table(tmp_path: Path, study: Path) -> Path:
    return Path(shutil.copy(study.parent / "table.csv", tmp_path))


STARTS = ["shrinkage.files.os.fsync", "pandas.DataFrame.to_parquet", "numpy.savez"]


@pytest.mark.parametrize("call", STARTS)
@pytest.mark.parametrize("existed", [False, True])
def test_a_fit_that_cannot_begin_leaves_nothing(
    call: str, existed: bool, table: Path, tiny: Path, command, monkeypatch
) -> None:
    out = table.parent / "out"
    if existed:
        out.mkdir()
    before = contents(table.parent)
    monkeypatch.setattr(call, _full)
    done = command("fit", table, "--target", "y", "--out", out, "--recipe", tiny)
    assert done.code == 2
    assert "disk is full" in done.err
    assert len(done.err.splitlines()) <= 3
    assert contents(table.parent) == before


ENDS = ["shrinkage.store.artifact.save_file", "shrinkage.search.finish.write_text"]


@pytest.mark.parametrize("call", ENDS)
def test_a_study_that_cannot_be_written_keeps_the_old_result(
    call: str, study: Path, tmp_path: Path, command, monkeypatch
) -> None:
    run = Path(shutil.copytree(study, tmp_path / "run"))
    before = contents(run)
    broken = _full if "save_file" in call else _unwritable_text
    monkeypatch.setattr(call, broken)
    done = command("resume", run, "--budget", "10s")
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert "disk is full" in done.err
    after = contents(run)
    assert after["result.json"] == before["result.json"]
    assert set(after) == set(before)
    assert command("predict", run, _rows(tmp_path)).code == 0


def _unwritable_text(path: Path, _: str) -> None:
    from shrinkage.files import unwritable

    raise unwritable(path, OSError(errno.ENOSPC, ""))


def _rows(folder: Path) -> Path:
    (folder / "rows.csv").write_text(ROWS)
    return folder / "rows.csv"


def test_predictions_that_cannot_be_written_keep_the_old_file(
    study: Path, tmp_path: Path, command, monkeypatch
) -> None:
    rows, output = _rows(tmp_path), tmp_path / "p.csv"
    output.write_text("old")
    before = contents(tmp_path)
    monkeypatch.setattr("shrinkage.files.os.fsync", _full)
    done = command("predict", study, rows, "-o", output)
    assert done.code == 2
    assert "disk is full" in done.err
    assert contents(tmp_path) == before


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("filled", [0, 200_000, 299_000])
def test_a_disk_that_runs_full(filled: int, disk: Path, table: Path, tiny: Path, command) -> None:
    (disk / "mine").write_bytes(bytes(filled))
    done = command(
        *("fit", table, "--target", "y", "--out", disk / "run", "--recipe", tiny),
        *("--trials", 4, "--workers", 0, "--budget", "20s"),
    )
    assert done.code == 2, done.err
    assert "full" in done.err
    assert len(done.err.splitlines()) <= 3
    assert (disk / "mine").read_bytes() == bytes(filled)
    assert not list(disk.rglob(".*"))
