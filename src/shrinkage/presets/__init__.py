"""Recipes and spaces by name: what comes with the package, else a person's file.

A name of ours is ours, whatever lies in the working folder: a run that was written to a folder
`plain` must not become the plain network of the next one. There, ./plain is the folder.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from shrinkage.errors import BadInput


def named(kind: str = "") -> dict[str, Traversable]:
    """Files of ours by name. kind: "" for recipes, or the folder of another kind."""
    return inside(resources.files(__name__).joinpath(kind))


def inside(folder: Traversable) -> dict[str, Traversable]:
    """The TOML files of a folder by name, in the order of names."""
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {file.name.removesuffix(".toml"): file for file in files}


def read(path: Path) -> str:
    """The text of a person's file."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {error}") from None
