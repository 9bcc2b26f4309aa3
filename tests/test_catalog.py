"""The catalog: every ingredient declares its numbers, its card, and finds its way by name."""

from __future__ import annotations

import inspect
import re

import pytest
import torch

from shrinkage.catalog import CATALOG, DEFAULTS, ENTRIES, Entry, entry_of, find, in_order, of_role
from shrinkage.errors import BadInput
from shrinkage.ingredient import PLACES, Field, Member, Number, fields_of, switchable

FIELDS = [(entry, field) for entry in ENTRIES for field in fields_of(entry.kind)]
NUMBERS = [(entry, field) for entry, field in FIELDS if field.number is not None]

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
each_number = pytest.mark.parametrize(("entry", "field"), NUMBERS, ids=lambda x: x.name)

# "Source: ..." or "Ba et al. 2016, ..." or "Kingma & Ba 2015": names and a year.
CITATION = re.compile(r"Source|[A-Z]\w+ (et al\.|& [A-Z]\w+) (19|20)\d\d|[A-Z]\w+ (19|20)\d\d")


@each_entry
def test_a_card_has_an_equation_a_source_and_says_when_it_helps(entry: Entry) -> None:
    card = entry.card
    assert CITATION.search(card), card
    assert re.search(r"^    \S", card, re.MULTILINE), "no indented equation"
    assert re.search(r"^(Helps|Does nothing|Conflicts): ", card, re.MULTILINE)
    assert all(len(line) <= 100 for line in card.splitlines())


@each_entry
def test_every_field_is_explained_beside_it(entry: Entry) -> None:
    text = f"{entry.card}\n{inspect.getdoc(entry.kind)}"
    for field in fields_of(entry.kind):
        assert re.search(rf"\b{field.name}\b(, \w+)*: ", text), field.name


@each_entry
def test_an_entry_is_well_formed(entry: Entry) -> None:
    assert entry.place in PLACES
    assert re.fullmatch(r"[a-z][a-z0-9_]*", entry.name)
    assert callable(entry.apply)
    assert entry_of(entry.kind()) is entry
    assert find(entry.name) is entry
    assert entry in of_role(entry.role)


@each_number
def test_a_number_declares_a_default_and_a_search_range_within_what_is_valid(
    entry: Entry, field: Field
) -> None:
    number = field.number
    assert number is not None
    assert number.allows(field.default)
    assert number.allows(number.low)
    assert number.allows(number.high)
    assert number.low < number.high
    assert number.neutral is None or number.allows(number.neutral)
    assert number.scale != "log" or number.low > 0
    assert number.scale != "complement" or number.high < 1


@pytest.mark.parametrize(("entry", "field"), FIELDS, ids=lambda x: x.name)
def test_a_field_is_a_declared_number_or_a_choice(entry: Entry, field: Field) -> None:
    assert field.number is not None or field.choices or isinstance(field.default, bool)
    is_number = isinstance(field.default, (int, float)) and not isinstance(field.default, bool)
    assert is_number == (field.number is not None)


@each_number
def test_only_valid_numbers_are_accepted(entry: Entry, field: Field) -> None:
    number = field.number
    assert number is not None
    lower, upper, closed_below, closed_above = number.bounds
    whole = isinstance(field.default, int)
    outside = [
        (lower, closed_below),
        (upper, closed_above),
        (lower - 1, False),
        (upper + 1, upper == torch.inf and closed_above),
        (float("nan"), False),
    ]
    for value, accepted in outside:
        value = int(value) if whole and abs(value) < 1e9 else value
        assert _accepts(entry, field, value) == accepted, value


def _accepts(entry: Entry, field: Field, value: float) -> bool:
    try:
        entry.kind(**{field.name: value})
    except ValueError:
        return False
    return True


def test_names_are_unique_and_places_stand_in_the_order_of_a_step() -> None:
    assert len(CATALOG) == len(ENTRIES) == len({entry.kind for entry in ENTRIES})
    places = [PLACES.index(entry.place) for entry in ENTRIES]
    assert places == sorted(places)
    by_role = {role: {e.place for e in ENTRIES if e.role == role} for role in DEFAULTS}
    assert all(len(places) == 1 for places in by_role.values())


def test_what_is_excluded_is_a_role_that_a_recipe_may_leave_open() -> None:
    roles = {entry.role for entry in ENTRIES}
    for entry in ENTRIES:
        assert set(entry.excludes) <= roles - set(DEFAULTS) - {entry.role}


def test_defaults_fill_their_own_role() -> None:
    for role, instance in DEFAULTS.items():
        assert entry_of(instance).role == role
    assert in_order(reversed(tuple(DEFAULTS.values()))) == in_order(DEFAULTS.values())


def test_what_the_issue_names_can_be_switched() -> None:
    """Off is a value for all of these, so their arms share a population."""
    named = "dropout mixup input_noise label_smoothing class_weight l1 l2 decay clip_norm"
    named += " clip_value ema early_stopping warmup layer_dropout drop_connect activation_noise"
    named += " stochastic_depth shake_drop shake_shake"
    found = {entry.name for entry in ENTRIES if switchable(entry.kind)}
    assert set(named.split()) <= found


@pytest.mark.parametrize(
    ("name", "near"), [("dropuot", "dropout"), ("adamw", "adam"), ("cosin", "cosine")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(BadInput, match=f"'{name}'; did you mean .*{near}"):
        find(name)


def test_a_stranger_is_not_an_ingredient() -> None:
    with pytest.raises(TypeError, match="not an ingredient"):
        entry_of(Number("[0, 1]", 0, 1))
    assert not isinstance(Member("[0, 1]", 0, 1), type)
