"""What an ingredient is made of: frozen dataclasses whose numbers declare themselves.

An ingredient is one named element of a recipe (dropout, adam, cosine, mixup). Its file
holds a pure function and a frozen dataclass of hyperparameters; the catalog joins the two
with a name and a place. A number declares unit, valid interval, search range, scale and
neutral value once, in its annotation:

    eps: Annotated[float, Member(valid="[0, 1)", low=0.0, high=0.2, neutral=0.0)] = 0.0

`Member` numbers may differ between the members of one population and become tensors [M].
`Structural` numbers decide shapes; members of one population share them. A choice by name is
structural too, unless it is marked with `MemberChoice`:

    watch: Annotated[Literal["validation", "training"], MemberChoice()] = "validation"
"""

from __future__ import annotations

import dataclasses
from ctypes import c_float
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, dataclass_transform, get_args, get_type_hints

from pydantic import ConfigDict, GetCoreSchemaHandler
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import PydanticCustomError, core_schema

Place = Literal["data", "augment", "network", "loss", "gradient", "update", "average", "stop"]
PLACES: tuple[Place, ...] = get_args(Place)

Scale = Literal["linear", "log", "complement"]


@dataclass(frozen=True)
class Number:
    """A declared number.

    valid: interval of allowed values, such as "[0, 1)" or "(0, inf)".
    low, high: the range a search looks at, within `valid`.
    scale: how the search spreads over that range; "complement" is log in 1 - value, for
        decays near 1.
    neutral: the value at which the ingredient does nothing; None where there is none.
    unit: what the number counts ("epochs", "share of steps"); "" for a pure number.
    """

    valid: str
    low: float
    high: float
    scale: Scale = "linear"
    neutral: float | None = None
    unit: str = ""

    @property
    def bounds(self) -> tuple[float, float, bool, bool]:
        """(lower, upper, lower is allowed, upper is allowed)."""
        lower, upper = (float(part) for part in self.valid[1:-1].split(","))
        return lower, upper, self.valid[0] == "[", self.valid[-1] == "]"

    def allows(self, value: float) -> bool:
        """Also in float32, in which training has it: there 0.99999999 is 1, and 1e39 infinite."""
        lower, upper, closed_below, closed_above = self.bounds
        if not _within(value, lower, upper, closed_below, closed_above):
            return False
        try:
            value, lower, upper = (c_float(each).value for each in (value, lower, upper))
        except OverflowError:  # a whole number without end
            return False
        return _within(value, lower, upper, closed_below, closed_above)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        def inside(value: float) -> float:
            if not self.allows(value):
                hint = " in float32" if _within(value, *self.bounds) else ""
                about = {"value": value, "valid": self.valid + hint}
                raise PydanticCustomError("outside", "{value} is outside {valid}", about)
            return value

        return core_schema.no_info_after_validator_function(inside, handler(source))


class Member(Number):
    """A number that may differ between the members of a population."""


class Structural(Number):
    """A number that decides shapes; equal for all members of a population."""


def _within(
    value: float, lower: float, upper: float, closed_below: bool, closed_above: bool
) -> bool:
    above = value >= lower if closed_below else value > lower
    below = value <= upper if closed_above else value < upper
    return above and below and value == value


@dataclass(frozen=True)
class MemberChoice:
    """Marks a choice that may differ between the members of a population.

    Functions get its place among the options as a number, [M].
    """


Kind = TypeVar("Kind", bound=type)


@dataclass_transform(frozen_default=True)
def ingredient(cls: Kind) -> Kind:
    """Make a frozen, strictly validated dataclass: wrong type, range or name is an error."""
    config = ConfigDict(strict=True, extra="forbid")
    return pydantic_dataclass(frozen=True, config=config)(cls)  # pyright: ignore


@dataclass(frozen=True)
class Field:
    """One hyperparameter of an ingredient: its name, default, and what it may be.

    per_member: whether members of one population may differ in it.
    """

    name: str
    default: Any
    number: Number | None
    choices: tuple[Any, ...] | None
    per_member: bool

    @property
    def neutral(self) -> float | None:
        """The value at which it does nothing; None where there is none."""
        return None if self.number is None else self.number.neutral

    def as_number(self, value: Any) -> float:
        """The value; of a choice, its place among the options."""
        return self.choices.index(value) if self.choices else value


@cache
def fields_of(kind: type) -> tuple[Field, ...]:
    """The declared hyperparameters of an ingredient class, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_field(field, hints[field.name]) for field in dataclasses.fields(kind))


def _field(field: dataclasses.Field, hint: Any) -> Field:
    marks = getattr(hint, "__metadata__", ())
    number = next((mark for mark in marks if isinstance(mark, Number)), None)
    choices = get_args(hint.__origin__ if marks else hint) or None
    per_member = any(isinstance(mark, Member | MemberChoice) for mark in marks)
    return Field(field.name, field.default, number, choices, per_member)


def structure(instance: Any) -> dict[str, Any]:
    """The numbers and choices of an ingredient that members of one population share."""
    return {
        field.name: getattr(instance, field.name)
        for field in fields_of(type(instance))
        if not field.per_member
    }


def switchable(kind: type) -> bool:
    """Whether leaving the ingredient out equals setting its numbers to their neutral values.

    Then its on and off arms share a population: absence is a value, not a structure.
    """
    fields = fields_of(kind)
    return all(field.per_member for field in fields) and any(
        field.neutral is not None for field in fields
    )


def neutral(kind: type) -> Any:
    """The instance that does nothing: every number with a neutral value is set to it."""
    return kind(**{f.name: f.neutral for f in fields_of(kind) if f.neutral is not None})


def is_neutral(instance: Any) -> bool:
    """Whether every number that has a neutral value stands at it."""
    return switchable(type(instance)) and all(
        getattr(instance, field.name) == field.neutral
        for field in fields_of(type(instance))
        if field.neutral is not None
    )
