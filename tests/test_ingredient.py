"""What an ingredient is made of: declared numbers, strict checks, neutral values."""

from __future__ import annotations

import dataclasses
from math import inf, nan
from typing import Annotated, Literal

import pytest
from pydantic import ValidationError

from shrinkage.errors import BadInput
from shrinkage.ingredient import (
    Member,
    MemberChoice,
    Number,
    Structural,
    fields_of,
    ingredient,
    is_neutral,
    neutral,
    switchable,
)
from shrinkage.nets.activation import Elu
from shrinkage.optim.adam import Adam
from shrinkage.recipe import Recipe


@ingredient
class Salt:
    """grams: of salt. kind: of salt. stirred: or not. grains: how fine."""

    grams: Annotated[float, Member("[0, 10)", 0.1, 5.0, "log", neutral=0.0, unit="g")] = 1.0
    kind: Literal["sea", "rock"] = "sea"
    stirred: bool = False
    grains: Annotated[int, Structural("[1, inf)", 1, 9)] = 3


@ingredient
class Pepper:
    """grams: of pepper. heat: of it."""

    grams: Annotated[float, Member("[0, inf)", 0.0, 1.0, neutral=0.0)] = 0.0
    heat: Annotated[float, Member("(0, 1]", 0.1, 1.0)] = 0.5


@ingredient
class Sugar:
    """grams: of sugar. kind: of sugar, to each member its own."""

    grams: Annotated[float, Member("[0, inf)", 0.0, 1.0, neutral=0.0)] = 0.0
    kind: Annotated[Literal["brown", "white"], MemberChoice()] = "brown"


@ingredient
class Bread:
    """slices: of bread, none of which is nothing."""

    slices: Annotated[float, Member("(0, inf)", 1.0, 4.0)] = 2.0


@ingredient
class Water:
    """No hyperparameters."""


INTERVALS = [
    ("[0, 1]", [0, 0.5, 1], [-1e-9, 1.0000001, nan, inf]),
    ("(0, 1)", [1e-40, 0.5, 1 - 1e-7], [0, 1, nan]),
    ("[0, inf)", [0, 3e38], [inf, -1e-300, nan, 10**400]),
    ("(0, inf]", [1e-40, inf], [0, -inf, nan, 10**400]),
    ("[-2, 3)", [-2, 2.999], [3, -2.001]),
]


@pytest.mark.parametrize(("valid", "inside", "outside"), INTERVALS)
def test_an_interval_is_what_it_reads(valid: str, inside: list, outside: list) -> None:
    number = Number(valid, 0, 1)
    assert all(number.allows(value) for value in inside)
    assert not any(number.allows(value) for value in outside)


@pytest.mark.parametrize(
    ("valid", "inside", "outside"),
    [
        ("[0, 1)", [0.0, 0.9999999], [0.99999999, 1 - 1e-16]),
        ("(0, inf)", [1e-40, 3e38], [1e-50, 1e39]),
        ("(0, inf]", [1e39, inf], [1e-50]),
        ("[0, 0.3]", [0.3, 0.1 + 0.2 - 1e-16], [0.1 + 0.2, 0.31]),
    ],
)
def test_a_number_stays_within_its_interval_in_float32(
    valid: str, inside: list, outside: list
) -> None:
    """As training has it: a decay of 1 - 1e-8 is 1 there, and Adam would divide by 1 - 1."""
    for number in (Member(valid, 0, 1), Structural(valid, 0, 1)):
        assert all(number.allows(value) for value in inside)
        assert not any(number.allows(value) for value in outside)
    with pytest.raises(ValidationError, match=r"0.99999999 is outside \[0, 1\) in float32"):
        Adam(beta2=0.99999999)
    with pytest.raises(ValidationError, match=r"outside \(0, inf\) in float32"):
        Elu(alpha=1e39)
    with pytest.raises(BadInput, match=r"minibatch.epochs = 10+: 10+ is outside \[1, inf\)"):
        Recipe().set({"data.minibatch.epochs": 10**400})


REFUSED = [
    {"grams": 10.0},
    {"grams": -1.0},
    {"grams": nan},
    {"grams": "1"},
    {"grams": True},
    {"grams": None},
    {"grams": [1.0]},
    {"kind": "table"},
    {"stirred": 1},
    {"stirred": "yes"},
    {"grains": 2.0},
    {"grains": 0},
    {"grains": True},
    {"sugar": 1.0},
]


@pytest.mark.parametrize("values", REFUSED, ids=str)
def test_a_wrong_type_range_or_name_is_refused(values: dict) -> None:
    with pytest.raises(ValidationError) as caught:
        Salt(**values)
    (field,) = values
    assert caught.value.errors()[0]["loc"][0] == field


def test_an_ingredient_is_frozen_and_equal_by_value() -> None:
    salt = Salt(grams=2)
    assert isinstance(salt.grams, float)
    assert salt == Salt(grams=2.0)
    assert hash(salt) == hash(Salt(grams=2.0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        salt.grams = 3.0


def test_fields_say_what_they_declare() -> None:
    grams, kind, stirred, grains = fields_of(Salt)
    assert (grams.name, grams.default, grams.per_member) == ("grams", 1.0, True)
    assert grams.number == Member("[0, 10)", 0.1, 5.0, "log", neutral=0.0, unit="g")
    assert (kind.choices, kind.number, kind.per_member) == (("sea", "rock"), None, False)
    assert (stirred.choices, stirred.number) == (None, None)
    sweet = fields_of(Sugar)[1]
    assert (sweet.choices, sweet.number, sweet.per_member) == (("brown", "white"), None, True)
    assert [sweet.as_number(kind) for kind in ("brown", "white")] == [0, 1]
    assert grams.as_number(0.3) == 0.3
    assert (grains.per_member, grains.choices) == (False, None)


def test_an_ingredient_can_be_switched_if_off_is_a_value_of_its_members() -> None:
    assert switchable(Pepper)
    assert switchable(Sugar)
    assert is_neutral(Sugar(kind="white"))
    assert not switchable(Salt)  # its structure has no off
    assert not switchable(Bread)  # no neutral value
    assert not switchable(Water)  # nothing to set


def test_neutral_sets_what_has_a_neutral_value_and_only_that() -> None:
    assert neutral(Pepper) == Pepper(grams=0.0, heat=0.5)
    assert is_neutral(Pepper(grams=0.0, heat=0.9))
    assert not is_neutral(Pepper(grams=0.1))
    assert not is_neutral(Salt(grams=0.0))
    assert not is_neutral(Water())
