"""Taper: each hidden layer of a perceptron is wider or narrower than the one before it.

    units of layer l = round(width * ratio^l), at least 1,    l = 0, 1, ...

With two layers, width and ratio say how many units each has.

Source: Masters 1993, "Practical Neural Network Recipes in C++" (the geometric pyramid).

Helps: many inputs and few outputs, where later layers need less room; smaller, faster models.
Does nothing: in a perceptron of one layer; in residual networks, whose stream has one width;
ratio 1 is the perceptron alone.
Conflicts: steps of a tapered network are not compiled whole, so small ones train several times
more slowly.
"""

from __future__ import annotations

from typing import Annotated

from shrinkage.ingredient import Structural, ingredient


@ingredient
class Taper:
    """ratio: units of a hidden layer over those of the one before it."""

    ratio: Annotated[float, Structural("(0, 16]", 0.25, 1.0, "log")] = 0.5


def taper(width: int, depth: int, ratio: float) -> list[int]:
    """Units of each of `depth` hidden layers, the first of which has `width`."""
    return [max(1, round(width * ratio**layer)) for layer in range(depth)]
