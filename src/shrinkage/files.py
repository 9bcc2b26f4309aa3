"""Writing files so that a kill, a full disk or a second run never leaves half of one."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shrinkage.errors import Unwritable


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`; on success it is flushed to disk and takes its name.

    sync: wait until the disk has it, which a power cut could otherwise lose; a kill could not.

    On any error the temporary file is removed and `path` is as it was.
    Raises BadInput for a full disk, a folder that cannot be written, or a path without a name.
    """
    if not path.name:
        raise Unwritable(f"cannot write {path}: it is a folder; name a file in it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if sync:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except Exception as error:
        if isinstance(error, Unwritable) or (cause := system_error(error)) is None:
            raise
        raise unwritable(path, cause) from None
    finally:
        with suppress(OSError):  # of no folder there is nothing to remove
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace the file's content, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def finite(value: Any) -> Any:
    """The same without numbers that JSON does not know: NaN and infinities are null."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_object(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds; None where there is no such file, it is damaged or no object."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def system_error(error: BaseException) -> OSError | None:
    """The operating system's error, also where a library written in Rust words it itself."""
    if isinstance(error, OSError):
        return error
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else None


def unwritable(path: Path, error: OSError) -> Unwritable:
    """The reason why a file could not be written, and the way out."""
    reasons = {
        errno.ENOSPC: "the disk is full; free some space, or choose another --out",
        errno.EDQUOT: "the disk quota is used up; free some space, or choose another --out",
        errno.EACCES: "no permission to write there; choose another --out",
        errno.EROFS: "the file system is read-only; choose another --out",
    }
    return Unwritable(
        f"cannot write {path}: {reasons.get(error.errno or 0, error.strerror or error)}"
    )
