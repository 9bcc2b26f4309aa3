"""Rows that belong together by the values of one column: a patient's, a shop's, a day's.

Such rows are alike beyond what their features say. On both sides of a split they flatter every
score, for a network may know them by heart; so a split never parts them. Nor do networks read the
column, whose values will be others later, unless a person keeps it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shrinkage.data.cells import count, label_text, show
from shrinkage.errors import BadInput

OPTION = "--together"


@dataclass(frozen=True, eq=False)
class Together:
    """column: whose equal values say it. train, test: [n], [t] int, the cluster of each row, of
    both parts in one numbering."""

    column: str
    train: np.ndarray
    test: np.ndarray

    def parted(self, kept: np.ndarray, aside: np.ndarray) -> Together:
        """Of training rows that are cut in two: positions that stay, and those that will test."""
        return Together(self.column, self.train[kept], self.train[aside])

    @property
    def counts(self) -> tuple[int, int]:
        """Clusters of the training rows, and of the test rows."""
        return len(np.unique(self.train)), len(np.unique(self.test))

    def to_json(self) -> dict[str, Any]:
        """What result.json says."""
        return dict(zip(("column", "training", "test"), (self.column, *self.counts), strict=True))

    @property
    def note(self) -> str:
        """What a person should know: how many there are, and which are on both sides all the same,
        as a test part of its own may have it."""
        train, test = self.counts
        both = len(np.intersect1d(self.train, self.test))
        shared = f", {both:,} of which are among the training rows, too" if both else ""
        return (
            f"Rows with the same {show(self.column)} stay on one side of every split: {train:,} "
            f"different ones to train and to validate on, {test:,} to test{shared}."
        )


def numbered(*parts: pd.Series) -> list[np.ndarray]:
    """The cluster of each row [n] of each part, equal where values are; 1, 1.0 and "1" are equal.

    A row whose cell is missing belongs to no other: it is a cluster of its own.
    """
    words = [label_text(v) if not pd.isna(v) else None for part in parts for v in part]
    codes, distinct = pd.factorize(np.array(words, dtype=object))
    alone = codes < 0
    codes[alone] = len(distinct) + np.arange(alone.sum())
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return np.split(codes.astype(np.int64), ends)


def hint(*frames: pd.DataFrame) -> str:
    """A sentence on columns that look as if rows of a value belonged together; "" where none does.

    Such a column is named like people or their numbers, has 20 values or more, and on average two
    rows or more of each.
    """
    columns = [frame[name] for frame in frames for name in frame.columns]
    found = [c.name for c in columns if _NAMED.search(str(c.name)) and _repeats(c)]
    if not found:
        return ""
    return (
        f"If rows with the same {' or '.join(map(show, found[:3]))} belong together, scores are "
        f"too good: {OPTION} {found[0]} keeps them on one side of every split."
    )


_NAMED = re.compile(
    r"(?i:(^|[\s_.\-])((patient|subject|participant|person|user|customer|client|household|session|"
    r"animal|donor)s?([\s_.\-]?(id|nr|no|key|code|name|number))?|id|uuid|guid)$)|[a-z](Id|ID)$"
)


def _repeats(column: pd.Series) -> bool:
    counts = column.value_counts()
    return len(counts) >= 20 and counts.mean() >= 2


def check_clusters(column: str, clusters: np.ndarray, fewest: int) -> None:
    """Raises BadInput where there are too few to cut, or where no two rows are together."""
    found = len(np.unique(clusters))
    if found < fewest:
        raise BadInput(
            f"{OPTION} {column}: {count(found, 'different value')}, and at least {fewest} are "
            "needed, as each stays on one side of every split.\nName a column of more values."
        )
    if found == len(clusters):
        raise BadInput(
            f"{OPTION} {column}: all {found:,} rows have different values, so no two belong "
            "together.\nName the column that rows of one person or place share."
        )
