"""A space: which parts of a recipe a search may vary, and over what.

    base = "default"                               # what is not varied

    [choose]                                       # one ingredient of a role, or "none"
    normalization = ["none", "batch_norm"]

    [vary]                                         # a field: its options, or a range
    "network.mlp.width" = [128, 256]
    "update.adam.lr" = {}                          # the field's own search range
    "network.dropout.rate" = { high = 0.4, off = 0.3 }    # 30 % of samples leave it out

A field counts only where its ingredient is in the recipe: that is how conditions arise. Every
recipe of a space is a point of [0, 1]^d, one coordinate a dimension; coordinates of fields
that do not count are 0.5.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from shrinkage.catalog import CATALOG, DEFAULTS, entry_of, find, of_role
from shrinkage.errors import BadInput
from shrinkage.ingredient import Number, Scale, fields_of, switchable
from shrinkage.presets import named, read
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe, load

INACTIVE = 0.5


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


@dataclass(frozen=True)
class Space:
    """base: the recipe that is varied. dimensions: roles first, then fields."""

    base: Recipe
    dimensions: tuple[Dimension, ...]

    @cached_property
    def size(self) -> int:
        return len(self.dimensions)

    def decode(self, point: Sequence[float | None]) -> Recipe:
        """The recipe at a point of [0, 1]^d; a coordinate None leaves the base as it is.

        Raises ValueError for a point of another size.
        """
        if len(point) != self.size:
            raise ValueError(f"expected a point of {self.size} coordinates, got {len(point)}")
        recipe, chosen = self._chosen(point)
        values = {
            d.path: d.over.decode(u)
            for d, u in zip(self.dimensions, point, strict=True)
            if u is not None and not d.is_role and self._counts(d.path, recipe, chosen)
        }
        return recipe.set(values)

    def counting(self, point: Sequence[float | None]) -> list[bool]:
        """Which coordinates of a point count; those of fields need not be known for it."""
        recipe, chosen = self._chosen(point)
        excluded = _excluded(recipe)
        return [
            d.path not in excluded if d.is_role else self._counts(d.path, recipe, chosen)
            for d in self.dimensions
        ]

    def with_base(self) -> Space:
        """The space with the base's own options beside those it lists.

        A recipe keeps what its base has where a search leaves a choice alone.
        """
        values = self.base.values

        def own(dimension: Dimension) -> Any:
            if not dimension.is_role:
                return values.get(dimension.path)
            present = self.base.get(dimension.path)
            return "none" if present is None else entry_of(present).name

        def extended(dimension: Dimension) -> Dimension:
            over, value = dimension.over, own(dimension)
            if isinstance(over, Range) or value is None or value in over.values:
                return dimension
            options = (*over.values, value)
            numbers = all(isinstance(option, int | float) for option in options)
            return replace(dimension, over=Options(tuple(sorted(options)) if numbers else options))

        return replace(self, dimensions=tuple(map(extended, self.dimensions)))

    def encode(self, recipe: Recipe) -> list[float]:
        """The point of a recipe; values outside a range are moved to its nearest end.

        Raises BadInput where the recipe holds an option that the space does not.
        """
        values, chosen = recipe.values, {}
        point = []
        for dimension in self.dimensions:
            if dimension.path in _excluded(recipe):
                point.append(INACTIVE)
                continue
            if dimension.is_role:
                instance = recipe.get(dimension.path)
                value = chosen[dimension.path] = entry_of(instance).name if instance else "none"
            elif not self._counts(dimension.path, recipe, chosen):
                point.append(INACTIVE)
                continue
            else:
                value = values.get(dimension.path, _neutral(dimension.path))
            try:
                point.append(dimension.over.encode(value))
            except ValueError:
                raise BadInput(f"{dimension.path} = {value!r} is not in this space") from None
        return point

    def sample(self, seed: int, index: int, count: int = 1, *, keep: float = 0.0) -> list[Recipe]:
        """`count` random recipes of one signature; a pure function of its arguments.

        The structural coordinates are drawn once for all of them, the others for each.
        keep: the chance that a coordinate stays as it is in the base.
        """
        draws = Draws((seed,), index)

        def coordinates(stream: str, rows: int) -> list[list[float | None]]:
            u = draws.uniform(f"space.{stream}", (rows, self.size))[0]
            kept = draws.uniform(f"space.{stream}.keep", (rows, self.size))[0] < keep
            return [
                [None if k else value for value, k in zip(*pair, strict=True)]
                for pair in zip(u.tolist(), kept.tolist(), strict=True)
            ]

        (shared,), own = coordinates("structural", 1), coordinates("members", count)
        fixed = [dimension.structural for dimension in self.dimensions]
        return [
            self.decode([s if f else o for s, o, f in zip(shared, row, fixed, strict=True)])
            for row in own
        ]

    def check(self, task: str) -> None:
        """Whether every option makes a recipe for the task; a search must not find out midway.

        Raises BadInput that names the option that does not.
        """
        for place, dimension in enumerate(self.dimensions):
            if isinstance(dimension.over, Range):
                continue
            for value in dimension.over.values:
                point = [INACTIVE] * self.size
                point[place] = dimension.over.encode(value)
                self.decode(point).for_task(task)

    def _chosen(self, point: Sequence[float | None]) -> tuple[Recipe, dict[str, str]]:
        """The base with the ingredients that a point chooses, and their names by role."""
        recipe = self.base
        given = zip(self.dimensions, point, strict=True)
        chosen = {d.path: d.over.decode(u) for d, u in given if d.is_role and u is not None}
        for role, name in chosen.items():
            recipe = self._choose(recipe, role, name)
        return recipe, chosen

    def _choose(self, recipe: Recipe, role: str, name: str) -> Recipe:
        if name == "none":
            return recipe.without(role)
        present = recipe.get(role)
        if present is not None and entry_of(present).name == name:
            return recipe
        if role in _excluded(recipe):
            return recipe
        for excluded in CATALOG[name].excludes:
            recipe = recipe.without(excluded)
        return recipe.using(CATALOG[name].kind())

    def _counts(self, path: str, recipe: Recipe, chosen: dict[str, str]) -> bool:
        """Whether a field acts: its ingredient is there, or can be switched on.

        chosen: the ingredient of each role that a coordinate decided; it may still be neutral.
        """
        entry = CATALOG[path.split(".")[1]]
        present = recipe.get(entry.role)
        if present is not None:
            return entry_of(present).name == entry.name
        if not switchable(entry.kind) or entry.role in _excluded(recipe):
            return False
        if entry.role in chosen:
            return chosen[entry.role] == entry.name
        varied = {d.path.split(".")[1] for d in self.dimensions if not d.is_role}
        return {name for name in varied if CATALOG[name].role == entry.role} == {entry.name}

    @classmethod
    def from_toml(cls, text: str, name: str = "space") -> Space:
        """Raises BadInput that names the line's key, value and what would fit."""
        base = _document(text, name).get("base", "default")
        return cls(_base(base, name), dimensions_of(text, name))


def dimensions_of(text: str, name: str = "space") -> tuple[Dimension, ...]:
    """What a space's file varies, around whatever base. Raises BadInput as `Space.from_toml`."""
    document = _document(text, name)
    roles = [_role(key, value, name) for key, value in _section(document, "choose", name)]
    fields = [_field(key, value, name) for key, value in _section(document, "vary", name)]
    return *roles, *fields


def _document(text: str, name: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{name} is not valid TOML: {error}") from None
    if unknown := set(document) - {"base", "choose", "vary"}:
        raise BadInput(f"{name}: '{min(unknown)}' is not one of base, choose, vary")
    return document


def load_space(source: str | Path) -> Space:
    """A space from a ready one's name, or a TOML file."""
    return Space.from_toml(text_of(source), str(source))


def text_of(source: str | Path) -> str:
    """The TOML of a ready space, or of a person's file."""
    ready = named("spaces")
    if source in ready:
        return ready[str(source)].read_text("utf-8")
    if Path(source).is_file():
        return read(Path(source))
    raise BadInput(f"no space '{source}': it is neither a file nor one of {', '.join(ready)}")


def _section(document: dict[str, Any], key: str, name: str) -> Any:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise BadInput(f"{name}: {key} = {found!r}: write it as a table, [{key}]")
    return found.items()


def _base(source: Any, name: str) -> Recipe:
    if not isinstance(source, str):
        raise BadInput(f"{name}: base = {source!r}: expected the name of a recipe, or its file")
    try:
        return load(source)
    except BadInput as error:
        raise BadInput(f"{name}: base: {error}") from None


def _readable(value: float, scale: Scale) -> float:
    """Three digits that matter: people read and share these numbers."""
    if scale == "complement":
        return round(1 - float(f"{1 - value:.3g}"), 12)
    return float(f"{value:.3g}")


def _excluded(recipe: Recipe) -> set[str]:
    """Roles that something in the recipe does not work beside."""
    return {role for instance in recipe.ingredients for role in entry_of(instance).excludes}


def _neutral(path: str) -> Any:
    _, name, field = path.split(".")
    found = next(f for f in fields_of(CATALOG[name].kind) if f.name == field)
    number = found.number
    return number.neutral if number and number.neutral is not None else found.default


def _role(role: str, names: Any, source: str) -> Dimension:
    known = {entry.name for entry in of_role(role)}
    if not known:
        raise BadInput(f"{source}: [choose] {role}: there is no such role in a recipe")
    allowed = known if role in DEFAULTS else known | {"none"}
    known_names = isinstance(names, list) and all(name in sorted(allowed) for name in names)
    if not names or not known_names:
        listed = ", ".join(sorted(allowed))
        raise BadInput(f"{source}: [choose] {role} = {names!r}: expected a list out of {listed}")
    return Dimension(role, Options(tuple(names)), any(e.structural for e in of_role(role)))


def _field(path: str, over: Any, source: str) -> Dimension:
    parts = path.split(".")
    entry = find(parts[1] if len(parts) == 3 else path)
    field = next((f for f in fields_of(entry.kind) if f.name == parts[-1]), None)
    if len(parts) != 3 or entry.place != parts[0] or field is None:
        raise BadInput(f"{source}: [vary] '{path}' is not a path place.ingredient.field")
    # A field of an ingredient that may differ within a population may too, whatever its type.
    structural = entry.structural and not field.per_member
    number = field.number
    if isinstance(over, list) and over:
        if number is not None and not all(_allowed(number, value) for value in over):
            raise BadInput(f"{source}: [vary] {path} = {over}: expected values in {number.valid}")
        for value in over:
            try:
                Recipe().set({path: value})
            except BadInput as error:
                raise BadInput(f"{source}: [vary] {error}") from None
        return Dimension(path, Options(tuple(over)), structural)
    if number is None or not isinstance(over, dict):
        raise BadInput(f"{source}: [vary] {path} = {over!r}: expected a list of options")
    integer = type(field.default) is int
    return Dimension(path, _range(path, over, number, integer, source), structural)


def _allowed(number: Number, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and number.allows(value)


def _range(path: str, over: dict[str, Any], number: Number, integer: bool, source: str) -> Range:
    given = {"low": number.low, "high": number.high, "scale": number.scale, "off": 0.0} | over
    at = f"{source}: [vary] {path}"
    if unknown := set(given) - {"low", "high", "scale", "off"}:
        raise BadInput(f"{at}: '{min(unknown)}' is not one of low, high, scale, off")
    low, high, scale, off = given["low"], given["high"], given["scale"], given["off"]
    if not (_allowed(number, low) and _allowed(number, high) and low < high < math.inf):
        raise BadInput(f"{at}: expected low < high within {number.valid}, got {low} and {high}")
    outside = (scale == "log" and low <= 0) or (scale == "complement" and high >= 1)
    if scale not in ("linear", "log", "complement") or outside:
        raise BadInput(f"{at}: scale = {scale!r} does not fit a range from {low} to {high}")
    if not isinstance(off, int | float) or not 0 <= off < 1 or (off and number.neutral is None):
        raise BadInput(f"{at}: off = {off} needs a neutral value and a share in [0, 1)")
    return Range(low, high, scale, integer, off, number.neutral)
