"""What a person's own function does, in sixteen letters that are the same in every process.

Two that differ in their code or in what they hold (closures, defaults, the arguments of a partial,
the fields of their object, arrays among it) have different digests. What a function calls by its
module's names is not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

_DEPTH = 8
"""Levels of things that hold things: what lies deeper, or in a circle, is its type alone."""


def digest(thing: Any) -> str:
    return hashlib.sha256(repr(_content(thing, _DEPTH)).encode()).hexdigest()[:16]


def _content(thing: Any, depth: int) -> Any:
    """What a value is: a function by its code and what it holds, an object by type and fields."""
    name = type(thing).__qualname__
    if depth == 0 or thing is None:
        return name
    if isinstance(thing, bool | int | float | complex | str | bytes):
        return name, repr(thing)
    if isinstance(thing, type | BuiltinFunctionType | ModuleType):
        return name, getattr(thing, "__module__", ""), thing.__name__
    parts = _parts(thing)
    if isinstance(parts, Mapping):
        pairs = [(repr(key), _content(value, depth - 1)) for key, value in parts.items()]
        return name, sorted(pairs, key=lambda pair: pair[0])
    return name, [_content(part, depth - 1) for part in parts]


def _parts(thing: Any) -> Mapping[Any, Any] | Sequence[Any]:
    """What decides what a value is."""
    if isinstance(thing, Tensor):
        dense = thing.detach().cpu().to_dense() if thing.is_sparse else thing.detach().cpu()
        return str(dense.dtype), tuple(dense.shape), str(dense.flatten().tolist())
    if isinstance(thing, np.ndarray):
        raw = thing.tolist() if thing.dtype.hasobject else thing.tobytes()
        return str(thing.dtype), thing.shape, raw
    if isinstance(thing, pd.DataFrame):
        return thing.index, [(str(name), column) for name, column in thing.items()]
    if isinstance(thing, pd.Series | pd.Index):
        return (str(thing.dtype), thing.to_numpy())
    if isinstance(thing, Mapping | list | tuple):
        return thing
    if isinstance(thing, set | frozenset):
        return sorted(map(repr, thing))
    if isinstance(thing, partial):
        return thing.func, thing.args, thing.keywords
    if isinstance(thing, MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        return thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, vars(thing)
    if isinstance(thing, CodeType):
        return thing.co_code, thing.co_names, thing.co_consts
    slots = [name for each in type(thing).__mro__ for name in getattr(each, "__slots__", ())]
    fields = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    fields |= getattr(thing, "__dict__", {})
    return fields or (repr(thing),)
