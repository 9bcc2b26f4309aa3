"""What a person's own function does, in sixteen letters that are the same in every process.

Two that differ in their code or in what they hold (closures, defaults, the arguments of a partial,
the fields of their object, arrays among it) have different digests. What a function calls by its
module's names is not looked at.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor

_DEPTH = 8
"""Levels of things that hold things: what lies deeper, or in a circle, is its type alone."""


def digest(thing: Any) -> str:
    return hashlib.sha256(repr(_content(thing, _DEPTH)).encode()).hexdigest()[:16]


def _content(thing: Any, depth: int) -> Any:
    """What a value is: a function by its code and what it holds, an object by type and fields."""
    if depth == 0:
        return type(thing).__qualname__
    if isinstance(thing, np.ndarray | Tensor):
        array = np.asarray(thing)
        return str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()
    if isinstance(thing, Mapping):
        pairs = [(repr(key), _content(value, depth - 1)) for key, value in thing.items()]
        return type(thing).__qualname__, sorted(pairs, key=lambda pair: pair[0])
    if isinstance(thing, list | tuple):
        return type(thing).__qualname__, [_content(each, depth - 1) for each in thing]
    if isinstance(thing, set | frozenset):
        return type(thing).__qualname__, sorted(repr(each) for each in thing)
    parts: list[Any] = [type(thing).__qualname__]
    if isinstance(thing, partial):
        parts += [thing.func, thing.args, thing.keywords]
    elif isinstance(thing, MethodType):
        parts += [thing.__func__, thing.__self__]
    elif isinstance(thing, FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        code = marshal.dumps(thing.__code__)
        parts += [code, thing.__defaults__, thing.__kwdefaults__, cells, vars(thing)]
    elif isinstance(thing, type | BuiltinFunctionType | ModuleType):
        return getattr(thing, "__module__", None), thing.__name__
    elif type(thing).__repr__ is not object.__repr__:  # it says what it is, and no address
        return repr(thing)
    else:
        slots = [name for each in type(thing).__mro__ for name in getattr(each, "__slots__", ())]
        fields = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
        parts += [{**fields, **getattr(thing, "__dict__", {})}]
    return parts[0], [_content(each, depth - 1) for each in parts[1:]]
