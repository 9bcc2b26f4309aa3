"""Numbers that are names: found where single values speak, and not where amounts do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from shrinkage.data import codes
from shrinkage.data.schema import Column, Schema, infer
from shrinkage.data.source import read

from .shared import FOLDER, need_tables

ROWS = 4000


def column(seed: int, values: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """x: 0 in seven rows of ten, else one of so many values. And uniform numbers for y."""
    random = np.random.default_rng(seed)
    x = np.where(random.random(ROWS) < 0.7, 0.0, 10.0 * random.integers(1, values + 1, ROWS))
    return x, random.random(ROWS)


def of_names(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """0 or 1 [n], which hang on each value by itself."""
    return (u < np.where(x == 0, 0.3, 0.1 + 0.8 * (x // 10 % 7 % 2))) * 1.0


@pytest.mark.parametrize("seed", range(5))
def test_names_speak_and_amounts_do_not(seed: int) -> None:
    x, u = column(seed)
    assert codes.speaks(x, [of_names(x, u)])
    for amount in (0 * x, (x > 0) * 1.0, x / 600, np.sin(x / 100), np.log1p(x) / 7):
        y = (u < 0.1 + 0.8 * np.abs(amount)) * 1.0
        assert not codes.speaks(x, [y, 1 - y])
        assert not codes.speaks(x, [amount + np.random.default_rng(seed).normal(size=ROWS)])


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_gain_is_what_its_equation_says(shuffled: bool) -> None:
    """In any order of rows; ends have neighbours on one side, rare values none to gain by."""
    random = np.random.default_rng(1)
    x = random.choice([1.0, 2.0, 2.5, 4.0, 9.0], 300, p=[0.3, 0.3, 0.05, 0.345, 0.005])
    y = random.normal(size=300) + (x == 2.5)
    mean = {value: y[x == value].mean() for value in np.unique(x)}
    a, b = np.sort(x), np.array([mean[value] for value in np.sort(x)])
    expected = np.zeros(300)
    for i in range(300):
        same = np.flatnonzero(a == x[i])
        if len(same) < 5:
            continue
        each = max(20, len(same))
        near = np.append(b[max(0, same[0] - each) : same[0]], b[same[-1] + 1 :][:each]).mean()
        own = (y[x == x[i]].sum() - y[i] + 3 * near) / (len(same) - 1 + 3)
        expected[i] = (y[i] - near) ** 2 - (y[i] - own) ** 2
    assert 0 < (expected == 0).sum() == (x == 9).sum() < 5
    order = random.permutation(300) if shuffled else np.arange(300)
    found = codes._Neighbours(x[order]).gains(y[order])
    np.testing.assert_allclose(found, expected[order], rtol=1e-9, atol=1e-12)


def test_values_beyond_those_that_are_coded_gain_nothing() -> None:
    """400 values of ten rows: 253 of them, beside the common one and those that are rare."""
    x, y = np.repeat(np.arange(400.0), 10), np.random.default_rng(0).normal(size=4000)
    gains = codes._Neighbours(x).gains(y).reshape(400, 10)
    assert (np.abs(gains).sum(1) > 0).sum() == 253


def test_a_common_value_and_many_others() -> None:
    x = np.array([0.0] * 30 + [*range(1, 26)] + [np.nan] * 4)
    assert codes.common(x) == 0
    assert codes.common(x[1:-4]) == 0
    assert codes.common(np.append(x, [np.nan])) is None, "half of the rows"
    assert codes.common(x[:53]) == 0, "24 values"
    assert codes.common(x[:52]) is None, "23"
    assert codes.common(np.full(9, np.nan)) is None


def test_targets_of_any_size_and_cells_that_are_missing() -> None:
    x, u = column(0)
    y, names = of_names(x, u), np.where(np.arange(ROWS) % 50 == 0, np.nan, x)
    for target in (y, 1e14 + y, -5 * y):
        assert codes.speaks(names, [target])
        assert not codes.speaks(names, [np.random.default_rng(3).permutation(target)])
    assert not codes.speaks(names, [np.ones(ROWS)])
    assert not codes.speaks(names[:0], [y[:0]])


def table(x: np.ndarray, y: np.ndarray) -> tuple[Schema, pd.DataFrame, np.ndarray]:
    """With a third column of other numbers, so that no rows are equal."""
    frame = pd.DataFrame({"x": x, "z": np.random.default_rng(9).normal(size=len(x)), "y": y})
    columns = tuple(Column(name, "number") for name in ("x", "z"))
    return Schema("regression", "y", columns, None, ()), frame, y


def test_rows_that_repeat_others_do_not_speak() -> None:
    """Each amount stands in one row, and ten times in the table."""
    random = np.random.default_rng(2)
    x = np.where(random.random(500) < 0.7, 0.0, 1.0 + np.arange(500))
    schema, frame, _ = table(x, (random.random(500) < 0.5) * 1.0)
    many = pd.concat([frame] * 10, ignore_index=True)
    assert codes.speaks(many["x"].to_numpy(), [many["y"].to_numpy()])
    assert codes.coded(many, schema, many["y"].to_numpy()) == ()


def test_of_rows_that_belong_together_one_speaks() -> None:
    """Thirty of a hundred patients have forty rows of one sum, and each a label by chance."""
    random, who = np.random.default_rng(3), np.arange(ROWS) % 100
    x = np.where(who < 70, 0.0, 10.0 * who)
    y = random.integers(0, 2, 100)[who]
    frame = pd.DataFrame({"x": x, "u": random.random(ROWS), "y": y.astype(float)})
    schema = Schema("regression", "y", (Column("x", "number"), Column("u", "number")), None, ())
    assert codes.coded(frame, schema, frame["y"].to_numpy()) == ("x",)
    assert codes.coded(frame, schema, frame["y"].to_numpy(), 0, who) == ()


def test_of_many_rows_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    x, u = column(0)
    schema, frame, y = table(x, of_names(x, u))
    assert codes.coded(frame, schema, y) == ("x",)
    monkeypatch.setattr(codes, "_ROWS", 2000)
    seen: list[int] = []
    monkeypatch.setattr(codes, "speaks", lambda x, ys: seen.append(len(x)) or True)
    assert codes.coded(frame, schema, y, seed=3) == ("x",)
    assert seen == [2000]


def test_classes_count_as_numbers_do() -> None:
    """Two classes hold the same information twice, so gains and variance are both double."""
    x, u = column(4)
    y = of_names(x, u)
    schema, frame, _ = table(x, y)
    classes = replace(schema, task="classification", classes=(0, 1))
    assert [c.tolist() for c in codes.columns(y, classes)] == [(1 - y).tolist(), y.tolist()]
    assert codes.coded(frame, classes, y.astype(int)) == codes.coded(frame, schema, y) == ("x",)


@need_tables
@pytest.mark.parametrize(
    ("name", "found"),
    [("adult", ("capital_gain", "capital_loss")), ("churn", ()), ("segment", ()), ("anneal", ())],
)
def test_real_tables(name: str, found: tuple[str, ...]) -> None:
    schema, frame = infer(read(FOLDER / f"{name}.csv.gz"), "target")
    assert schema.classes is not None
    target = frame["target"].map({label: k for k, label in enumerate(schema.classes)})
    assert codes.coded(frame, schema, target.to_numpy()) == found
