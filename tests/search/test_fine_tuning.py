"""What a start from a saved model is worth on few rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shrinkage import run
from shrinkage.data.builtin import load

DRAWS, ROWS = range(6), 60


@pytest.mark.slow
def test_on_few_rows_a_start_beats_random_weights(tmp_path: Path) -> None:
    """Odd or even, learned from 60 digits; the earlier model knows ten classes of other rows.

    Both arms have the earlier model's recipe, the same rows, folds and seed.
    """
    digits = load("digits")
    few = {"trials": 2, "workers": 0, "budget": "60s"}
    earlier = run.fit(digits.iloc[:1300], "target", out=tmp_path / "all", cv="holdout", **few)  # pyright: ignore
    rest = digits.iloc[1300:].drop(columns="target")
    rest["odd"] = np.where(digits.target.iloc[1300:] % 2, "odd", "even")
    gains = []
    for draw in DRAWS:
        order = np.random.default_rng(draw).permutation(len(rest))
        train, test = rest.iloc[order[:ROWS]], rest.iloc[order[ROWS:]]
        path = tmp_path / f"test-{draw}.csv"
        test.to_csv(path, index=False)
        same = {"cv": "2", "seed": draw, "test": str(path), **few}
        arms = ({"start_from": earlier.folder}, {"recipe": earlier.recipe})
        tuned, scratch = (
            run.fit(train, "odd", out=tmp_path / f"{draw}-{k}", **same, **arm).result["scores"]  # pyright: ignore
            for k, arm in enumerate(arms)
        )
        parts = (scores["default"]["test"]["accuracy"] for scores in (tuned, scratch))
        gains.append(next(parts) - next(parts))
    mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert mean - 2 * error > 0.01, gains
