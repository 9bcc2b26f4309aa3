"""A space: which parts of a recipe a search may vary, and over what.

    base = "default"                               # what is not varied

    [choose]                                       # one ingredient of a role, or "none"
    normalization = ["none", "batch_norm"]

    [vary]                                         # a field: its options, or a range
    "network.mlp.width" = [128, 256]
    "update.adam.lr" = {}                          # the field's own search range
    "network.dropout.rate" = { high = 0.4, off = 0.3 }    # 30 % of draws leave it out

A field counts only where its ingredient is in the recipe: that is how conditions arise. Every
recipe of a space is a point of [0, 1]^d, one coordinate a dimension; coordinates of fields
that do not count are 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from shrinkage.catalog import CATALOG, entry_of
from shrinkage.dimension import Dimension, Options, Range, choice, variation
from shrinkage.errors import BadInput
from shrinkage.ingredient import fields_of, switchable
from shrinkage.presets import named, parsed, read
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe, load

INACTIVE = 0.5


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
    roles, fields = (_section(document, key, name) for key in ("choose", "vary"))
    with _told(f"{name}: [choose] "):
        found = [choice(key, value) for key, value in roles]
    with _told(f"{name}: [vary] "):
        return *found, *(variation(key, value) for key, value in fields)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What is wrong within is told with where it stands."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{where}{error}") from None


def _document(text: str, name: str) -> dict[str, Any]:
    document = parsed(text, name)
    if unknown := set(document) - {"base", "choose", "vary"}:
        raise BadInput(f"{name}: '{min(unknown)}' is not one of base, choose, vary")
    return document


def load_space(source: str | Path) -> Space:
    """A space from a ready one's name, a TOML file, or TOML itself."""
    return Space.from_toml(text_of(source), "space" if "\n" in str(source) else str(source))


def text_of(source: str | Path) -> str:
    """The TOML of a ready space, of a person's file, or what is TOML already: it has lines."""
    ready = named("spaces")
    if "\n" in str(source):
        return str(source)
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


def _excluded(recipe: Recipe) -> set[str]:
    """Roles that something in the recipe does not work beside."""
    return {role for instance in recipe.ingredients for role in entry_of(instance).excludes}


def _neutral(path: str) -> Any:
    _, name, field = path.split(".")
    found = next(f for f in fields_of(CATALOG[name].kind) if f.name == field)
    return found.default if found.neutral is None else found.neutral
