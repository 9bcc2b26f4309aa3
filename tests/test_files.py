"""Files are replaced whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from shrinkage.errors import BadInput
from shrinkage.files import replacing, unwritable, write_text


def test_a_write_replaces_the_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    write_text(path, "old, and longer")
    write_text(path, "new é")
    assert path.read_text("utf-8") == "new é"
    assert list(tmp_path.iterdir()) == [path]


class Interruption(Exception):
    pass


ERRORS = [
    (OSError(errno.ENOSPC, "no space"), BadInput, "disk is full"),
    (OSError(errno.EDQUOT, "quota"), BadInput, "quota is used up"),
    (PermissionError(errno.EACCES, "denied"), BadInput, "no permission"),
    (OSError(errno.EROFS, "read only"), BadInput, "read-only"),
    (OSError(errno.EIO, "input/output error"), BadInput, "input/output error"),
    (Interruption("stopped"), Interruption, "stopped"),
]


@pytest.mark.parametrize(("error", "kind", "words"), ERRORS, ids=lambda x: str(x))
def test_a_write_that_fails_leaves_everything_as_it_was(
    error: Exception, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    write_text(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(kind, match=words):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "a.toml"
    with pytest.raises(BadInput, match=r"nowhere/a\.toml"):
        write_text(path, "text")


@pytest.mark.parametrize("path", [".", "/", "file/x.csv"])
def test_a_path_that_is_no_file_is_named(path: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("a file, no folder")
    with pytest.raises(BadInput, match="cannot write"):
        write_text(Path(path), "text")


def test_the_reason_names_the_file_and_the_way_out() -> None:
    message = str(unwritable(Path("model/x"), OSError(errno.ENOSPC, "")))
    assert "model/x" in message
    assert "--out" in message
