"""Ingredients that cannot change anything on this table: a person who asked for one is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shrinkage.catalog import entry_of
from shrinkage.nets.table import TableShape


def without_effect(asked: Iterable[Any], task: str, shape: TableShape) -> list[str]:
    """One sentence for each ingredient asked for that changes nothing here."""
    reasons: dict[str, str] = {}
    if task == "regression":
        reasons["classes"] = "acts on classes, and this is a regression"
    else:
        reasons["numbers to predict"] = "acts on numbers to predict, and these are classes"
    if shape.numbers == 0:
        reasons["numeric columns"] = "acts on numeric columns, and there are none"
    entries = [entry_of(instance) for instance in asked]
    return [
        f"{entry.name} changes nothing: it {reasons[entry.only]}."
        for entry in entries
        if entry.only in reasons
    ]
