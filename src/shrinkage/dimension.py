"""A dimension of a space: what one role or one field may be, as numbers in [0, 1] and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from shrinkage.catalog import DEFAULTS, find, of_role
from shrinkage.errors import BadInput
from shrinkage.ingredient import Number, Scale, fields_of
from shrinkage.recipe import Recipe


@dataclass(frozen=True)
class Options:
    """A dimension of unordered options; option i is [i/k, (i+1)/k)."""

    values: tuple[Any, ...]

    def decode(self, u: float) -> Any:
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def encode(self, value: Any) -> float:
        return (self.values.index(value) + 0.5) / len(self.values)


@dataclass(frozen=True)
class Range:
    """A dimension of numbers. [0, off) is the neutral value, [off, 1] spreads over low..high."""

    low: float
    high: float
    scale: Scale = "linear"
    integer: bool = False
    off: float = 0.0
    neutral: float | None = None

    def decode(self, u: float) -> Any:
        if u < self.off and self.neutral is not None:
            return self.neutral
        share = (u - self.off) / (1 - self.off)
        ends = self._bend(self.low), self._bend(self.high)
        value = _readable(self._unbend(ends[0] + share * (ends[1] - ends[0])), self.scale)
        value = min(max(value, self.low), self.high)
        return round(value) if self.integer else value

    def encode(self, value: Any) -> float:
        if self.off and value == self.neutral:
            return self.off / 2
        low, high = self._bend(self.low), self._bend(self.high)
        share = (self._bend(min(max(value, self.low), self.high)) - low) / (high - low)
        return self.off + share * (1 - self.off)

    def _bend(self, value: float) -> float:
        if self.scale == "log":
            return math.log(value)
        return -math.log(1 - value) if self.scale == "complement" else value

    def _unbend(self, value: float) -> float:
        if self.scale == "log":
            return math.exp(value)
        return 1 - math.exp(-value) if self.scale == "complement" else value


@dataclass(frozen=True)
class Dimension:
    """path: a role ("normalization") or a field ("update.adam.lr").

    structural: whether members with different values cannot share a population.
    """

    path: str
    over: Options | Range
    structural: bool

    @property
    def is_role(self) -> bool:
        return "." not in self.path

    @property
    def ordered(self) -> bool:
        """Whether its values have a distance: a range, or options that are rising numbers."""
        if isinstance(self.over, Range):
            return True
        numbers = [v for v in self.over.values if isinstance(v, int | float) and v is not True]
        rising = list(self.over.values) == sorted(set(numbers))
        return len(numbers) == len(self.over.values) and rising


def _readable(value: float, scale: Scale) -> float:
    """Three digits that matter: people read and share these numbers."""
    if scale == "complement":
        return round(1 - float(f"{1 - value:.3g}"), 12)
    return float(f"{value:.3g}")


def choice(role: str, names: Any) -> Dimension:
    """The ingredients that may play a role, as a file names them. Raises BadInput."""
    known = {entry.name for entry in of_role(role)}
    if not known:
        raise BadInput(f"{role}: there is no such role in a recipe")
    allowed = known if role in DEFAULTS else known | {"none"}
    known_names = isinstance(names, list) and all(name in sorted(allowed) for name in names)
    if not names or not known_names:
        listed = ", ".join(sorted(allowed))
        raise BadInput(f"{role} = {names!r}: expected a list out of {listed}")
    return Dimension(role, Options(tuple(names)), any(e.structural for e in of_role(role)))


def variation(path: str, over: Any) -> Dimension:
    """What a field may be: options, or what a file says of a range. Raises BadInput."""
    parts = path.split(".")
    entry = find(parts[1] if len(parts) == 3 else path)
    field = next((f for f in fields_of(entry.kind) if f.name == parts[-1]), None)
    if len(parts) != 3 or entry.place != parts[0] or field is None:
        raise BadInput(f"'{path}' is not a path place.ingredient.field")
    # A field of an ingredient that may differ within a population may too, whatever its type.
    structural = entry.structural and not field.per_member
    number = field.number
    if isinstance(over, list) and over:
        if number is not None and not all(_allowed(number, value) for value in over):
            raise BadInput(f"{path} = {over}: expected values in {number.valid}")
        for value in over:
            Recipe().set({path: value})
        return Dimension(path, Options(tuple(over)), structural)
    if number is None or not isinstance(over, dict):
        raise BadInput(f"{path} = {over!r}: expected a list of options")
    integer = type(field.default) is int
    return Dimension(path, _range(path, over, number, integer), structural)


def _allowed(number: Number, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and number.allows(value)


def _range(path: str, over: dict[str, Any], number: Number, integer: bool) -> Range:
    given = {"low": number.low, "high": number.high, "scale": number.scale, "off": 0.0} | over
    if unknown := set(given) - {"low", "high", "scale", "off"}:
        raise BadInput(f"{path}: '{min(unknown)}' is not one of low, high, scale, off")
    low, high, scale, off = given["low"], given["high"], given["scale"], given["off"]
    if not (_allowed(number, low) and _allowed(number, high) and low < high < math.inf):
        raise BadInput(f"{path}: expected low < high within {number.valid}, got {low} and {high}")
    outside = (scale == "log" and low <= 0) or (scale == "complement" and high >= 1)
    if scale not in ("linear", "log", "complement") or outside:
        raise BadInput(f"{path}: scale = {scale!r} does not fit a range from {low} to {high}")
    if not isinstance(off, int | float) or not 0 <= off < 1 or (off and number.neutral is None):
        raise BadInput(f"{path}: off = {off} needs a neutral value and a share in [0, 1)")
    return Range(low, high, scale, integer, off, number.neutral)
