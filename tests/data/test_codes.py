"""Numbers that are names: found where single values speak, and not where amounts do."""

from __future__ import annotations

import numpy as np
import pytest

from shrinkage.data import codes
from shrinkage.data.schema import infer
from shrinkage.data.source import read

from .shared import FOLDER, need_tables

ROWS = 4000


def column(seed: int, values: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """x: 0 in seven rows of ten, else one of so many values. And uniform numbers for y."""
    random = np.random.default_rng(seed)
    x = np.where(random.random(ROWS) < 0.7, 0.0, 10.0 * random.integers(1, values + 1, ROWS))
    return x, random.random(ROWS)


def of_names(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Classes [n, 2] that hang on each value by itself."""
    chance = np.where(x == 0, 0.3, 0.1 + 0.8 * (x // 10 % 7 % 2))
    return np.eye(2)[(u < chance).astype(int)]


@pytest.mark.parametrize("seed", range(5))
def test_names_speak_and_amounts_do_not(seed: int) -> None:
    x, u = column(seed)
    assert codes.speaks(x, of_names(x, u))
    for amount in (0 * x, (x > 0) * 1.0, x / 600, np.sin(x / 100), np.log1p(x) / 7):
        y = np.eye(2)[(u < 0.1 + 0.8 * np.abs(amount)).astype(int)]
        assert not codes.speaks(x, y)
        number = amount[:, None] + np.random.default_rng(seed).normal(size=(ROWS, 1))
        assert not codes.speaks(x, number)


def test_a_gain_is_what_its_equation_says() -> None:
    """In any order of rows; ends have neighbours on one side, rare values none to gain by."""
    random = np.random.default_rng(1)
    x = random.choice([1.0, 2.0, 2.5, 4.0, 9.0], 300, p=[0.3, 0.3, 0.05, 0.345, 0.005])
    y = random.normal(size=(300, 2)) + (x == 2.5)[:, None]
    order = np.argsort(x, kind="stable")
    a, b = x[order], y[order]
    expected = np.zeros(300)
    for i in range(300):
        same = np.flatnonzero(a == a[i])
        if len(same) < 3:
            continue
        each = max(20, len(same))
        below, above = b[max(0, same[0] - each) : same[0]], b[same[-1] + 1 :][:each]
        near = np.concatenate([below, above]).mean(0)
        own = (b[same].sum(0) - b[i] + 3 * near) / (len(same) - 1 + 3)
        expected[i] = ((b[i] - near) ** 2 - (b[i] - own) ** 2).sum()
    np.testing.assert_allclose(codes._gains(x, y), expected, rtol=1e-9, atol=1e-12)
    assert (expected == 0).sum() == (x == 9).sum() < 3


def test_a_common_value_and_many_others() -> None:
    x = np.array([0.0] * 30 + [*range(1, 26)] + [np.nan] * 4)
    assert codes.common(x) == 0
    assert codes.common(x[1:-4]) == 0
    assert codes.common(np.append(x, [np.nan])) is None, "half of the rows"
    assert codes.common(x[:53]) == 0, "24 values"
    assert codes.common(x[:52]) is None, "23"
    assert codes.common(np.full(9, np.nan)) is None


def test_targets_of_both_kinds_and_cells_that_are_missing() -> None:
    x, u = column(0)
    y, names = of_names(x, u), np.where(np.arange(ROWS) % 50 == 0, np.nan, x)
    for flags in (y, 1e12 + y[:, :1], -5 * y[:, 1:]):
        assert codes.speaks(names, flags)
        assert not codes.speaks(names, np.random.default_rng(3).permutation(flags))


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
