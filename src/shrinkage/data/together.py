"""Rows that belong together by the values of one column: a patient's, a shop's, a day's.

Such rows are alike beyond what their features say. On both sides of a split they flatter every
score, for a network may know them by heart; so a split never parts them. Nor do networks read the
column, whose values will be others later, unless a person keeps it.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from shrinkage.data.cells import dates, label_text, show
from shrinkage.errors import BadInput
from shrinkage.wording import count

OPTION = "--together"


@dataclass(frozen=True, eq=False)
class Together:
    """column: whose equal values say it. train, test: [n], [t] int, the cluster of each row, of
    both parts in one numbering; test is None where that part lacks the column: all strangers.

    alone: rows of both without a value, each a cluster of its own.
    """

    column: str
    train: np.ndarray
    test: np.ndarray | None
    alone: int = 0

    def parted(self, kept: np.ndarray, aside: np.ndarray) -> Together:
        """Of training rows that are cut in two: positions that stay, and those that will test."""
        return replace(self, train=self.train[kept], test=self.train[aside])

    @property
    def counts(self) -> tuple[int, int | None]:
        """Clusters of the training rows, and of the test rows."""
        return len(np.unique(self.train)), None if self.test is None else len(np.unique(self.test))

    def to_json(self) -> dict[str, Any]:
        """What result.json says."""
        return dict(zip(("column", "training", "test"), (self.column, *self.counts), strict=True))

    @property
    def notes(self) -> list[str]:
        """What a person should know, one sentence each."""
        train, test = self.counts
        same = f"Rows with the same {show(self.column)}"
        both = 0 if self.test is None else len(np.intersect1d(self.train, self.test))
        if test is None:
            found = [
                f"{same} validate together: {train:,} different ones. The test part lacks the "
                "column: its rows are taken for strangers, to each other and to these."
            ]
        elif both:
            found = [
                f"{same} validate together: {train:,} different ones. Of {test:,} in the test part "
                f"{both:,} are among them: scores of their rows may be memory."
            ]
        else:
            found = [
                f"{same} stay on one side of every split: {train:,} different ones to train and to "
                f"validate on, {test:,} to test."
            ]
        if self.alone:
            one = "belongs" if self.alone == 1 else "belong"
            found.append(
                f"{count(self.alone, 'row')} without a value of {show(self.column)} {one} to no "
                "other, and count as different ones."
            )
        return found


def numbered(*parts: pd.Series) -> list[np.ndarray]:
    """The cluster of each row [n] of each part, equal where values are, however files spell them.

    1, 1.0 and "1.0" are equal: a file writes whole numbers with a fraction where a cell of their
    column is missing. So are a date and what says it as text, where all cells are dates.
    A row whose cell is missing belongs to no other: it is a cluster of its own.
    """
    values, bad = zip(*map(dates, parts), strict=True)
    if any(each.any() for each in bad):
        values = [[None if pd.isna(v) else _word(v) for v in part] for part in parts]
    codes, distinct = pd.factorize(np.concatenate([np.array(v, dtype=object) for v in values]))
    alone = codes < 0
    codes[alone] = len(distinct) + np.arange(alone.sum())
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return np.split(codes.astype(np.int64), ends)


def _word(value: Any) -> str:
    text = label_text(value)
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


_WHOLE = re.compile(r"[+-]?\d+\.0*")


def hint(*frames: pd.DataFrame, option: bool = True) -> str:
    """A sentence on columns that look as if rows of a value belonged together; "" where none does.

    option: whether it may be asked for; rows that are cut by time may be parted.

    Such a column is named like a person, or like a number of somebody, and has on average two rows
    or more of a value; of a person's name three values do, of another number's twenty, for fewer
    are kinds.
    """
    columns = [frame[name] for frame in frames for name in frame.columns]
    found = [
        str(c.name)
        for c in columns
        if (_PERSON.search(str(c.name)) and _repeats(c, 3))
        or (_NUMBER.search(str(c.name)) and _repeats(c, 20))
    ]
    if not found:
        return ""
    same = f"If rows with the same {' or '.join(map(show, found[:3]))} belong together"
    if not option:
        return f"{same}, scores may be too good: a cut by time parts them."
    way_out = f"{OPTION} {shlex.quote(found[0])} keeps them on one side of every split"
    return f"{same}, scores are too good: {way_out}."


_PERSON = re.compile(
    r"(^|[\s_.\-])(patient|subject|participant|respondent|person|user|customer|client|student|pupil|"
    r"speaker|driver|player|family|household|session|animal|donor)"
    r"([\s_.\-]?(u?id|nr|no|key|code|name|number)#?)?$|^(uid|pid|ptid)$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(^|[\s_.\-])(?i:id|uuid|guid)#?$|[a-z](Id|ID)$")


def _repeats(column: pd.Series, least: int) -> bool:
    counts = column.value_counts()
    return len(counts) >= least and counts.mean() >= 2


def check_clusters(column: str, clusters: np.ndarray, fewest: int) -> None:
    """Raises BadInput where there are too few to cut, or where no two rows are together."""
    found = len(np.unique(clusters))
    if found == len(clusters) and found >= fewest:
        raise BadInput(
            f"{OPTION} {column}: no two of {found:,} rows have the same value, so none belong "
            "together.\nName the column that rows of one person or place share."
        )
    if found < fewest:
        raise BadInput(
            f"{OPTION} {column}: {count(found, 'different value')}, and at least {fewest} are "
            "needed, as each stays on one side of every split.\nName a column of more values."
        )
