"""Studies that reports are written of."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import mixed, tiny_fit
from shrinkage.evidence.importance import searched
from shrinkage.report.write import write
from shrinkage.store.tables import Finished, Store

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(2)>"
BOLD = f"{SCRIPT} <b>bold</b> &lt;"
MARKED = "a|b`c`*d* <b>e</b> &amp;"
TARGET = "<i>y</i> {{ 7 * 7 }}"


def told(effect: float, reach: float, verdict: str, **more: Any) -> dict[str, Any]:
    """What an ablation says of one ingredient."""
    return {
        "effect": effect,
        "interval": [effect - reach, effect + reach],
        "verdict": verdict,
        "seeds_needed": None,
        "setting": "rate 0.1",
        **more,
    }


ABLATION: dict[str, Any] = {
    "metric": "accuracy",
    "greater_is_better": True,
    "score": 0.9,
    "margin": 0.005,
    "seeds": 6,
    "folds": 3,
    "networks": 540,
    "wall_s": 61.0,
    "rows": 96,
    "seed": 0,
    "versions": {"shrinkage": "0.1.0"},
    "tuned": True,
    "first_look": False,
    "ingredients": {
        "dropout": told(0.021, 0.006, "helps"),
        "ema": told(0.001, 0.002, "equivalent"),
        "label_smoothing": told(0.004, 0.009, "no evidence", seeds_needed=40),
        "decay": told(-0.012, 0.004, "hurts"),
        "batch_norm": {"effect": None, "verdict": "diverged", "setting": ""},
    },
    "placebo": told(0.0004, 0.003, "equivalent"),
    "alone": {"ingredients": {"dropout": told(0.015, 0.006, "helps")}},
    "pairs": [{"pair": ["dropout", "ema"], **told(-0.001, 0.004, "no evidence")}],
    "path": [
        {
            "ingredient": "dropout",
            "score": 0.895,
            "gain": 0.015,
            "over_plain": 0.015,
            "interval": [0.009, 0.021],
        }
    ],
}


def learned(*scores: float) -> dict[str, Any]:
    """What an ablation says of one learning curve at three sizes."""
    shares = [1.0, 0.7, 0.5, 0.35, 0.25]
    fitted = [scores[0] - 0.03 * i for i in range(5)]
    return {
        "scores": list(scores),
        "intervals": [[score - 0.01, score + 0.01] for score in scores],
        "shares": shares,
        "fitted": fitted,
        "bands": [[score - 0.008, score + 0.008] for score in fitted],
        "limit": 0.97,
        "power": 0.5,
    }


ABLATION["worth"] = {
    "times": 1.8,
    "beyond": None,
    "interval": [1.3, None],
    "seen": [0.25, 4.0],
    "seeds": 6,
    "shares": [1.0, 0.5, 0.25],
    "rows": [64, 32, 16],
    "ingredients": {
        "dropout": {"times": 1.4, "beyond": None, "interval": [1.1, 1.9], "seen": [1.0, 4.0]}
    },
    "curves": {"winner": learned(0.91, 0.87, 0.81), "plain": learned(0.87, 0.82, 0.74)},
}


@pytest.fixture(scope="session")
def ablated(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with an ablation, and its report."""
    folder = tmp_path_factory.mktemp("ablated") / "run"
    shutil.copytree(study, folder)
    about = {"recipe_hash": json.loads((folder / "result.json").read_text())["recipe_hash"]}
    (folder / "ablation.json").write_text(json.dumps(ABLATION | about))
    write(folder)
    return folder


@pytest.fixture(scope="session")
def planted(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with forty more trials, whose scores follow the learning rate; and its report."""
    folder = tmp_path_factory.mktemp("planted") / "run"
    shutil.copytree(study, folder)
    store = Store(folder / "study.db")
    space = searched(store.study().settings)
    place = [dimension.path for dimension in space.dimensions].index("update.adam.lr")
    recipes = {each.hash: each for i in range(40) for each in space.sample(1, i)}
    cohort, numbers = store.add_cohort("random", {h: r.to_toml() for h, r in recipes.items()})
    scores = {numbers[h]: 0.4 + space.encode(recipes[h])[place] / 2 for h in numbers}
    ended = dict.fromkeys(scores, ("dropped", None))
    store.finish_rung(cohort, Finished(0, 3, 1 / 9, 1.0, scores, ended, {}, {}), 9.0)
    store.close()
    write(folder)
    return folder


@pytest.fixture(scope="session")
def undefined(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, where the metric was not defined for the default and for the last trial."""
    folder = tmp_path_factory.mktemp("undefined") / "run"
    shutil.copytree(planted, folder)
    connection = sqlite3.connect(folder / "study.db")
    with connection:
        connection.execute(
            "update rung set score = -9e999 where trial in (0, (select max(number) from trial))"
        )
    connection.close()
    write(folder)
    return folder


@pytest.fixture(scope="session")
def nasty(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A study whose names of file, columns and classes would be markup if nobody escaped them."""
    folder = tmp_path_factory.mktemp("nasty")
    names = {"a": SCRIPT, "b": MARKED, "y": TARGET}
    frame = mixed().rename(columns=names)
    frame[TARGET] = frame[TARGET].replace({"yes": BOLD, "no": IMAGE})
    given = pd.to_numeric(frame[TARGET].eq(BOLD)).astype(float)
    frame["</script>"] = given  # gives the target away: its name stands in a sentence
    source = folder / "<b>bold & big.csv"
    frame.to_csv(source, index=False)
    return tiny_fit(str(source), TARGET, folder / "run", tiny, trials=2)


COLOUR = "<script>colour</script>"


@pytest.fixture(scope="session")
def by_group(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A study asked for the groups of a column whose name and values would be markup, with an
    identifier, which networks do not read, and a hundred and sixty test rows."""
    folder = tmp_path_factory.mktemp("by_group")
    frame = mixed(400).rename(columns={"colour": COLOUR})
    frame[COLOUR] = frame[COLOUR].replace({"red": SCRIPT, "blue": MARKED})
    frame["id"] = range(1000, 1400)
    frame.loc[frame.index[:390], "rare"] = "often"
    frame["rare"] = frame["rare"].fillna("seldom")
    source = folder / "table.csv"
    frame.to_csv(source, index=False)
    more: dict[str, Any] = {"trials": 2, "test": 0.4, "by": [COLOUR, "b"]}
    return tiny_fit(str(source), "y", folder / "run", tiny, **more)
