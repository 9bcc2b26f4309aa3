"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever it stands. Where that is a callback of the interpreter's
own, such as one that runs while a module is imported, it is printed and forgotten, and the program
goes on. So whoever listens here also notes that it was asked to end, and long loops look.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

_asked = False
_hook: CodeType | None = None
"""What Python calls about an exception that it ignores: what is raised there, it prints."""


@contextmanager
def listening() -> Iterator[None]:
    """SIGINT and SIGTERM, by which a batch system ends a job, are noted and raised.

    In the main thread only. A signal that this process was told to ignore stays ignored. What was
    raised in a callback is not printed either: it is not lost.
    """
    global _hook
    printed, before = sys.unraisablehook, {}

    def unraisable(what: sys.UnraisableHookArgs) -> None:
        if not (_asked and issubclass(what.exc_type, KeyboardInterrupt)):
            printed(what)

    sys.unraisablehook, _hook = unraisable, unraisable.__code__
    for each in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(each) is not signal.SIG_IGN:
            before[each] = signal.signal(each, _noted)
    try:
        yield
    finally:
        sys.unraisablehook = printed
        for each, handler in before.items():
            signal.signal(each, handler)
        heard()


def check() -> None:
    """Raises KeyboardInterrupt where one was noted that nobody has heard."""
    if _asked:
        raise KeyboardInterrupt


def heard() -> None:
    """Whoever catches one and goes on says so."""
    global _asked
    _asked = False


def _noted(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    if frame is None or frame.f_code is not _hook:
        raise KeyboardInterrupt
