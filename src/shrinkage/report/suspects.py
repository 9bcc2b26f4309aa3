"""Columns that predict the target almost alone: often they were filled in after the fact.

Each column by itself: a decision tree with few leaves is fitted to one half of the rows and judged
on the other, both ways round. Rows that belong together are in one half.

    skill = 1 - loss / loss of the best constant,   loss: error rate, or squared error

A skill of 1 is a perfect prediction, 0 is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from shrinkage.clusters import Clusters
from shrinkage.data.schema import Schema

ROWS, COLUMNS, ENOUGH = 1000, 100, 0.95
"""So many rows and columns are looked at; a skill from which a column is suspicious."""

_LEAVES = 8
_FEWEST = 40
"""Fewer rows tell nothing about one column."""


@dataclass(frozen=True)
class Alone:
    """How well each column predicts by itself, the best first. rows: how many were looked at."""

    skills: tuple[tuple[str, float], ...]
    rows: int
    columns: int

    @property
    def suspects(self) -> tuple[tuple[str, float], ...]:
        return tuple((name, skill) for name, skill in self.skills if skill >= ENOUGH)


def alone(
    frame: pd.DataFrame, target: np.ndarray, schema: Schema, clusters: Clusters = None
) -> Alone | None:
    """frame: training rows. target: [n] classes or numbers. clusters: [n], of those that belong
    together. None where rows, or clusters, are too few.

    Rows are taken evenly from the whole table, columns in the order of the file.
    """
    at = np.linspace(0, len(frame) - 1, min(ROWS, len(frame))).round().astype(int)
    names = schema.used[:COLUMNS]
    its = np.arange(len(at)) if clusters is None else pd.factorize(clusters[at])[0]
    if len(np.unique(its)) < _FEWEST or not names:
        return None
    y = target[at]
    found = [
        (name, skill(_numbers(frame[name].iloc[at]), y, schema.task, its % 2)) for name in names
    ]
    found.sort(key=lambda pair: -pair[1])
    return Alone(tuple(found), len(at), len(names))


def skill(x: np.ndarray, y: np.ndarray, task: str, halves: np.ndarray) -> float:
    """Of one column x [n] for y [n]; negative where it predicts worse than a constant.

    halves: [n], 0 or 1.
    """
    leaves = max(_LEAVES, 2 * len(np.unique(y))) if task == "classification" else 4 * _LEAVES
    make = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    loss = constant = 0.0
    for half in (0, 1):
        train, judged = halves != half, halves == half
        tree = make(max_leaf_nodes=leaves, random_state=0).fit(x[train, None], y[train])
        predicted = tree.predict(x[judged, None])
        guess = _constant(y[train], task)
        if task == "classification":
            loss += np.count_nonzero(predicted != y[judged])
            constant += np.count_nonzero(y[judged] != guess)
        else:
            loss += float(np.square(predicted - y[judged]).sum())
            constant += float(np.square(guess - y[judged]).sum())
    return 1 - loss / constant if constant else 0.0


def _constant(y: np.ndarray, task: str) -> float:
    if task != "classification":
        return float(y.mean())
    labels, counts = np.unique(y, return_counts=True)
    return labels[counts.argmax()]


def _numbers(column: pd.Series) -> np.ndarray:
    """A column as floats: codes of texts, seconds of dates; cells without a value stand below."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = pd.Series(column.astype("int64").where(column.notna()), index=column.index)
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.Series(pd.factorize(column, sort=True)[0], index=column.index)
    values = column.to_numpy(np.float64, na_value=np.nan)
    low = np.nanmin(values) if np.isfinite(values).any() else 0.0
    return np.where(np.isfinite(values), values, low - 1)
