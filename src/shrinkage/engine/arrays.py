"""Prepared data as files that every process maps into memory, so that they share its pages.

One safetensors file a scaling. What of several folds is put end to end (`Dataset.stacked`) is each
process's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from shrinkage.data.tabular import Arrays, Preparer
from shrinkage.files import replacing
from shrinkage.population.dataset import Dataset, Fold, Sample


def sample_of(
    numbers: np.ndarray, categories: np.ndarray, target: np.ndarray | None = None
) -> Sample:
    """numbers: [n, Dn] float; categories: [n, Dc] codes; target: [n]."""
    inputs = {"numbers": numbers, "categories": categories}
    tensors = {n: torch.from_numpy(np.ascontiguousarray(a)) for n, a in inputs.items()}
    return Sample(tensors, None if target is None else torch.from_numpy(np.array(target)))


def read_as(prepared: Arrays, width: int, target: np.ndarray | None = None) -> Sample:
    """What a network reads: numbers, zero columns up to `width`, and ranks where there are some.

    Folds may differ in which columns had missing cells, and so in how many marks they have.
    """
    missing = width - prepared.numbers.shape[1]
    numbers = np.pad(prepared.numbers, ((0, 0), (0, missing)))
    return sample_of(np.hstack([numbers, prepared.ranks]), prepared.categories, target)


def cells_of(preparer: Preparer, width: int) -> dict[str, Tensor]:
    """Of which cell of a row each column of `read_as` tells; columns of zeros tell of any."""
    numbers, ranks, categories = preparer.cells
    numbers = np.pad(numbers, (0, width - len(numbers)))
    places = {"numbers": np.concatenate([numbers, ranks]), "categories": categories}
    return {name: torch.from_numpy(each.astype(np.int64)) for name, each in places.items()}


def path_of(folder: Path, scaling: str, part: str = "") -> Path:
    """Where the data sets of a scaling lie. part: "" for the folds, else a name of others."""
    return folder / f"{scaling}{part and '.'}{part}.safetensors"


def write_once(path: Path, make: Callable[[], Dataset]) -> None:
    """Save what `make` gives, where nothing lies there yet, or what a power cut left of it."""
    try:
        with safe_open(path, "pt"):  # which compares its length with what its head says
            return
    except (OSError, SafetensorError):
        write(make(), path)


def write(dataset: Dataset, path: Path) -> None:
    """Save a data set, atomically."""
    tensors: dict[str, Tensor] = {}
    for k, fold in enumerate(dataset.folds):
        for part, sample in (("train", fold.train), ("validation", fold.validation)):
            assert sample.target is not None
            for name, array in {**sample.inputs, "target": sample.target}.items():
                tensors[f"{k}.{part}.{name}"] = array.contiguous()
        tensors |= {f"{k}.cells.{name}": places for name, places in fold.cells.items()}
    with replacing(path, sync=False) as temporary:
        save_file(tensors, temporary)


def read(path: Path, folds: int, outputs: int, task: str, device: str = "cpu") -> Dataset:
    """The data set at `path`; kept for the next cohort that asks.

    Another file of the same name, of another study in this process, is read anew.
    """
    found = path.stat()
    version = (found.st_ino, found.st_mtime_ns, found.st_size)
    return _read(path.resolve(), version, folds, outputs, task, device)


@lru_cache(maxsize=4)
def _read(
    path: Path, version: tuple[int, ...], folds: int, outputs: int, task: str, device: str
) -> Dataset:
    tensors = load_file(path, device=device)

    def named(fold: int, part: str) -> dict[str, Tensor]:
        prefix = f"{fold}.{part}."
        return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

    def sample(fold: int, part: str) -> Sample:
        arrays = named(fold, part)
        target = arrays.pop("target")
        return Sample(arrays, target)

    every = (
        Fold(sample(k, "train"), sample(k, "validation"), named(k, "cells")) for k in range(folds)
    )
    return Dataset(tuple(every), outputs, task)
