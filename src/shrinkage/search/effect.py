"""Ingredients that cannot change anything on this table: a person who asked for one is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shrinkage.catalog import entry_of
from shrinkage.nets.table import TableShape

_CLASSES = "acts on classes, and this is a regression"
_NUMBERS = "acts on numeric columns, and there are none"


def without_effect(asked: Iterable[Any], task: str, shape: TableShape) -> list[str]:
    """One sentence for each ingredient asked for that changes nothing here."""
    reasons: dict[str, str] = {}
    if task == "regression":
        reasons |= dict.fromkeys(("label_smoothing", "class_weight"), _CLASSES)
    if shape.numbers == 0:
        reasons |= dict.fromkeys(("input_noise", "periodic", "piecewise_linear"), _NUMBERS)
    names = [entry_of(instance).name for instance in asked]
    return [f"{name} changes nothing: it {reasons[name]}." for name in names if name in reasons]
