"""Studies that are killed after a worker wrote its files and before the database knew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shrinkage.search import outcome


class Killed(BaseException):
    """Ends the process as far as the study can tell."""


@contextmanager
def killed_after(commits: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The study begun within is killed at the commit after so many; gives the patch in force."""
    calls, real = [], outcome.commit

    def commit(*arguments: object) -> None:
        calls.append(1)
        if len(calls) > commits:
            raise Killed
        real(*arguments)  # pyright: ignore

    with monkeypatch.context() as patch:
        patch.setattr(outcome, "commit", commit)
        with pytest.raises(Killed):
            yield patch
