"""Test rows that repeat a training row cell by cell: what is scored there may be memory.

A table that holds copies has some on both sides of any split. The target has no part in what counts
as a copy: to leave rows out by their target would be to choose the hard ones.

Networks that start from a model remember the rows it was trained on, wherever these stand now.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from shrinkage import scores
from shrinkage.data import cells, later
from shrinkage.data.cells import show
from shrinkage.data.schema import Schema
from shrinkage.data.together import numbered
from shrinkage.errors import BadInput
from shrinkage.search import said
from shrinkage.search.folder import Folder
from shrinkage.search.rows import Rows, load
from shrinkage.wording import count

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


def trained_on(folder: str, earlier: Schema, rows: Rows) -> tuple[str, ...]:
    """A note where a few rows are ones that the earlier study trained on, with the same target.

    Rows of a table with few different cells repeat by chance: as many as the earlier study's own
    test rows did are not counted.
    folder: the study's, or its model's.   earlier: its schema.
    Raises BadInput where they are `LEAST` of all rows or more: every score would be of memory. And
    so where rows belong together with some of those.
    """
    place = Path(folder)
    works = [Folder(root).work for root in (place, place.parent)]
    work = next((each for each in works if (each / "train.parquet").is_file()), None)
    if earlier.target != rows.schema.target or work is None:
        return ()
    _check_clusters(folder, work, rows)
    _check_times(folder, work, rows)
    columns = [*rows.schema.used, earlier.target]
    theirs, aside = (
        _comparable(pd.read_parquet(work / f"{name}.parquet"), columns)
        for name in ("train", "test")
    )
    ours = _comparable(pd.concat([rows.train, rows.test]), columns)
    known, chance = repeated(theirs, ours), repeated(theirs, aside)
    beyond = known.mean() - (chance.mean() if len(chance) else 0.0)
    if not known.any() or (chance.any() and beyond < LEAST):
        return ()
    told = f"{count(int(known.sum()), 'row')} of {len(known):,}: networks start from a model that "
    told += f"was trained on them ({folder})"
    if beyond < LEAST:
        return (f"{told}, which flatters a little.",)
    raise BadInput(
        f"--start-from: {told}.\nWhat they remember would flatter every score: leave those rows "
        "out, or fit all rows without --start-from."
    )


def _check_clusters(folder: str, work: Path, rows: Rows) -> None:
    """Raises BadInput where an earlier study in `work` trained on rows that belong to ours."""
    if rows.together is None:
        return
    column = rows.together.column
    given = [cells for cells in rows.column(column) if cells is not None]
    known, _ = load(work).column(column)
    if known is None:
        return
    *mine, theirs = numbered(*given, known.dropna())
    ours = np.unique(np.concatenate(mine))
    if both := len(np.intersect1d(ours, theirs)):
        raise BadInput(
            f"--start-from: the model was trained on rows of {both:,} of the {len(ours):,} "
            f"different {show(column)} ({folder}).\nWhat its networks remember of them would "
            "flatter every score: leave those rows out, or fit without --start-from."
        )


def _check_times(folder: str, work: Path, rows: Rows) -> None:
    """Raises BadInput where the earlier study in `work` trained on rows as late as our judges."""
    if not rows.time:
        return
    (ours, _), (known, _) = rows.column(rows.time), load(work).column(rows.time)
    if ours is None or known is None:
        return
    judged = later.moments(rows.time, ours.iloc[rows.folds[0].validation])
    if np.nanmax(later.moments(rows.time, known)) >= np.nanmin(judged):
        raise BadInput(
            f"--start-from: by {show(rows.time)} the model was trained on rows that are not "
            f"earlier than those that validate here ({folder}).\nStart from one of earlier rows, "
            "or fit without --start-from."
        )


def _comparable(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """These columns; the last, the target, as text: codes of one table are words in another."""
    frame = frame.reset_index(drop=True)[columns]
    return frame.assign(**{columns[-1]: cells.text(frame[columns[-1]])})
