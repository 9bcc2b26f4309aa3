"""Who leads is found out once, and again where a trial has come further."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shrinkage.search import ensemble, rows
from shrinkage.search.contest import leading
from shrinkage.search.folder import Folder
from shrinkage.search.standing import standing
from shrinkage.store.tables import Store


def test_it_is_found_out_once_where_nothing_changed(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    of_trials = ensemble.of_trials

    def counted(found: dict, *more):
        asked.append({*found})
        return of_trials(found, *more)

    monkeypatch.setattr(ensemble, "of_trials", counted)
    folder = Folder(study)
    store = Store(folder.database)
    every = store.trials()
    known = list(every[:2])
    its: Any = SimpleNamespace(
        store=SimpleNamespace(trials=lambda: known),
        folder=folder,
        rows=rows.load(folder.work),
        problem=SimpleNamespace(metric="accuracy"),
        settings=SimpleNamespace(ensemble=True, seed=0),
        standing=None,
    )
    first = standing(its)
    assert first is not None
    assert standing(its) is first
    path = folder.trial(1)
    content = path.read_bytes()
    path.unlink()  # it comes back later, as where another machine trained it
    alone = standing(its)
    assert alone is not None
    assert {*alone.found} == {0}
    path.write_bytes(content)
    third = standing(its)
    assert third is not None
    assert {*third.found} == {0, 1}
    asked.clear()
    known[:] = every
    second = standing(its)
    assert second is not None
    assert asked == [{*second.found}]
    assert second.lead == leading(second.found, its.rows, "accuracy")
    its.settings.ensemble, its.standing = False, None
    alone = standing(its)
    assert alone is not None
    assert (alone.blend.shares, len(asked)) == ({alone.lead: 1.0}, 1)


def test_nobody_stands_where_nothing_was_trained(study: Path) -> None:
    its: Any = SimpleNamespace(
        store=SimpleNamespace(trials=list),
        folder=Folder(study),
        rows=rows.load(Folder(study).work),
        problem=SimpleNamespace(metric="accuracy"),
        standing=None,
    )
    assert standing(its) is None
