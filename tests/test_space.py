"""A space: points and recipes are two ways to say the same, and every coordinate matters."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shrinkage.catalog import entry_of
from shrinkage.dimension import Options, Range
from shrinkage.errors import BadInput
from shrinkage.recipe import load
from shrinkage.space import INACTIVE, Space, load_space

TABULAR = load_space("tabular")
OPTIMIZERS = Space.from_toml("""
base = "default"
[choose]
optimizer = ["adam", "schedule_free"]
decay = ["none", "decay", "independent_decay"]
[vary]
"update.decay.weight_decay" = { off = 0.2 }
"update.independent_decay.weight_decay" = {}
"update.schedule_free.beta1" = {}
"update.max_norm.limit" = { off = 0.5 }
"average.ema.decay" = { off = 0.2 }
""")
unit = st.floats(0, 1, exclude_max=True)

RANGES = [
    Range(0.0, 0.5),
    Range(1e-4, 1.0, "log"),
    Range(0.9, 0.9999, "complement"),
    Range(1, 9, "log", integer=True),
    Range(0.0, 0.4, off=0.3, neutral=0.0),
    Range(1e-3, 1.0, "log", off=0.5, neutral=0.0),
]


@pytest.mark.parametrize("over", RANGES, ids=str)
@given(u=unit)
def test_a_range_decodes_within_its_ends_and_back(over: Range, u: float) -> None:
    value = over.decode(u)
    assert over.low <= value <= over.high or value == over.neutral
    assert over.decode(over.encode(value)) == pytest.approx(value, rel=1e-3)
    assert isinstance(value, int) == over.integer


@pytest.mark.parametrize("over", RANGES, ids=str)
def test_a_range_grows_and_reaches_its_ends(over: Range) -> None:
    values = [over.decode(over.off + (1 - over.off) * k / 20) for k in range(21)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (over.low, over.high)
    assert over.encode(over.low * 0.5 if over.scale != "complement" else 0.5) in (
        pytest.approx(over.off),
        over.off / 2,
    )


@pytest.mark.parametrize("over", [r for r in RANGES if r.off], ids=str)
@given(u=unit)
def test_off_takes_its_share(over: Range, u: float) -> None:
    assume(abs(u - over.off) > 1e-6)  # the low end may be off, too
    assert (over.decode(u) == over.neutral) == (u < over.off)
    assert over.decode(0.999 * over.off) == over.neutral
    assert over.encode(over.neutral) < over.off


@given(index=st.integers(0, 8), count=st.integers(1, 9))
def test_options_decode_and_encode(index: int, count: int) -> None:
    over = Options(tuple(range(count)))
    value = index % count
    assert over.decode(over.encode(value)) == value
    assert {over.decode((k + 0.5) / count) for k in range(count)} == set(range(count))
    assert over.decode(1.0) == count - 1


@given(point=st.lists(unit, min_size=TABULAR.size, max_size=TABULAR.size))
def test_a_recipe_of_the_space_encodes_to_a_point_that_decodes_to_it(point: list[float]) -> None:
    recipe = TABULAR.decode(point)
    again = TABULAR.encode(recipe)
    assert all(0 <= u <= 1 for u in again)
    assert TABULAR.decode(again).diff(recipe) == []
    assert TABULAR.encode(TABULAR.decode(again)) == pytest.approx(again, abs=1e-6)


@given(point=st.lists(unit, min_size=TABULAR.size, max_size=TABULAR.size))
def test_fields_of_absent_ingredients_do_not_count(point: list[float]) -> None:
    recipe = TABULAR.decode(point)
    names = {entry_of(i).name for i in recipe.ingredients}
    encoded = dict(zip((d.path for d in TABULAR.dimensions), TABULAR.encode(recipe), strict=True))
    for chosen, other in (("mlp", "resnet"), ("resnet", "mlp")):
        if chosen in names:
            fields = [path for path in encoded if f".{other}." in path]
            assert fields
            assert all(encoded[path] == INACTIVE for path in fields)
            assert not any(path in recipe.values for path in fields)


@given(point=st.lists(unit, min_size=OPTIMIZERS.size, max_size=OPTIMIZERS.size))
def test_what_does_not_work_beside_a_choice_is_left_out(point: list[float]) -> None:
    recipe = OPTIMIZERS.decode(point)
    again = OPTIMIZERS.encode(recipe)
    assert OPTIMIZERS.decode(again) == recipe
    names = {entry_of(i).name for i in recipe.ingredients}
    assert ("schedule_free" in names) == (point[0] >= 0.5)
    refused = {"decay", "independent_decay", "max_norm", "ema"}
    if "schedule_free" in names:
        assert not names & refused
        for dimension, u in zip(OPTIMIZERS.dimensions, again, strict=True):
            assert u == INACTIVE or not set(dimension.path.split(".")) & refused
    else:
        assert ("ema" in names) == (point[-1] >= 0.2)
        assert ("max_norm" in names) == (point[-2] >= 0.5)


def test_either_decay_of_a_space_can_be_chosen_and_varied() -> None:
    values = [
        OPTIMIZERS.decode([0.1, u, 0.9, 0.9, 0.5, 0.1, 0.5]).get("decay") for u in (0, 0.5, 0.9)
    ]
    assert [x and entry_of(x).name for x in values] == [None, "decay", "independent_decay"]
    assert values[1].weight_decay > 0.1
    assert values[2].weight_decay > 1e-4


@pytest.mark.parametrize("dimension", TABULAR.dimensions, ids=lambda d: d.path)
def test_every_dimension_is_used(dimension) -> None:
    """Somewhere in the space, moving along this coordinate alone changes the recipe."""
    place = TABULAR.dimensions.index(dimension)
    for index in range(60):
        point = TABULAR.encode(TABULAR.sample(1, index)[0])
        found = {
            TABULAR.decode([*point[:place], u, *point[place + 1 :]]).hash for u in (0.01, 0.99)
        }
        if len(found) == 2:
            return
    pytest.fail(f"{dimension.path} changes nothing")


def test_samples_are_a_pure_function() -> None:
    one = TABULAR.sample(3, 5, 4)
    TABULAR.sample(8, 1, 9)
    assert [r.hash for r in TABULAR.sample(3, 5, 4)] == [r.hash for r in one]
    assert [r.hash for r in TABULAR.sample(3, 5, 9)[:4]] == [r.hash for r in one]
    assert TABULAR.sample(3, 6, 4) != one
    assert TABULAR.sample(4, 5, 4) != one


@pytest.mark.parametrize("index", range(12))
def test_a_cohort_shares_a_signature_and_differs_in_numbers(index: int) -> None:
    cohort = TABULAR.sample(0, index, 8)
    assert len({recipe.signature for recipe in cohort}) == 1
    assert len({recipe.hash for recipe in cohort}) == 8
    assert len({recipe.values["update.adam.lr"] for recipe in cohort}) >= 7  # three digits each


def test_samples_spread_over_the_space() -> None:
    space = Space.from_toml(
        '[choose]\nactivation = ["relu", "gelu", "mish"]\n'
        '[vary]\n"update.adam.lr" = { low = 5e-4, high = 1e-2 }\n'
        '"network.dropout.rate" = { off = 0.2 }\n"network.mlp.width" = [8, 16, 32]\n'
    )
    recipes = [recipe for k in range(150) for recipe in space.sample(0, k, 2)]
    rates = [recipe.values.get("network.dropout.rate", 0.0) for recipe in recipes]
    assert sum(rate == 0 for rate in rates) / len(rates) == pytest.approx(0.2, abs=0.07)
    logs = [math.log(recipe.values["update.adam.lr"]) for recipe in recipes]
    middle = (math.log(5e-4) + math.log(1e-2)) / 2
    assert sum(log < middle for log in logs) / len(logs) == pytest.approx(0.5, abs=0.09)
    assert len({recipe.signature for recipe in recipes}) >= 9


def test_the_base_gives_what_is_not_varied() -> None:
    space = Space.from_toml('base = "plain"\n[vary]\n"update.adam.lr" = {}\n')
    recipe = space.decode([0.5])
    assert [path for path, *_ in recipe.diff(load("plain"))] == ["update.adam.lr"]


def test_a_value_outside_a_range_moves_to_its_end() -> None:
    space = Space.from_toml('[vary]\n"update.adam.lr" = { low = 1e-3, high = 1e-2 }\n')
    recipe = load("default").set({"update.adam.lr": 0.5})
    assert space.encode(recipe) == [1.0]


def test_an_option_outside_the_space_is_named() -> None:
    with pytest.raises(BadInput, match=r"network.mlp.width = 100 is not in this space"):
        TABULAR.encode(TABULAR.decode([0.0] * TABULAR.size).set({"network.mlp.width": 100}))


def test_a_point_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="coordinates"):
        TABULAR.decode([0.5])


ERRORS = [
    ("[vary", "not valid TOML"),
    (f"base = 1{'0' * 5000}", "beyond 64 bits"),
    (f"base = 0x1{'0' * 5000}", "beyond 64 bits"),
    ("choise = 1", "'choise' is not one of base, choose, vary"),
    ("base = 3", "base = 3"),
    ('base = "x"', "no recipe 'x'"),
    ("choose = []", r"write it as a table, \[choose\]"),
    ("[choose]\nwings = []", "no such role"),
    ('[choose]\narchitecture = ["none"]', "expected a list out of"),
    ('[choose]\nschedule = ["cosine", 3]', "expected a list out of"),
    ("[choose]\nschedule = []", "expected a list out of"),
    ('[vary]\n"lr" = {}', "lr"),
    ('[vary]\n"update.adam.rate" = {}', "not a path"),
    ('[vary]\n"network.adam.lr" = {}', "not a path"),
    ('[vary]\n"update.adam.lr" = []', "list of options"),
    ('[vary]\n"update.adam.lr" = [0.1, -1.0]', "expected values in"),
    ('[vary]\n"update.adam.lr" = { lo = 1 }', "'lo' is not one of low, high, scale, off"),
    ('[vary]\n"update.adam.lr" = { low = 1.0, high = 0.5 }', "low < high"),
    ('[vary]\n"network.dropout.rate" = { low = 0.0, scale = "log" }', "does not fit"),
    (
        '[vary]\n"update.adam.lr" = { low = 0.1, high = 1.0, scale = "complement" }',
        "does not fit a range from 0.1 to 1",
    ),
    (
        '[vary]\n"gradient.clip_norm.max_norm" = { low = 0.1, high = inf }',
        "low < high within .* got 0.1 and inf",
    ),
    ('[vary]\n"network.dropout.rate" = { off = 1.0 }', "share in"),
    ('[vary]\n"update.adam.lr" = { off = 0.5 }', "needs a neutral value"),
    ('[vary]\n"network.mlp.depth" = [1.5]', "depth"),
    ('[vary]\n"update.sgd.nesterov" = {}', "list of options"),
]


def test_a_ready_space_is_itself_whatever_lies_in_the_working_folder(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tabular").write_text('[vary]\n"update.adam.lr" = {}\n')
    assert load_space("tabular") == TABULAR
    assert [each.path for each in load_space("./tabular").dimensions] == ["update.adam.lr"]


def test_a_space_may_be_given_as_toml() -> None:
    (found,) = load_space('[vary]\n"update.adam.lr" = { low = 1e-3, high = 1e-2 }\n').dimensions
    assert (found.path, found.over.low, found.over.high) == ("update.adam.lr", 1e-3, 1e-2)
    with pytest.raises(BadInput, match=r"^space: \[vary\] there is no ingredient 'lr'"):
        load_space("[vary]\nlr = [1]\n")


@pytest.mark.parametrize(("text", "words"), ERRORS)
def test_an_error_names_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=words) as caught:
        load_space(path)
    assert "mine.toml" in str(caught.value)


def test_an_option_of_another_task_is_refused_before_a_search() -> None:
    space = Space.from_toml('[choose]\nloss = ["squared_error"]\n')
    space.check("regression")
    with pytest.raises(BadInput, match="squared_error"):
        space.check("classification")
    for task in ("classification", "regression"):
        TABULAR.check(task)
