"""The model folder: everything that predicting needs, with versions and hashes; no pickle.

    weights.safetensors      weights [M, P] and statistics [M, Q] of the members
    preparation/k.skops      how the columns are prepared for the members of part k
    recipe.toml              how the members were trained
    others/k/                the same of another recipe whose members predict with them
    manifest.json            format, versions, task, shape, provenance, a hash of each file, and
                             which preparations are the same

The folder is written beside its place and moved there whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from shrinkage.data.tabular import Preparer
from shrinkage.errors import BadInput
from shrinkage.files import system_error, unwritable

FORMAT = 4
"""2: other recipes beside the first, a temperature and how to decide; 3: a temperature for each
recipe of several; 4: what each member says of the whole. A program that knows only an earlier one
would predict without them."""


@dataclass(frozen=True, eq=False)
class Artifact:
    """What a model folder holds. about: task, shape, units of each part of the rows, provenance.

    others: of other recipes that predict with this one; none of them holds others.
    """

    weights: Tensor
    statistics: Tensor
    preparers: Sequence[Preparer]
    recipe: str
    about: Mapping[str, Any]
    others: Sequence[Artifact] = ()


def write(artifact: Artifact, folder: Path) -> None:
    """Write the folder, replacing an older model there only when the new one is complete.

    Raises BadInput for a full disk or a folder that cannot be written.
    """
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        for place, each in _places(artifact, fresh):
            _fill(each, place)
        manifest = {
            "format": FORMAT,
            "versions": versions(),
            "machine": machine(),
            **artifact.about,
            "others": [dict(other.about) for other in artifact.others],
            "same": _same(_places(artifact, Path())),
            "files": {str(p.relative_to(fresh)): _digest(p) for p in _files(fresh)},
        }
        manifest["digest"] = _digest_of(manifest)
        (fresh / "manifest.json").write_text(json.dumps(manifest, indent=2), "utf-8")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except (OSError, SafetensorError) as error:
        if (cause := system_error(error)) is None:
            raise
        raise unwritable(folder, cause) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def _places(artifact: Artifact, folder: Path) -> list[tuple[Path, Artifact]]:
    others = [(folder / "others" / str(k), each) for k, each in enumerate(artifact.others)]
    return [(folder, artifact), *others]


def _same(places: list[tuple[Path, Artifact]]) -> dict[str, str]:
    """Files of preparers that recipes share, each with the first of its like.

    Rows are then prepared once for all. (An earlier version reads every file.)
    """
    first: dict[Preparer, str] = {}
    every = ((p, each) for p, artifact in places for each in enumerate(artifact.preparers))
    named = [(preparer, _preparation(place, k)) for place, (k, preparer) in every]
    return {
        str(path): known
        for preparer, path in named
        if (known := first.setdefault(preparer, str(path))) != str(path)
    }


def _preparation(folder: Path, part: int) -> Path:
    return folder / "preparation" / f"{part}.skops"


def _fill(artifact: Artifact, folder: Path) -> None:
    """Write the arrays, the preparation and the recipe."""
    (folder / "preparation").mkdir(parents=True)
    tensors = {"weights": artifact.weights, "statistics": artifact.statistics}
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "weights.safetensors")
    for k, preparer in enumerate(artifact.preparers):
        preparer.save(_preparation(folder, k))
    (folder / "recipe.toml").write_text(artifact.recipe, "utf-8")


def read(folder: Path) -> Artifact:
    """Read a model folder, or the study folder around it.

    Raises BadInput where it is missing, damaged, changed, or of a newer format.
    """
    folder = folder if (folder / "manifest.json").is_file() else folder / "model"
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{folder} holds no model: there is no manifest.json") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder}/manifest.json cannot be read: {error}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise BadInput(f"{folder}/manifest.json is not one of shrinkage")
    if manifest["format"] > FORMAT:
        versions_ = manifest.get("versions")
        version = versions_.get("shrinkage") if isinstance(versions_, dict) else "of another age"
        raise BadInput(
            f"{folder} was written by shrinkage {version} in a newer format "
            f"({manifest['format']}; this one reads {FORMAT}); upgrade shrinkage"
        )
    if manifest.pop("digest", None) != _digest_of(manifest):
        raise BadInput(
            f"{folder}/manifest.json is damaged or was changed: its own hash does not fit; "
            "copy the folder again"
        )
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise BadInput(f"{folder} is not complete: {name} is missing; copy the folder again")
        if _digest(folder / name) != digest:
            raise BadInput(f"{folder}/{name} is damaged: its hash is not the manifest's")
    try:
        load = _loading(folder, manifest.get("same", {}))
        others = [
            _read(folder, Path("others", str(k)), about, load)
            for k, about in enumerate(manifest.get("others", []))
        ]
        return _read(folder, Path(), manifest, load, others)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{folder} is damaged: {error}") from None


def _loading(folder: Path, same: Mapping[str, str]) -> Callable[[Path], Preparer]:
    """Reads preparers by their place in the folder; those that are the same, once."""
    load = lru_cache(maxsize=None)(lambda name: Preparer.load(folder / name))
    return lambda path: load(same.get(str(path), str(path)))


def _read(
    folder: Path,
    place: Path,
    about: Mapping[str, Any],
    load: Callable[[Path], Preparer],
    others: Sequence[Artifact] = (),
) -> Artifact:
    """What `_fill` wrote to this place in the folder."""
    tensors = load_file(folder / place / "weights.safetensors")
    recipe = (folder / place / "recipe.toml").read_text("utf-8")
    preparers = [load(_preparation(place, k)) for k in range(len(about["units"]))]
    return Artifact(tensors["weights"], tensors["statistics"], preparers, recipe, about, others)


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    names = ("shrinkage", "torch", "numpy", "scikit-learn", "pandas", "skops", "safetensors")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """The hardware, for people who read the numbers."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
