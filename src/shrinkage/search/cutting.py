"""The cut of a table: which columns networks read, the test part set aside, the folds drawn.

Rows are dealt at random, by class; whole clusters where rows belong together; or by time, where the
test part and the rows that validate are the latest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from shrinkage.data import codes, later, together
from shrinkage.data.cells import show
from shrinkage.data.groups import check_column, unread
from shrinkage.data.schema import FEWEST_ROWS, Schema, conform, infer, infer_like
from shrinkage.data.source import Table, read
from shrinkage.data.split import HOLDOUT_SHARE, Fold, inside, test_split
from shrinkage.data.together import Together, check_clusters, numbered
from shrinkage.errors import BadInput
from shrinkage.model import Model
from shrinkage.search.rows import Rows
from shrinkage.search.settings import Settings, folds_for
from shrinkage.wording import listed

_FEWEST = 6
"""With fewer rows there is nothing left to train on after two cuts."""


class _Part(NamedTuple):
    """The same rows twice: the columns that networks read, with the target, and the others."""

    seen: pd.DataFrame
    rest: pd.DataFrame

    def take(self, at: np.ndarray) -> _Part:
        return _Part(*(frame.iloc[at].reset_index(drop=True) for frame in self))

    def cells(self, column: str) -> pd.Series | None:
        """Of the column, wherever it is; None where it is nowhere."""
        return next((frame[column] for frame in self if column in frame), None)


def cut(table: Table, settings: Settings, origin: Model | None = None) -> Rows:
    """Read the columns, set the test part aside, draw the folds.

    Raises BadInput for data that cannot be used.
    """
    _check_asked(table, settings, origin)
    schema, frame = _columns(table, settings, origin)
    whole, notes = _Part(frame, unread(table, schema)), list(schema.notes)
    if isinstance(settings.test, str):
        given = read(settings.test)
        rows, more = conform(schema, given, need_target=True)
        notes += [f"{settings.test}: {note}" for note in more]
        train, test = (
            part.take(np.arange(len(part.seen)))
            for part in (whole, _Part(rows, unread(given, schema)))
        )
        clusters = _clusters(settings.together, train, test)
    else:
        every = _clusters(settings.together, whole)
        kept, aside = _set_aside(whole, schema, settings, settings.test, every)
        train, test = whole.take(kept), whole.take(aside)
        clusters = every and every.parted(kept, aside)
    if origin is None:  # what an earlier model has seen is that model's
        schema = schema.seen_in(train.seen)
    target = train.seen[schema.target]
    if schema.task == "classification" and target.nunique() < 2:
        raise BadInput(f"the training rows hold one class of '{schema.target}'; add rows")
    folds = _folds(train, schema, settings, clusters)
    notes += _notes(settings, schema, train, test, folds, clusters)
    found = Rows(
        schema,
        train.seen,
        test.seen,
        folds,
        notes=tuple(notes),
        origin=origin,
        unread=(train.rest, test.rest),
        together=clusters,
        time=settings.time,
    )
    if origin is None:
        own = clusters and clusters.train
        coded = codes.coded(train.seen, schema, found.target(train.seen), settings.seed, own)
        found = replace(found, coded=coded, notes=(*notes, *_coded_note(coded)))
    for column in settings.by:
        found.groups(column, table.name)
    return found


def _check_asked(table: Table, settings: Settings, origin: Model | None) -> None:
    """Raises BadInput for a column that was named, and is not there or cannot be meant."""
    names = [str(name) for name in table.frame.columns]
    single = [(together.OPTION, settings.together), (later.OPTION, settings.time)]
    single = [(option, column) for option, column in single if column]
    asked = [("--by", each) for each in settings.by] + [("--keep", each) for each in settings.keep]
    for option, column in asked + single:
        check_column(column, names, table.name, option)
    for option, column in single:
        if column == settings.target:
            raise BadInput(f"{option} {column}: this is the column to predict; name another")
        if origin is not None and column in origin.schema.used:
            raise BadInput(
                f"{option} {column}: the model to start from reads this column, and may know its "
                "values by heart.\nStart from one that does not, or from none."
            )
    if len(single) > 1:
        raise BadInput(
            f"{together.OPTION} and {later.OPTION}: rows are cut by the one or by the other; name "
            "one"
        )
    if settings.time:
        later.moments(settings.time, table.frame[settings.time])  # pyright: ignore
    if settings.time and settings.cv not in ("auto", "holdout"):
        raise BadInput(
            f"--cv {settings.cv}: with {later.OPTION} the latest rows validate, once; leave it out"
        )


def _columns(table: Table, settings: Settings, origin: Model | None) -> tuple[Schema, pd.DataFrame]:
    """What networks read: as the table has it, or an earlier model."""
    asked = table, settings.target, settings.task
    fewest = _FEWEST if settings.keep_all else FEWEST_ROWS
    if origin is not None:
        return infer_like(origin.schema, *asked, min_rows=fewest)
    keep = map(str, table.frame.columns) if settings.keep_all else settings.keep
    leave = {settings.together, settings.time}.difference(settings.keep)
    return infer(*asked, keep={*keep}, leave=leave, min_rows=fewest)


def _clusters(column: str, *parts: _Part) -> Together | None:
    """Which rows belong together; None where nobody asked.

    Of rows that have not been cut yet there is no test part. Raises BadInput where there are too
    few.
    """
    if not column:
        return None
    given = [cells for part in parts if (cells := part.cells(column)) is not None]
    train, *test = numbered(*given)
    check_clusters(column, train, 2 + (len(parts) == 1))
    alone = sum(int(cells.isna().sum()) for cells in given)
    return Together(column, train, test[0] if test else None, alone)


def _times(settings: Settings, part: _Part) -> pd.Series:
    cells = part.cells(settings.time)
    assert cells is not None  # the name was checked
    return cells


def _set_aside(
    whole: _Part, schema: Schema, settings: Settings, share: float, clusters: Together | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the rows that stay, and of those that test."""
    if settings.time:
        return later.latest(settings.time, _times(settings, whole), share, before=2)
    its = clusters and clusters.train
    return test_split(whole.seen[schema.target], schema.task, share, settings.seed, its)


def _folds(
    train: _Part, schema: Schema, settings: Settings, clusters: Together | None
) -> tuple[Fold, ...]:
    if settings.time:
        cells = _times(settings, train)
        return (Fold(*later.latest(settings.time, cells, HOLDOUT_SHARE)),)
    its = clusters and clusters.train
    cv, repeats = folds_for(settings.cv, len(train.seen), its)
    return inside(train.seen[schema.target], schema.task, cv, settings.seed, repeats, its)


def _notes(
    settings: Settings,
    schema: Schema,
    train: _Part,
    test: _Part,
    folds: Sequence[Fold],
    clusters: Together | None,
) -> list[str]:
    """How rows were dealt, or what might have been asked for."""
    if clusters is not None:
        return clusters.notes
    own = isinstance(settings.test, str)
    people = train.seen.drop(columns=schema.target), train.rest
    hints = [together.hint(*people, option=not settings.time)]
    if settings.time:
        cells, (fold,) = _times(settings, train), folds
        judging = cells.iloc[fold.validation]
        told = later.notes(settings.time, judging, test.cells(settings.time), cells, own)
        return [*told, *_classes_notes(schema, train.seen, fold), *filter(None, hints)]
    hints += [] if own else [later.hint(schema.dates)]
    return [*filter(None, hints)]


def _classes_notes(schema: Schema, rows: pd.DataFrame, fold: Fold) -> list[str]:
    """Classes that no earlier row has. Raises BadInput where earlier rows have one alone."""
    if schema.classes is None:
        return []
    known = set(rows[schema.target].iloc[fold.train])
    if len(known) < 2:
        raise BadInput(
            f"{later.OPTION}: all rows that are earlier than those that validate are of one class, "
            f"{show(*known)}.\nName another column, or leave it out."
        )
    new = [each for each in schema.classes if each not in known]
    if not new:
        return []
    return [
        f"No row that is trained on is of class {listed([*map(show, new)])}, as later ones are."
    ]


def _coded_note(coded: Sequence[str]) -> list[str]:
    if not coded:
        return []
    more = [f"{len(coded) - 3} more"] if len(coded) > 3 else []
    names = listed([*map(show, coded[:3]), *more])
    return [f"Single values of {names} say more than their neighbours: they are categories, too."]
