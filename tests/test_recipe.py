"""Recipes: normal form, TOML without loss, one hash everywhere, errors that help."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population.samples import switched_on
from shrinkage import recipe as recipes
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.catalog import ENTRIES, Entry, entry_of
from shrinkage.errors import BadInput
from shrinkage.ingredient import Field, Number, fields_of, neutral
from shrinkage.losses.cross_entropy import CrossEntropy
from shrinkage.losses.huber import Huber
from shrinkage.losses.squared_error import SquaredError
from shrinkage.nets.activation import LeakyRelu, Relu, Tanh
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.initialize import Xavier
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.resnet import Resnet
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm
from shrinkage.optim.decay import Decay
from shrinkage.optim.max_norm import MaxNorm
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd
from shrinkage.presets import named
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine import Cosine
from shrinkage.stopping.early_stopping import EarlyStopping

ROLES = sorted({entry.role for entry in ENTRIES})


def _number(number: Number, whole: bool) -> st.SearchStrategy:
    """Any value in the valid interval, its closed ends among them."""
    lower, upper, closed_below, closed_above = number.bounds
    if whole:
        return st.integers(int(lower), int(min(upper, 2**31)))
    return st.floats(
        lower,
        upper,
        exclude_min=not closed_below,
        exclude_max=not closed_above,
        allow_nan=False,
    ).filter(number.allows)  # in float32, too


def _value(field: Field) -> st.SearchStrategy:
    if field.number is not None:
        return _number(field.number, isinstance(field.default, int))
    return st.booleans() if isinstance(field.default, bool) else st.sampled_from(field.choices)


@st.composite
def _ingredient(draw, entry: Entry) -> Any:
    return entry.kind(**{f.name: draw(_value(f)) for f in fields_of(entry.kind)})


@st.composite
def _recipes(draw) -> Recipe:
    """Any subset of roles, any ingredient of each, any valid numbers."""
    chosen = draw(st.lists(st.sampled_from(ROLES), unique=True))
    options = [[e for e in ENTRIES if e.role == role] for role in chosen]
    entries = [draw(st.sampled_from(own)) for own in options]
    shut_out = {role for entry in entries for role in entry.excludes}
    return Recipe(*(draw(_ingredient(e)) for e in entries if e.role not in shut_out))


@settings(deadline=None, max_examples=150)
@given(_recipes())
def test_toml_there_and_back_loses_nothing(recipe: Recipe) -> None:
    again = Recipe.from_toml(recipe.to_toml())
    assert again == recipe
    assert again.hash == recipe.hash
    assert again.signature == recipe.signature
    assert again.to_toml() == recipe.to_toml()


@settings(deadline=None, max_examples=60)
@given(_recipes(), st.randoms(use_true_random=False))
def test_the_order_of_ingredients_does_not_matter(recipe: Recipe, random) -> None:
    shuffled = list(recipe.ingredients)
    random.shuffle(shuffled)
    assert Recipe(*shuffled) == recipe
    assert Recipe(*shuffled).hash == recipe.hash


@settings(deadline=None, max_examples=60)
@given(_recipes(), _recipes())
def test_the_difference_of_two_recipes_is_what_is_not_equal(one: Recipe, other: Recipe) -> None:
    there = {path: (here, there) for path, here, there in one.diff(other)}
    back = {path: (there, here) for path, here, there in other.diff(one)}
    assert there == back
    assert (not there) == (one == other) == (one.hash == other.hash)


NUMBERED = [
    (entry, field)
    for entry in ENTRIES
    for field in fields_of(entry.kind)
    if field.number is not None
]


def _inside(number: Number, whole: bool, share: float) -> float:
    value = number.low + share * (number.high - number.low)
    return round(value) if whole else value


@pytest.mark.parametrize(("entry", "field"), NUMBERED, ids=lambda x: x.name)
def test_the_hash_sees_every_number_and_the_signature_only_structure(
    entry: Entry, field: Field
) -> None:
    whole = isinstance(field.default, int)
    base = Recipe(switched_on(entry))
    one, other = (
        base.set({f"{entry.place}.{entry.name}.{field.name}": _inside(field.number, whole, share)})
        for share in (0.3, 0.7)
    )
    assert one.hash != other.hash
    shared = field.per_member or not entry.structural
    assert (one.signature == other.signature) == shared


EQUAL = [
    (Recipe(), Recipe(Adam(), Mlp(), Relu())),
    (Recipe(Dropout(rate=0.0)), Recipe()),
    (Recipe(Decay(weight_decay=0)), Recipe()),
    (Recipe(ClipNorm(max_norm=inf), EarlyStopping(patience=inf)), Recipe()),
    (Recipe(Mixup(alpha=1)), Recipe(Mixup(alpha=1.0))),
    (Recipe(Sgd(lr=1)), Recipe().using(Sgd(lr=1.0))),
    (Recipe(Tanh(), Dropout(rate=0.5)).without("dropout"), Recipe(Tanh())),
    (Recipe(Tanh()).without("activation"), Recipe()),
    (Recipe().set({"update.adam.lr": 0.01}), Recipe(Adam(lr=0.01))),
    (Recipe().set({"network.dropout.rate": 0.1}), Recipe(Dropout(rate=0.1))),
    (Recipe(Dropout(rate=0.1)).set({"network.dropout.rate": 0.0}), Recipe()),
    (Recipe().set({"update.sgd.lr": 0.1}), Recipe(Sgd(lr=0.1))),
    (Recipe().set({"network.tanh": True}), Recipe(Tanh())),
    (Recipe().set(load("default").values), load("default")),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_recipes_that_train_alike_are_equal(one: Recipe, other: Recipe) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert one.hash == other.hash
    assert one.to_toml() == other.to_toml()


def test_the_hash_is_the_same_in_every_process() -> None:
    code = (
        "from shrinkage.recipe import load;"
        "print(load('plain').hash, load('default').hash, load('default').signature)"
    )
    found = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip())
    plain, default = load("plain"), load("default")
    assert found == {f"{plain.hash} {default.hash} {default.signature}"}
    assert len(plain.hash) == 12


def test_signatures_tell_structures_apart() -> None:
    structures = [
        Recipe(),
        Recipe(Mlp(width=64)),
        Recipe(Resnet()),
        Recipe(BatchNorm()),
        Recipe(Periodic()),
        Recipe(Tanh()),
        Recipe(LeakyRelu()),
        Recipe(LeakyRelu(slope=0.3)),
        Recipe(Sgd()),
        Recipe(Sgd(nesterov=True)),
        Recipe(Minibatch(batch_size=32)),
        Recipe(Huber()),
    ]
    assert len({recipe.signature for recipe in structures}) == len(structures)
    same = [Recipe(Xavier()), Recipe(Cosine()), Recipe(Dropout(rate=0.3)), Recipe(Adam(lr=0.5))]
    assert {recipe.signature for recipe in same} == {Recipe().signature}


@dataclass(frozen=True)
class Bad:
    """TOML that is no recipe, and words that the message must have."""

    toml: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.toml.replace("\n", " ")[:60]


BAD = [
    Bad("[update.adam\nlr = 1", ("not valid TOML", "line 1")),
    Bad(f"[data.minibatch]\nepochs = 1{'0' * 5000}", ("beyond 64 bits",)),
    Bad(f"[data.minibatch]\nepochs = 0x1{'0' * 5000}", ("data.minibatch.epochs", "64 bits")),
    Bad(f"[update.adam]\nlr = [{{a = -{2**63 + 1}}}]", ("update.adam.lr.a is", "64 bits")),
    Bad(f"[update.adam]\nlr = {'[' * 9000}", ("nested too deep",)),
    Bad(f"[network.dropout]\nrate = {2**63 - 1}", ("network.dropout.rate", "[0, 1)")),
    Bad("[network.dropout]\nrate = 1.5", ("network.dropout.rate", "1.5", "[0, 1)")),
    Bad("[network.dropout]\nrate = -0.1", ("network.dropout.rate", "-0.1", "[0, 1)")),
    Bad("[network.dropout]\nrate = nan", ("network.dropout.rate", "nan", "[0, 1)")),
    Bad("[network.dropout]\nrate = 'high'", ("network.dropout.rate", "'high'", "[0, 1)")),
    Bad("[network.dropout]\nrate = true", ("network.dropout.rate", "True", "[0, 1)")),
    Bad("[network.dropout]\nrate = [0.1]", ("network.dropout.rate", "[0.1]", "[0, 1)")),
    Bad("[network.dropout]\nrat = 0.1", ("network.dropout.rat", "does not exist", "rate")),
    Bad("[network.tanh]\nslope = 0.1", ("network.tanh.slope", "does not exist", "no fields")),
    Bad("[network.mlp]\nwidth = 0", ("network.mlp.width", "0", "[1, 65536]")),
    Bad("[network.mlp]\nwidth = 12.5", ("network.mlp.width", "12.5", "[1, 65536]")),
    Bad("[network.mlp]\nwidth = '128'", ("network.mlp.width", "'128'", "[1, 65536]")),
    Bad("[data.minibatch]\nepochs = 0", ("data.minibatch.epochs", "0", "[1, inf)")),
    Bad("[update.adam]\nlr = 0", ("update.adam.lr", "0", "(0, inf)")),
    Bad("[update.adam]\nlr = inf", ("update.adam.lr", "inf", "(0, inf)")),
    Bad("[update.adam]\nbeta1 = 1.0", ("update.adam.beta1", "1.0", "[0, 1)")),
    Bad("[update.sgd]\nnesterov = 'yes'", ("update.sgd.nesterov", "'yes'", "boolean")),
    Bad("[update.dropout]\nrate = 0.1", ("dropout", "[network]", "[update]")),
    Bad("[network]\ndropout = 0.1", ("dropout", "table", "[network.dropout]")),
    Bad("[network.dropuot]\nrate = 0.1", ("dropuot", "did you mean", "dropout")),
    Bad("[network.zzz]", ("zzz", "shrinkage ingredients")),
    Bad("[networks.dropout]\nrate = 0.1", ("networks", "[network]")),
    Bad("[zzz]\na = 1", ("zzz", "places are", "network", "update")),
    Bad("network = 3", ("network", "[network")),
    Bad("dropout = 0.1", ("dropout", "place")),
    Bad(
        "[update.schedule_free]\n[update.decay]\nweight_decay = 0.1",
        ("schedule_free does not work beside decay", "shrinkage ingredients schedule_free"),
    ),
    Bad("[network.dropout]", ("[network.dropout] does nothing without rate", "leave the table")),
    Bad("[stop.early_stopping]\nsmoothing = 0.5", ("does nothing without patience",)),
    Bad("[update.adam]\n[update.sgd]", ("one optimizer", "adam", "sgd")),
    Bad("[network.relu]\n[network.tanh]", ("one activation", "relu", "tanh")),
    Bad("[loss.huber]\n[loss.cross_entropy]", ("one loss", "huber", "cross_entropy")),
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_recipe_is_named_in_a_line_or_three(bad: Bad) -> None:
    with pytest.raises(BadInput) as caught:
        Recipe.from_toml(bad.toml, "mine.toml")
    message = str(caught.value)
    assert len(message.splitlines()) <= 3
    for word in ("mine.toml", *bad.words):
        assert word in message


def test_a_place_that_is_not_a_table_is_not_called_unknown() -> None:
    with pytest.raises(BadInput) as caught:
        Recipe.from_toml("network = 3")
    assert "there is no place" not in str(caught.value)


def test_an_empty_recipe_is_the_plain_network() -> None:
    assert Recipe.from_toml("") == Recipe()
    assert Recipe.from_toml("[network]\n") == Recipe()


PATHS = [
    ("adam.lr", ("not a path", "place.ingredient.field")),
    ("update.adam.rate", ("update.adam.rate", "does not exist", "lr, beta1")),
    ("network.adam.lr", ("adam belongs to update",)),
    ("update.adm.lr", ("adm", "adam")),
    ("update.adam", ("not a path", "update.adam.lr")),
    ("network.tanh", ("network.tanh = 0.1", "no fields", "True")),
    ("network.tanh.slope", ("network.tanh.slope", "does not exist")),
    ("update.adam.lr.more", ("not a path", "place.ingredient.field")),
]


@pytest.mark.parametrize(("path", "words"), PATHS)
def test_an_unknown_path_is_named(path: str, words: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        Recipe().set({path: 0.1})
    assert all(word in str(caught.value) for word in words)


def test_a_value_set_outside_its_range_is_named() -> None:
    with pytest.raises(BadInput, match=r"network.dropout.rate = 3.*\[0, 1\)"):
        Recipe().set({"network.dropout.rate": 3.0})


def test_what_is_not_an_ingredient_is_refused() -> None:
    with pytest.raises(TypeError, match="not an ingredient"):
        Recipe("adam")
    with pytest.raises(BadInput, match="one optimizer: keep either adam or sgd"):
        Recipe(Adam(), Sgd())


@pytest.mark.parametrize("other", [Decay(weight_decay=0.1), MaxNorm(limit=2.0), Ema(decay=0.9)])
def test_what_would_break_another_ingredient_is_refused(other: Any) -> None:
    name = entry_of(other).name
    with pytest.raises(BadInput, match=f"schedule_free does not work beside {name}; keep one"):
        Recipe(ScheduleFree(), other)
    assert Recipe(ScheduleFree(), neutral(type(other))) == Recipe(ScheduleFree())


TASKS = [
    (Recipe(), "classification", CrossEntropy()),
    (Recipe(), "regression", SquaredError()),
    (Recipe(Huber(delta=0.5)), "regression", Huber(delta=0.5)),
    (Recipe(CrossEntropy()), "classification", CrossEntropy()),
]


@pytest.mark.parametrize(("recipe", "task", "loss"), TASKS)
def test_a_recipe_gets_a_loss_that_fits_its_task(recipe: Recipe, task: str, loss: Any) -> None:
    assert recipe.for_task(task).get("loss") == loss
    assert recipe.for_task(task).without("loss") == recipe.without("loss")


@pytest.mark.parametrize(
    ("loss", "task"), [(Huber(), "classification"), (CrossEntropy(), "regression")]
)
def test_a_loss_of_the_other_task_is_refused(loss: Any, task: str) -> None:
    with pytest.raises(BadInput, match=f"{entry_of(loss).name} cannot train a {task}"):
        Recipe(loss).for_task(task)


@pytest.mark.parametrize("name", named())
def test_presets_load_and_come_back(name: str) -> None:
    recipe = load(name)
    assert Recipe.from_toml(recipe.to_toml()) == load(recipe.to_toml()) == recipe
    text = (Path(recipes.__file__).parent / "presets" / f"{name}.toml").read_text("utf-8")
    written = {key for place in tomllib.loads(text).values() for key in place}
    # Nothing is left to a default, which may change later.
    assert {entry_of(instance).name for instance in recipe.ingredients} == written


def test_the_two_presets_that_searches_begin_with_exist() -> None:
    assert {"plain", "default"} <= set(named())
    assert load("plain").get("optimizer") == Adam(lr=1e-3)
    off = ("dropout", "decay", "l1", "l2", "mixup", "ema", "early_stopping", "normalization")
    assert not any(load("plain").get(role) for role in off)


def test_a_recipe_loads_from_a_file_or_a_folder(tmp_path: Path) -> None:
    recipe = Recipe(Dropout(rate=0.25))
    (tmp_path / "model").mkdir()
    for place in (tmp_path / "a.toml", tmp_path / "model" / "recipe.toml"):
        place.write_text(recipe.to_toml())
    assert load(recipe) is recipe
    for source in (tmp_path / "a.toml", str(tmp_path / "a.toml"), tmp_path, tmp_path / "model"):
        assert load(source) == recipe


def test_what_lies_in_the_working_folder_is_no_preset(tmp_path: Path, monkeypatch) -> None:
    plain, mine = load("plain"), Recipe(Dropout(rate=0.25))
    (tmp_path / "plain" / "model").mkdir(parents=True)  # as `shrinkage fit --out plain` leaves
    (tmp_path / "plain" / "model" / "recipe.toml").write_text(mine.to_toml())
    (tmp_path / "default").write_text("no recipe")
    monkeypatch.chdir(tmp_path)
    assert load("plain") == plain != mine
    assert load("default").get("dropout").rate == 0.2
    assert load("./plain") == load(Path("plain")) == mine


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xff\xfe[update")
    with pytest.raises(BadInput, match=r"cannot read .*a\.toml"):
        load(path)
    with pytest.raises(BadInput, match=r"no recipe 'nowhere'.*default.*plain"):
        load("nowhere")
    path.write_text("[network.dropout]\nrate = 2.0")
    with pytest.raises(BadInput, match=r"a\.toml: network\.dropout\.rate"):
        load(path)
