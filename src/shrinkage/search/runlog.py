"""run.log while a session lasts: it hears all that is logged, and who holds it holds the study."""

from __future__ import annotations

import fcntl
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import TextIO, cast

from shrinkage.errors import BadInput
from shrinkage.files import unwritable
from shrinkage.search import journal

log = logging.getLogger("shrinkage")


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Everything that this thread logs goes there as well. Raises BadInput where it is in use."""
    try:
        handler = _Log(path, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        _lock(cast(TextIO, handler.stream), path)
    except BaseException:
        handler.close()
        raise
    handler.setFormatter(journal.FORMATTER)
    # Another thread of this process may have a study of its own; helpers of any belong to none.
    handler.addFilter(lambda _: _STUDY.get() in (None, path))
    token = _STUDY.set(path)
    with _ATTACHING:
        if not _Log.attached():
            _Log.before = log.level
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    except BadInput as error:
        log.error("%s", error)
        raise
    finally:
        _STUDY.reset(token)
        with _ATTACHING:
            log.removeHandler(handler)
            if not _Log.attached():
                log.setLevel(_Log.before)
        with suppress(OSError):  # what a full disk does not take is told of by what is lost with it
            handler.close()


_STUDY: ContextVar[Path | None] = ContextVar("study", default=None)
"""The log of the study that this thread works on."""
_ATTACHING = Lock()


class _Log(logging.FileHandler):
    """A disk that is full costs lines of the log: no traceback each, and not the run.

    before: the logger's level when no study was logged.
    """

    before = logging.NOTSET

    @classmethod
    def attached(cls) -> bool:
        return any(isinstance(handler, cls) for handler in log.handlers)

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


def _lock(log: TextIO, path: Path) -> None:
    """Raises BadInput where another run has it. Who asks whether one has it holds it briefly."""
    for wait in (0.1, 0.2, 0.4, None):
        try:
            return fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise in_use(path) from None
            time.sleep(wait)
        except OSError as error:  # a file system without locks
            raise unwritable(path, error) from None


def in_use(path: Path) -> BadInput:
    return BadInput(f"{path.parent} is in use by another run; wait until it ends")
