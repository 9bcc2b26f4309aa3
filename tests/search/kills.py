"""Studies that are killed after a worker wrote its files and before the database knew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shrinkage.search.study import Study


class Killed(BaseException):
    """Ends the process as far as the study can tell."""


@contextmanager
def killed_after(commits: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The study begun within is killed at the commit after so many; gives the patch in force."""
    calls, real = [], Study._commit

    def commit(self: Study, *arguments: object) -> None:
        calls.append(1)
        if len(calls) > commits:
            raise Killed
        real(self, *arguments)  # pyright: ignore

    with monkeypatch.context() as patch:
        patch.setattr(Study, "_commit", commit)
        with pytest.raises(Killed):
            yield patch
