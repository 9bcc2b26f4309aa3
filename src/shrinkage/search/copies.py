"""Test rows that repeat a training row cell by cell: what is scored there may be memory.

A table that holds copies has some on both sides of any split. The target has no part in what counts
as a copy: to leave rows out by their target would be to choose the hard ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from shrinkage import scores
from shrinkage.search import said
from shrinkage.search.rows import Rows

LEAST, FEWEST = 0.02, 20
"""Such a share of the test rows is worth a word; on so many others a score is worth one."""


def repeated(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Which rows of `test` have all the cells of some row of `train`; missing cells are alike.

    Both have the same columns, of the same kinds.   Returns [n] bool.
    """
    known, asked = (pd.util.hash_pandas_object(frame, index=False) for frame in (train, test))
    return asked.isin(known).to_numpy()


def apart(work: Path, rows: Rows, goal: scores.Goal, names: Iterable[str]) -> dict[str, Any] | None:
    """How many test rows are copies, and the study's metric on the others; None where few are.

    names: of contenders, as `said` keeps what they predict. "scores" is null with few others.
    """
    columns = list(rows.schema.used)
    copies = repeated(rows.train[columns], rows.test[columns])
    if copies.mean() < LEAST:
        return None
    at, metric = np.flatnonzero(~copies), scores.find(goal)
    told: dict[str, Any] = {"rows": int(copies.sum()), "others": len(at), "scores": None}
    if len(at) < FEWEST:
        return told
    target = torch.from_numpy(rows.target(rows.test)[at])
    outputs = {name: said.kept(work, name, len(copies)) for name in names}
    told["scores"] = {
        name: float(metric.on_part(torch.from_numpy(output[at])[None], target)[0])
        for name, output in outputs.items()
        if output is not None
    }
    return told
