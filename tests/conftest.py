"""What many tests share: one profile for hypothesis, the command line in this process, and
small studies that are fitted once a session."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

import postgres
from shrinkage.model import Model

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a shell Ctrl-C is ignored, by what tests start as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Kernels are compiled when a test first needs them, and not beside it.
os.environ["SHRINKAGE_KERNELS"] = "wait"

# The same examples on every machine; a shared core is no reason to fail.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")

TINY = """
[data.minibatch]
batch_size = 32
epochs = 9

[network.mlp]
width = 8
depth = 1

[update.adam]
lr = 0.01
"""
"""A recipe that trains in a fraction of a second."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """`shrinkage ARGUMENTS...` in this process."""
    from shrinkage.cli import main

    def run(*arguments: object) -> Done:
        # The budget counts from the import of the module, which is long ago here.
        monkeypatch.setattr(main, "STARTED", time.monotonic())
        capsys.readouterr()
        code = main.main([str(argument) for argument in arguments])
        found = capsys.readouterr()
        return Done(code, found.out, found.err)

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


def mixed(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """Numbers with holes, categories and dates; three of them say something about `y`."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, rows))
    colour = random.choice(["red", "green", "blue"], rows)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, rows), "D")
    y = np.where(a + (colour == "red") + 0.3 * random.normal(size=rows) > 0.4, "yes", "no")
    frame = pd.DataFrame({"a": a.round(3), "b": b.round(3), "colour": colour, "when": when, "y": y})
    frame.loc[frame.index % 17 == 3, "b"] = np.nan
    return frame


def tiny_fit(source: object, target: str | None, out: Path, recipe: Path, **more: object) -> Path:
    from shrinkage.run import fit

    asked = {"budget": "10m", "trials": 6, "workers": 0, "cv": "3", **more}
    return fit(source, target, out=out, recipe=recipe, **asked).folder  # pyright: ignore


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A finished classification of `mixed`. Tests read it; who changes it copies it first."""
    folder = tmp_path_factory.mktemp("study")
    mixed().to_csv(folder / "table.csv", index=False)
    return tiny_fit(str(folder / "table.csv"), "y", folder / "run", tiny)


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A finished regression of the first rows of diabetes."""
    from shrinkage.data.builtin import load

    frame = load("diabetes")[:120]
    return tiny_fit(frame, "target", tmp_path_factory.mktemp("regression") / "run", tiny)


def one_by_one(model: Model, frame: pd.DataFrame) -> list[np.ndarray]:
    """What each network of a model predicts alone."""
    return [
        replace(
            model,
            weights=model.weights[i : i + 1],
            statistics=model.statistics[i : i + 1],
            parts=[part],
            says=None,
        ).outputs(frame)
        for i, part in enumerate(model.parts)
    ]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The folder of a PostgreSQL server's socket."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if postgres.programs() is None:
        pytest.skip("there is no PostgreSQL server: apt-get install postgresql")
    with postgres.serving() as folder:
        yield folder


@pytest.fixture
def url(server: str) -> str:
    """An empty database of the test's own."""
    return postgres.database(server)
