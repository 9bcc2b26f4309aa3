"""A cell of the comparison: one table, one split, and how what a program says of it is scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split

REGRESSION = {"california", "wine_white", "abalone"}


def name_of(path: Path) -> str:
    return path.name.split(".")[0]


@dataclass(frozen=True)
class Cell:
    """X: numbers and text, no gaps. y: codes 0..C-1 of the sorted classes, or numbers."""

    name: str
    classes: int
    x_train: pd.DataFrame
    x_test: pd.DataFrame
    y_train: np.ndarray
    y_test: np.ndarray

    @property
    def text(self) -> list[str]:
        return [c for c in self.x_train if not pd.api.types.is_numeric_dtype(self.x_train[c])]


def read(path: Path, split: int) -> Cell:
    frame = pd.read_csv(path)
    regression = name_of(path) in REGRESSION
    y = frame.pop("target")
    target = y.to_numpy(float) if regression else np.unique(y.astype(str), return_inverse=True)[1]
    for column in frame:
        if pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].astype(float).fillna(frame[column].median())
        else:
            frame[column] = frame[column].astype(object).where(frame[column].notna(), "missing")
    cut = {"test_size": 0.2, "random_state": split, "stratify": None if regression else target}
    parts = train_test_split(frame, target, **cut)
    classes = 0 if regression else int(target.max()) + 1
    return Cell(name_of(path), classes, *(p.reset_index(drop=True) for p in parts[:2]), *parts[2:])


def scored(cell: Cell, output: np.ndarray) -> dict[str, float]:
    """output: probabilities [n, C] or numbers [n], of the test rows."""
    y = cell.y_test
    if not cell.classes:
        return {"rmse": root_mean_squared_error(y, output), "r2": r2_score(y, output)}
    labels = np.arange(cell.classes)
    says = output.argmax(1)
    binary = cell.classes == 2
    return {
        "acc": accuracy_score(y, says),
        "bacc": balanced_accuracy_score(y, says),
        "logloss": log_loss(y, output, labels=labels),
        "auc": roc_auc_score(y, output[:, 1] if binary else output, multi_class="ovr"),
    }
