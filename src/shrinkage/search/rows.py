"""The rows of a study: training rows with their folds, and test rows set aside.

`search.cutting` cut them, once. Everything after it reads these parts; the test part is read when
the winner is known, and by baselines, which it decides nothing about.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch

from shrinkage.clusters import Clusters, count
from shrinkage.data import later, tabular
from shrinkage.data.groups import Groups, check_column, checked, groups
from shrinkage.data.labels import encode_classes
from shrinkage.data.schema import Schema
from shrinkage.data.split import Fold, inside
from shrinkage.data.tabular import Preparer, with_time
from shrinkage.data.together import Together
from shrinkage.engine.arrays import cells_of, read_as
from shrinkage.errors import BadInput
from shrinkage.files import replacing, write_text
from shrinkage.model import Model
from shrinkage.nets.table import TableShape
from shrinkage.population import dataset

INNER = 10
"""One part of so many is held out where training rows are cut again."""


@dataclass(frozen=True, eq=False)
class Rows:
    """train, test: features and target. folds: positions in `train`.

    notes: what was noticed in the data and what was done about it.
    origin: the model that networks start from. Its preparation goes with them.
    unread: of both parts, the columns that networks do not see, for whoever looks at groups.
    coded: number columns that are read as categories, too: what `codes` says of all training rows;
    none where an origin's preparation says it.
    together: which rows belong together, so that no split parts them; None: they are strangers.
    time: the column by which later rows validate; "": they are dealt at random.
    """

    schema: Schema
    train: pd.DataFrame
    test: pd.DataFrame
    folds: tuple[Fold, ...]
    notes: tuple[str, ...]
    origin: Model | None = None
    unread: tuple[pd.DataFrame, pd.DataFrame] | None = None
    coded: tuple[str, ...] = ()
    together: Together | None = None
    time: str = ""

    def clusters_of(self, at: np.ndarray) -> Clusters:
        """Of these training rows."""
        return None if self.together is None else self.together.train[at]

    def held_out(self, at: np.ndarray, seed: int = 0) -> tuple[Fold, ...]:
        """These training rows cut again, as the study's are: places among them, a tenth held out.

        Where rows belong together, ten folds or as many as there are clusters; by time, the latest
        rows. Empty where no cut is possible.
        """
        try:
            times, _ = self.column(self.time) if self.time else (None, None)
            if times is not None:
                return (Fold(*later.latest(self.time, times.iloc[at], 1 / INNER)),)
            clusters = self.clusters_of(at)
            folds = min(INNER, count(clusters, len(at)))
            return inside(self.target(self.train)[at], self.schema.task, folds, seed, 1, clusters)
        except BadInput:
            return ()

    @property
    def test_clusters(self) -> Clusters:
        return None if self.together is None else self.together.test

    @cached_property
    def judging(self) -> np.ndarray:
        """[v] the training rows that folds validate, fold after fold; a repeat has them again."""
        return np.concatenate([fold.validation for fold in self.folds])

    @cached_property
    def validated(self) -> np.ndarray:
        """[n] the same, each once and in order: all training rows but in a holdout."""
        return np.unique(self.judging)

    def by_row(self, values: np.ndarray) -> np.ndarray:
        """The mean of values [v, ...], one for each of `judging`, over those of a row: [n, ...].

        A row that several repeats validate has values that are alike; as rows of their own they
        would count for more than is known.
        """
        _, row, counts = np.unique(self.judging, return_inverse=True, return_counts=True)
        total = np.zeros((len(counts), *values.shape[1:]))
        np.add.at(total, row, values)
        return (total.T / counts).T

    def groups(self, column: str, name: str) -> Groups:
        """The test rows by a column of the table. name: of the table, for errors.

        Raises BadInput where there is no such column, or no two groups to compare.
        """
        train, test = self.column(column)
        if train is not None and test is not None:
            of = self.together.column if self.together else ""
            return checked(column, groups(column, train, test), self.test_clusters, of)
        names = [each.name for each in self.schema.columns] + [self.schema.target]
        check_column(column, names, name)
        raise BadInput(
            f"{name}: column '{column}' is not among the rows that this study keeps.\n"
            "Fit again: what networks do not read is kept where the test part has it, too."
        )

    def column(self, name: str) -> tuple[pd.Series | None, pd.Series | None]:
        """Of training and test rows, read by networks or not; None where a part lacks it."""
        rest = self.unread or (self.train, self.test)
        parts = zip((self.train, self.test), rest, strict=True)
        train, test = (next((f[name] for f in part if name in f), None) for part in parts)
        return train, test

    def target(self, frame: pd.DataFrame) -> np.ndarray:
        """[n] class codes int64, or numbers float64."""
        y = frame[self.schema.target]
        if self.schema.classes is not None:
            return encode_classes(y, self.schema.classes)
        return y.to_numpy(np.float64, copy=True)  # pandas gives read-only views

    @property
    def features(self) -> pd.DataFrame:
        """The training rows without the target."""
        return self.train.drop(columns=self.schema.target)

    @cached_property
    def width(self) -> int:
        """Number columns with all training rows: a fold may lack the marks of missing cells."""
        if self.origin is not None:
            return self.origin.shape.numbers
        return tabular.width(self.features, self.schema, self.timed)

    @cached_property
    def timed(self) -> tuple[str, ...]:
        """Date columns that have an hour: a fold may lack the one row that has."""
        return with_time(self.train, self.schema)

    @property
    def cells(self) -> int:
        """How many the table has, the target apart."""
        return (len(self.train) + len(self.test)) * len(self.schema.used)

    @property
    def priors(self) -> np.ndarray:
        """[C] shares of the classes among the training rows."""
        counts = np.bincount(self.target(self.train), minlength=self.outputs)
        return counts / counts.sum()

    @property
    def outputs(self) -> int:
        return len(self.schema.classes) if self.schema.classes is not None else 1

    def preparer(self, scaling: Any, part: int | None = None) -> Preparer:
        """What is fitted on the training rows of this fold, None: on all; once for a scaling."""
        found = self._fitted.get((scaling, part))
        if found is None:
            features = self.features
            its = features if part is None else features.iloc[self.folds[part].train]
            found = self._fitted[scaling, part] = self.fitted(its, scaling)
        return found

    @cached_property
    def _fitted(self) -> dict[tuple[str, int | None], Preparer]:
        """What `preparer` has answered: on large tables the fit takes seconds."""
        return {}

    def units(self, part: int | None = None) -> dataset.Units:
        """Of the target of the training rows of this fold, None: of all."""
        target = self.target(self.train)
        return dataset.units_of(
            torch.from_numpy(target if part is None else target[self.folds[part].train])
        )

    def fitted(self, features: pd.DataFrame, scaling: Any) -> Preparer:
        """What is fitted on these training rows, or what the networks to start from know."""
        if self.origin is not None:
            return replace(self.origin.preparers[0], schema=self.schema)
        return Preparer.fit(features, self.schema, scaling, self.timed, self.coded)


def save(rows: Rows, folder: Path) -> None:
    """Keep the parts for workers and for resuming."""
    frames = {"train": rows.train, "test": rows.test}
    if rows.unread is not None and any(map(len, (f.columns for f in rows.unread))):
        frames |= dict(zip(_UNREAD, rows.unread, strict=True))
    for name, frame in frames.items():
        with replacing(folder / f"{name}.parquet", sync=False) as temporary:
            frame.to_parquet(temporary)
    folds = {f"{k}.{part}": getattr(f, part) for k, f in enumerate(rows.folds) for part in _PARTS}
    if rows.together is not None:
        its = (rows.together.train, rows.together.test)
        folds |= {name: at for name, at in zip(_CLUSTERS, its, strict=True) if at is not None}
    with replacing(folder / "folds.npz", sync=False) as temporary, open(temporary, "wb") as file:
        np.savez(file, **folds)
    told: dict[str, Any] = {"notes": list(rows.notes), "coded": list(rows.coded)}
    told |= {"together": rows.together and rows.together.column, "time": rows.time}
    about = {"schema": rows.schema.to_json(), **told}
    write_text(folder / "schema.json", json.dumps(about))


_PARTS = ("train", "validation")
_UNREAD = ("train-unread", "test-unread")
_CLUSTERS = ("clusters.train", "clusters.test")


def load(folder: Path) -> Rows:
    """What `save` kept. Raises BadInput where it is missing or damaged."""
    try:
        about = json.loads((folder / "schema.json").read_text("utf-8"))
        schema, notes = Schema.from_json(about["schema"]), tuple(about["notes"])
        # An older one has none of these.
        coded, column, when = about.get("coded", ()), about.get("together"), about.get("time", "")
        with np.load(folder / "folds.npz") as arrays:
            count = len({*arrays.files}.difference(_CLUSTERS)) // 2
            folds = tuple(Fold(*(arrays[f"{k}.{part}"] for part in _PARTS)) for k in range(count))
            own, test = (arrays[name] if name in arrays.files else None for name in _CLUSTERS)
        together = None if own is None else Together(column, own, test)
        frames = [pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "test")]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        first = str(error).partition("\n")[0]
        raise BadInput(f"{folder} is not a complete study: {first}; fit again") from None
    unread = _load_unread(folder)
    cut = schema, frames[0], frames[1], folds, notes
    return Rows(*cut, unread=unread, coded=tuple(coded), together=together, time=when)


def _load_unread(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """None where networks read every column, or an earlier version kept no others."""
    try:
        train, test = (pd.read_parquet(folder / f"{name}.parquet") for name in _UNREAD)
    except (OSError, ValueError):
        return None
    return train, test


def prepare(
    rows: Rows, scaling: Any, folds: Sequence[Fold] | None = None
) -> tuple[dataset.Dataset, list[Preparer]]:
    """Arrays of every fold, each prepared by what was fitted on its own training rows.

    folds: None for the study's own.
    """
    if folds is None:
        folds = rows.folds
        preparers = [rows.preparer(scaling, part) for part in range(len(folds))]
    else:
        trained = (rows.features.iloc[fold.train] for fold in folds)
        preparers = [rows.fitted(features, scaling) for features in trained]
    return _arrays(rows, folds, preparers), preparers


def prepare_all(rows: Rows, scaling: Any) -> tuple[dataset.Dataset, Preparer]:
    """All training rows as one fold that trains on all of them; its validation is one row."""
    everyone = np.arange(len(rows.train))
    preparer = rows.preparer(scaling)
    return _arrays(rows, [Fold(everyone, everyone[:1])], [preparer]), preparer


def _arrays(rows: Rows, folds: Sequence[Fold], preparers: Sequence[Preparer]) -> dataset.Dataset:
    features, target = rows.features, rows.target(rows.train)
    found = []
    for fold, preparer in zip(folds, preparers, strict=True):
        prepared = preparer.transform(features)
        train, validation = (
            read_as(prepared.take(at), rows.width, target[at])
            for at in (fold.train, fold.validation)
        )
        found.append(dataset.Fold(train, validation, cells_of(preparer, rows.width)))
    return dataset.Dataset(tuple(found), rows.outputs, rows.schema.task)


def shape_of(preparers: Sequence[Preparer], outputs: int) -> TableShape:
    """One shape that fits what each of these prepares."""
    numbers = max(len(preparer.number_names) for preparer in preparers)
    cardinalities = zip(*(preparer.cardinalities for preparer in preparers), strict=True)
    widest = tuple(max(column) for column in cardinalities)
    return TableShape(numbers, widest, outputs, preparers[0].places)


_SHAPE = "shape.json"


def save_shape(shape: TableShape, folder: Path) -> None:
    told = [shape.numbers, shape.cardinalities, shape.outputs, shape.ranks]
    write_text(folder / _SHAPE, json.dumps(told))


def load_shape(folder: Path) -> TableShape:
    """What a study's networks read and give. Raises BadInput where it is missing or damaged."""
    try:
        told = json.loads((folder / _SHAPE).read_text("utf-8"))
        numbers, cardinalities, outputs, *ranks = told  # an older one has no ranks
        return TableShape(numbers, tuple(cardinalities), outputs, *ranks)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{folder / _SHAPE} is missing or damaged: {error}; fit again") from None


def repeats_of(rows: Rows) -> list[list[int]]:
    """Folds by repeat: K that validate each row once, or one holdout."""
    count = len(rows.folds)
    seen: set[int] = set()
    for k, fold in enumerate(rows.folds):
        if not seen.isdisjoint(fold.validation.tolist()):
            break
        seen.update(fold.validation.tolist())
        if len(seen) == len(rows.train):
            return [list(range(first, first + k + 1)) for first in range(0, count, k + 1)]
    return [[k] for k in range(count)]
