"""Columns that give the target away."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from shrinkage.data.schema import infer
from shrinkage.data.source import Table
from shrinkage.report import noticed
from shrinkage.report.suspects import Alone, alone

N = 300
RANDOM = np.random.default_rng(0)
CLASS = RANDOM.choice(["yes", "no"], N, p=[0.2, 0.8])
NUMBER = RANDOM.normal(size=N)
PAID = np.where(CLASS == "yes", RANDOM.uniform(5, 9, N), 0.0)
PAID[:3] = np.nan
RESULT = np.where(CLASS == "yes", "given", "refused")

CASES = [
    # the column, the target, whether it gives it away
    ("an amount above 0 for one class", PAID, CLASS, True),
    ("the class in other words", RESULT, CLASS, True),
    ("nothing", RANDOM.normal(size=N), CLASS, False),
    ("half of it", np.where(RANDOM.random(N) < 0.5, PAID, 0.0), CLASS, False),
    ("the number on another scale", 100 - 3 * NUMBER, NUMBER, True),
    ("the number with much noise", NUMBER + RANDOM.normal(size=N), NUMBER, False),
    ("the day it ended", pd.Timestamp("2024-01-01") + pd.to_timedelta(NUMBER * 50, "D"), NUMBER,
     True),
]  # fmt: skip


def looked_at(column: object, target: np.ndarray) -> Alone:
    noise = np.random.default_rng(1).normal(size=N)
    frame = pd.DataFrame({"it": column, "noise": noise, "y": target})
    schema, frame = infer(Table(frame, "table"), "y", "auto", keep=["it"])
    y = frame["y"].to_numpy() if schema.classes is None else pd.factorize(frame["y"])[0]
    found = alone(frame, y, schema)
    assert found is not None
    return found


@pytest.mark.parametrize(("column", "target", "gives"), [c[1:] for c in CASES],
                         ids=[c[0] for c in CASES])  # fmt: skip
def test_what_gives_the_target_away_is_named(column, target: np.ndarray, gives: bool) -> None:
    found = looked_at(column, target)
    assert [name for name, _ in found.suspects] == (["it"] if gives else [])
    assert (found.rows, found.columns) == (N, 2)


def test_noise_has_no_skill() -> None:
    skills = dict(looked_at(np.random.default_rng(2).normal(size=N), NUMBER).skills)
    assert max(skills.values()) < 0.1


def test_many_classes_are_told_by_a_column_that_names_them() -> None:
    classes = np.array([f"class {i}" for i in np.random.default_rng(3).integers(0, 20, N)])
    codes = np.array([f"k{c[6:]}" for c in classes])
    assert [name for name, _ in looked_at(codes, classes).suspects] == ["it"]


def test_few_rows_say_nothing() -> None:
    frame = pd.DataFrame({"a": np.arange(30.0), "y": np.arange(30.0)})
    schema, frame = infer(Table(frame, "table"), "y", "regression", keep=["a"])
    assert alone(frame, frame["y"].to_numpy(), schema) is None


def test_who_a_row_is_of_gives_nothing_away() -> None:
    """A value that tells patients apart, and a target of each patient's own: halves part them."""
    patient = np.repeat(np.arange(60), 20)
    random = np.random.default_rng(4)
    age = random.permutation(np.linspace(20, 80, 60))[patient]
    target = random.normal(size=60)[patient]
    frame = pd.DataFrame({"age": age, "y": target})
    schema, frame = infer(Table(frame, "table"), "y", "regression")
    strangers = alone(frame, target, schema)
    together = alone(frame, target, schema, patient)
    assert strangers is not None
    assert together is not None
    assert strangers.skills[0][1] > 0.3
    assert together.skills[0][1] < 0.1
    assert alone(frame, target, schema, patient // 2) is None, "too few to tell"


@pytest.mark.parametrize(
    ("columns", "begin"), [(2, "No column gives"), (300, "Of 300 columns none")]
)
def test_it_is_said_how_many_columns_were_tried(columns: int, begin: str) -> None:
    tried = Alone((("a", 0.1), ("b", 0.0)), 500, min(2, columns))
    facts = SimpleNamespace(alone=tried, schema=SimpleNamespace(used=("x",) * columns))
    assert noticed._suspicion(facts).startswith(begin)  # pyright: ignore
