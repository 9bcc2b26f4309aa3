"""Ingredients that cannot change anything, on this table or in this network.

A person who asked for one is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shrinkage.catalog import entry_of
from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe


def without_effect(asked: Iterable[Any], recipe: Recipe, task: str, shape: TableShape) -> list[str]:
    """One sentence for each ingredient asked for that changes nothing in this recipe, here."""
    reasons: dict[str, str] = {}
    if task == "regression":
        reasons["classes"] = "acts on classes, and this is a regression"
    else:
        reasons["numbers to predict"] = "acts on numbers to predict, and these are classes"
    if shape.numbers == 0:
        reasons["numeric columns"] = "acts on numeric columns, and there are none"
    network = recipe.get("architecture")
    if getattr(network, "blocks", 0) == 0:
        reasons["residual blocks"] = "acts on residual blocks, and the network has none"
    if getattr(network, "blocks", 0) == 0 or getattr(network, "branches", 1) < 2:
        reasons["two residual branches"] = (
            "acts on two residual branches, and no block of the network has two"
        )
    entries = [entry_of(instance) for instance in asked]
    return [
        f"{entry.name} changes nothing: it {reasons[entry.only]}."
        for entry in entries
        if entry.only in reasons
    ]
