"""What cannot change anything, on this table or in this network: ingredients, rates of layers.

A person who asked for one is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shrinkage.catalog import entry_of
from shrinkage.nets.layer_dropout import LayerDropout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe
from shrinkage.wording import count

_IN_LAYERS = ("normalization", "activation", "drop_connect", "activation_noise", "dropout")
"""Roles that act in the hidden layers of a perceptron only."""


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
    if getattr(network, "depth", 0) < 2:
        reasons["taper"] = "acts on a perceptron's second hidden layer, and the network has none"
    elif (taper := recipe.get("taper")) and taper.ratio == 1:
        reasons["taper"] = "leaves all layers as wide as the first"
    if getattr(network, "depth", 1) == 0:
        reasons |= dict.fromkeys(_IN_LAYERS, "acts in hidden layers, and the network has none")
    elif getattr(network, "blocks", 1) == 0:
        reasons["dropout"] = "acts within residual blocks, and the network has none"
    entries = [entry_of(instance) for instance in asked]
    told = [(entry.name, reasons.get(entry.only) or reasons.get(entry.role)) for entry in entries]
    return [
        f"{name} changes nothing: it {reason}."
        for name, reason in told
        if reason and name != "layer_dropout"  # its rates are told one by one
    ]


def rates_without_effect(asked: Iterable[Any], recipe: Recipe) -> list[str]:
    """One sentence for each rate of `layer_dropout` whose layer the network does not have."""
    network = recipe.get("architecture")
    perceptron = isinstance(network, Mlp)
    layers = network.depth if perceptron else network.blocks
    there = count(layers, "hidden layer" if perceptron else "residual block")
    return [
        f"layer_dropout.layer{layer} changes nothing: the network has {there}."
        for each in asked
        if isinstance(each, LayerDropout)
        for layer, rate in enumerate((each.layer1, each.layer2, each.layer3, each.layer4), 1)
        if rate and layer > layers
    ]
