"""Ctrl-C that something swallowed still ends what it should end."""

from __future__ import annotations

import os
import signal
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import mixed
from shrinkage import interrupts, run
from shrinkage.search.events import Progress


def swallowed(number: int) -> None:
    with suppress(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_swallowed_is_noted_until_it_is_heard(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with interrupts.listening():
        interrupts.check()
        swallowed(number)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        interrupts.heard()
        interrupts.check()
        swallowed(number)
    interrupts.check()
    assert signal.getsignal(number) is before


def test_what_a_callback_swallowed_is_noted_and_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python calls a weak reference's callback, as its imports do, and drops what it raises."""
    printed: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: printed.append(what.exc_type))

    def gone(raised: type[BaseException]) -> None:
        class Thing: ...

        def callback(_: object) -> None:
            if raised is KeyboardInterrupt:
                os.kill(os.getpid(), signal.SIGINT)
            raise raised

        thing = Thing()
        reference = weakref.ref(thing, callback)
        del thing
        assert reference() is None

    with interrupts.listening():
        gone(ValueError)
        gone(KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    gone(ValueError)
    assert printed == [ValueError, ValueError]


def test_a_second_one_while_the_first_is_kept_from_being_printed_is_noted() -> None:
    """Raised where Python calls that hook, it would be printed as one more that was ignored."""
    with interrupts.listening():
        there: Any = SimpleNamespace(f_code=sys.unraisablehook.__code__)  # pyright: ignore
        interrupts._noted(signal.SIGTERM, there)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        elsewhere: Any = SimpleNamespace(f_code=swallowed.__code__)
        with pytest.raises(KeyboardInterrupt):
            interrupts._noted(signal.SIGTERM, elsewhere)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interrupts.listening():
            os.kill(os.getpid(), signal.SIGTERM)
            interrupts.check()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_study_ends_by_an_interrupt_that_was_swallowed(tiny: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    def watch(progress: Progress) -> None:
        # The default and the plain network are there by then.
        if progress.tried > 3 and "sent" not in seen:
            seen.append("sent")
            swallowed(signal.SIGINT)

    asked = {"budget": "10m", "trials": 400, "workers": 0, "cv": "3", "recipe": tiny}
    with interrupts.listening():
        found = run.fit(mixed(), "y", out=tmp_path / "run", watch=watch, **asked)  # pyright: ignore
    assert seen == ["sent"]
    assert found.result["interrupted"]
    assert 3 < found.result["n_trials"] < 100
