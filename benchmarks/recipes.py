"""Recipes beside each other on a folder of tables, at equal epochs.

    python benchmarks/recipes.py FOLDER RECIPE [RECIPE ...] [--rows 4000] [--only SET ...]
    python benchmarks/recipes.py FOLDER RECIPE [RECIPE ...] --test

A recipe is a preset's name or a TOML file. Without --test only the rows that are not in the test
part (split seed 0) are used, at most --rows of them, and 40 % of those are scored: this is for
looking. (Not the validation rows: early stopping has chosen its epoch on them, which flatters
recipes whose scores jump about.) With --test every recipe is trained on all the rows outside the
test part and scored on it: this is for the end. Printed are the error (error rate or RMSE), the
mean over sets of its log relative to the first recipe, and ranks, where ties share the better one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from shrinkage import fit
from shrinkage.data.schema import infer
from shrinkage.data.source import Table, read
from shrinkage.data.split import test_split


def looked_at(table: Table, rows: int) -> Table:
    """At most `rows` of the rows outside the test part."""
    schema, frame = infer(table, "target")
    train, _ = test_split(frame["target"].to_numpy(), schema.task, 0.2, 0)
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:rows])
    return Table(frame.iloc[chosen].reset_index(drop=True), table.name)


def error_of(data: Table | Path, recipe: str, test: bool, seed: int) -> tuple[float, float]:
    """(error, seconds) of a recipe on rows it has not seen; `test`: on the test part itself."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = fit(
            data,
            "target",
            recipe=recipe,
            trials=1,
            budget="2h",
            test=0.2 if test else 0.4,
            cv="auto" if test else "3",
            seed=seed,
            workers=0,
            out=Path(folder) / "run",
        ).result
        scores = result["scores"]["default"]["test"]
        error = scores["rmse"] if "rmse" in scores else 1 - scores["accuracy"]
        return error, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("folder", type=Path)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    names = [Path(recipe).stem for recipe in asked.recipes]
    print("| set | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    found: dict[str, list[float]] = {}
    for path in sorted(asked.folder.glob("*.csv*")):
        name = path.name.split(".")[0]
        if asked.only and name not in asked.only:
            continue
        data = path if asked.test else looked_at(read(str(path)), asked.rows)
        cells = [error_of(data, recipe, asked.test, asked.seed) for recipe in asked.recipes]
        found[name] = [error for error, _ in cells]
        print(
            f"| {name} | " + " | ".join(f"{e:.4g} ({s:.0f} s)" for e, s in cells) + " |", flush=True
        )
    errors = np.array(list(found.values()))
    ranks = 1 + (errors[:, None, :] < errors[:, :, None] - 1e-12).sum(2)
    logs = np.log(errors.clip(min=1e-3))
    gaps = (logs - logs[:, :1]).mean(0)
    print("| mean log error | " + " | ".join(f"{100 * gap:+.1f} %" for gap in gaps) + " |")
    print("| median rank | " + " | ".join(f"{rank:g}" for rank in np.median(ranks, 0)) + " |")
    print("| mean rank | " + " | ".join(f"{rank:.2f}" for rank in ranks.mean(0)) + " |")
    if asked.json:
        asked.json.write_text(json.dumps({"recipes": names, "errors": found}, indent=1))


if __name__ == "__main__":
    main()
