"""Recipes and spaces: by name, what comes with the package, else a person's file; and as TOML.

A name of ours is ours, whatever lies in the working folder: a run that was written to a folder
`plain` must not become the plain network of the next one. There, ./plain is the folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

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


def parsed(text: str, name: str) -> dict[str, Any]:
    """What TOML says.

    Raises BadInput where it is none, and for a whole number beyond the 64 bits that TOML promises:
    none is needed, and of thousands of digits Python would not even print it.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{name} is not valid TOML: {error}") from None
    except RecursionError:
        raise BadInput(f"{name} is not valid TOML: its brackets are nested too deep") from None
    except ValueError:  # so many digits that Python does not read it
        raise BadInput(f"{name}: a whole number in it is beyond 64 bits") from None
    for path, value in _values(document):
        if isinstance(value, int) and value.bit_length() > 63:
            raise BadInput(f"{name}: {path} is a whole number beyond 64 bits")
    return document


def _values(of: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no table and no list, with the keys that lead to it."""
    if isinstance(of, dict):
        for key, each in of.items():
            yield from _values(each, f"{path}.{key}" if path else key)
    elif isinstance(of, list):
        for each in of:
            yield from _values(each, path)
    else:
        yield path, of
