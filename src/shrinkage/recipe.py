"""A recipe: everything that decides how a network is trained, as a set of ingredients.

    recipe = Recipe(Mlp(width=256), Dropout(rate=0.1), Adam(lr=1e-3), Decay(weight_decay=0.01))
    recipe.to_toml();  Recipe.from_toml(text);  recipe.hash;  recipe.signature

A recipe is kept in normal form: ingredients in the order of the catalog, roles left open
filled by the catalog's defaults, ingredients at their neutral value left out. So two recipes
that train alike are equal, and have one hash.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from shrinkage.catalog import CATALOG, DEFAULTS, Entry, entry_of, find, in_order
from shrinkage.errors import BadInput
from shrinkage.ingredient import PLACES, fields_of, is_neutral, structure, switchable
from shrinkage.presets import named, parsed, read

Values = dict[str, Any]
"""Hyperparameters by path, such as {"update.adam.lr": 1e-3}."""


@dataclass(frozen=True, init=False)
class Recipe:
    """A set of ingredients in normal form.

    Raises TypeError for what is not an ingredient, BadInput for two of one role, and for two
    of which one excludes the other.
    """

    ingredients: tuple[Any, ...]

    def __init__(self, *ingredients: Any) -> None:
        by_role: dict[str, Any] = {}
        for instance in ingredients:
            entry = entry_of(instance)
            if entry.role in by_role:
                other = entry_of(by_role[entry.role]).name
                raise BadInput(
                    f"a recipe has one {entry.role}: keep either {other} or {entry.name}"
                )
            by_role[entry.role] = instance
        kept = [i for i in {**DEFAULTS, **by_role}.values() if not is_neutral(i)]
        _check_together(kept)
        object.__setattr__(self, "ingredients", in_order(kept))

    def get(self, role: str) -> Any:
        """The ingredient with this role ("optimizer", "dropout"), or None."""
        return self._by_role.get(role)

    @cached_property
    def _by_role(self) -> dict[str, Any]:
        return {entry_of(i).role: i for i in self.ingredients}

    @property
    def batch_size(self) -> int:
        return self.get("batches").batch_size

    @property
    def epochs(self) -> int:
        return self.get("batches").epochs

    def using(self, *ingredients: Any) -> Recipe:
        """This recipe with these ingredients, each in place of the one of its role."""
        roles = {entry_of(i).role for i in ingredients}
        kept = [i for i in self.ingredients if entry_of(i).role not in roles]
        return Recipe(*kept, *ingredients)

    def without(self, role: str) -> Recipe:
        """This recipe with the role left open (its default, or nothing)."""
        return Recipe(*(i for i in self.ingredients if entry_of(i).role != role))

    def for_task(self, task: str) -> Recipe:
        """This recipe with a loss that fits the task, without what acts on the other task only.

        Raises BadInput where the recipe names a loss of the other task.
        """
        name = {"classification": "cross_entropy", "regression": "squared_error"}[task]
        foreign = "classes" if task == "regression" else "numbers to predict"
        kept = [i for i in self.ingredients if entry_of(i).only != foreign]
        if len(kept) < len(self.ingredients):
            return Recipe(*kept).for_task(task)
        loss = self.get("loss")
        if loss is None:
            return self.using(CATALOG[name].kind())
        if (entry_of(loss).name == "cross_entropy") != (task == "classification"):
            raise BadInput(
                f"the recipe's loss {entry_of(loss).name} cannot train a {task}; "
                f"leave the loss out, or use {name}"
            )
        return self

    @property
    def values(self) -> Values:
        """Every hyperparameter by path; an ingredient without any appears as {path: True}."""
        found: Values = {}
        for instance in self.ingredients:
            entry = entry_of(instance)
            path = f"{entry.place}.{entry.name}"
            fields = dataclasses.asdict(instance)
            found |= {f"{path}.{name}": value for name, value in fields.items()} or {path: True}
        return found

    def set(self, values: Values) -> Recipe:
        """This recipe with other values; ingredients not yet in it are added with defaults.

        values: by path, as `values` has them: of an ingredient without fields {path: True}.
        Raises BadInput for unknown paths and values outside their range.
        """
        changed: dict[str, dict[str, Any]] = {}
        for path, value in values.items():
            name, field = _parse(path)
            numbers = changed.setdefault(name, {})
            if field is not None:
                numbers[field] = value
            elif value is not True:
                raise BadInput(f"{path} = {value!r}: {name} has no fields; say True")
        present = {entry_of(i).name: dataclasses.asdict(i) for i in self.ingredients}
        made = [
            _make(CATALOG[name], {**present.get(name, {}), **fields}, "recipe")
            for name, fields in changed.items()
        ]
        return self.using(*made)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits; equal for equal recipes, on every machine.

        Those of a version in which an ingredient has one more number differ.
        """
        text = json.dumps(self.values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def signature(self) -> str:
        """What members of one population must share: ingredients and structural numbers.

        Per-member numbers, ingredients that have a neutral value, and choices that only
        decide initial weights, rates over time or stopping are not part of it.
        """
        shared: dict[str, Any] = {}
        for instance in self.ingredients:
            entry = entry_of(instance)
            if entry.structural and not switchable(entry.kind):
                shared[entry.name] = structure(instance)
        return json.dumps(shared, sort_keys=True)

    def diff(self, other: Recipe) -> list[tuple[str, Any, Any]]:
        """(path, here, there) for every value that differs; None where there is none."""
        here, there = self.values, other.values
        paths = list(dict.fromkeys([*here, *there]))
        return [(p, here.get(p), there.get(p)) for p in paths if here.get(p) != there.get(p)]

    def to_toml(self) -> str:
        document: dict[str, dict[str, Any]] = {}
        for instance in self.ingredients:
            entry = entry_of(instance)
            document.setdefault(entry.place, {})[entry.name] = dataclasses.asdict(instance)
        return tomli_w.dumps(document)

    @classmethod
    def from_toml(cls, text: str, name: str = "recipe") -> Recipe:
        """Raises BadInput that names place, ingredient, field, value and range."""
        made = []
        for place, section in parsed(text, name).items():
            _check_place(place, section, name)
            for key, values in section.items():
                entry = _found(key, name)
                if entry.place != place:
                    raise BadInput(f"{name}: {key} belongs to [{entry.place}], not to [{place}]")
                if not isinstance(values, dict):
                    raise BadInput(
                        f"{name}: write {key} as a table, [{place}.{key}], with its fields below"
                    )
                made.append(_make(entry, values, name))
                _check_on(entry, made[-1], values, name)
        try:
            return cls(*made)
        except BadInput as error:
            raise BadInput(f"{name}: {error}") from None

    def __str__(self) -> str:
        return self.to_toml()


def _check_together(instances: list[Any]) -> None:
    entries = [entry_of(instance) for instance in instances]
    for entry in entries:
        for other in entries:
            if other.role in entry.excludes:
                raise BadInput(
                    f"{entry.name} does not work beside {other.name}; keep one of them "
                    f"(`shrinkage ingredients {entry.name}` says why)"
                )


def load(source: str | Path | Recipe) -> Recipe:
    """A recipe from a preset's name, TOML, a file of it, or a folder that holds a recipe.toml."""
    if isinstance(source, Recipe):
        return source
    if "\n" in str(source):
        return Recipe.from_toml(str(source))
    ready = named()
    if source in ready:
        return Recipe.from_toml(ready[str(source)].read_text("utf-8"), str(source))
    path = Path(source)
    for candidate in (path / "model" / "recipe.toml", path / "recipe.toml", path):
        if candidate.is_file():
            return Recipe.from_toml(read(candidate), str(candidate))
    raise BadInput(
        f"no recipe '{source}': it is neither a file, nor a folder with a recipe.toml, nor one "
        f"of the presets {', '.join(ready)}"
    )


def _check_place(place: str, section: Any, name: str) -> None:
    if place not in PLACES:
        near = difflib.get_close_matches(place, PLACES, n=1, cutoff=0.4)
        hint = f"did you mean [{near[0]}]?" if near else f"the places are {', '.join(PLACES)}"
        raise BadInput(f"{name}: there is no place '{place}' in a recipe; {hint}")
    if not isinstance(section, Mapping):
        raise BadInput(
            f"{name}: {place} = {section!r}: a place holds ingredients, each a table such as "
            f"[{place}.{next(e.name for e in CATALOG.values() if e.place == place)}]"
        )


def _found(key: str, name: str) -> Entry:
    try:
        return find(key)
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None


def _parse(path: str) -> tuple[str, str | None]:
    """'update.adam.lr' -> ('adam', 'lr'), checked; 'network.relu', which has no field: no field."""
    parts = path.split(".")
    if len(parts) != 3 and not (len(parts) == 2 and parts[0] in PLACES):
        raise BadInput(f"'{path}' is not a path; write place.ingredient.field")
    place, name = parts[:2]
    entry = find(name)
    if entry.place != place:
        raise BadInput(f"'{path}': {entry.name} belongs to {entry.place}")
    if len(parts) == 3:
        return name, parts[2]
    if fields := fields_of(entry.kind):
        raise BadInput(f"'{path}' is not a path; write {path}.{fields[0].name}")
    return name, None


def _check_on(entry: Entry, made: Any, values: Mapping[str, Any], name: str) -> None:
    """Raises BadInput where an ingredient was asked for, and not told the number that it is off
    without."""
    wanted = [f.name for f in fields_of(entry.kind) if f.neutral is not None]
    if is_neutral(made) and not set(wanted) & set(values):
        raise BadInput(
            f"{name}: [{entry.place}.{entry.name}] does nothing without {' or '.join(wanted)}; "
            "give it a value, or leave the table out"
        )


def _make(entry: Entry, values: Mapping[str, Any], name: str) -> Any:
    try:
        return entry.kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = first["loc"][0] if first["loc"] else ""
        at = f"{name}: {entry.place}.{entry.name}.{field}"
        known = {f.name: f for f in fields_of(entry.kind)}
        if field not in known:
            listed = ", ".join(known) or "no fields"
            raise BadInput(f"{at} does not exist; {entry.name} has {listed}") from None
        number = known[str(field)].number
        wanted = f"expected a value in {number.valid}" if number else "see its card"
        raise BadInput(f"{at} = {first['input']!r}: {first['msg']}; {wanted}") from None
