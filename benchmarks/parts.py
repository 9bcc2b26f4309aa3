"""What parts of a study bought, on real trainings: halving, ensembles, calibration.

    python benchmarks/parts.py TABLES --json FILE [--budget 60s] [--seeds 0] [--only car,churn]

Each table of TABLES, a folder, is fitted twice with a seed, judged by log loss or RMSE: as `fit`
does it, and with halving taken out, so that every trial goes on to its last rung. What an ensemble
and what calibration bought is in the first of the two: its single recipe, calibrated as well, and
the winner's probabilities before they were tempered are scored on the same test rows.

Printed are means over tables of the logarithm of the test loss with a part over that without it, in
percent, so that less than 0 is a gain; 95 % by a bootstrap over tables, then their seeds. Fits that
are in the file are not run again. Run nothing beside it: the budget is wall time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tables import REGRESSION, name_of

import shrinkage
from shrinkage.search import cohort

ARMS = ("as it is", "without halving")
DRAWN = 2000
FLOOR = 1e-4
"""Added to losses: of two that are next to nothing, one may be a thousand times the other."""

Line = dict[str, Any]


@contextmanager
def halving(*, on: bool) -> Iterator[None]:
    kept = cohort.passing
    if not on:
        cohort.passing = lambda scores, _seen: set(scores)
    try:
        yield
    finally:
        cohort.passing = kept


def fitted(path: Path, arm: str, seed: int, budget: str) -> Line:
    regression = name_of(path) in REGRESSION
    metric = "rmse" if regression else "log_loss"
    with tempfile.TemporaryDirectory() as place, halving(on=arm == ARMS[0]):
        result = shrinkage.fit(
            path,
            "target",
            task="regression" if regression else "classification",
            metric=metric,
            budget=budget,
            seed=seed,
            out=Path(place) / "run",
            first_look=False,
        ).result
    single = result["scores"].get("single") or result["scores"]["winner"]
    return {
        "winner": result["scores"]["winner"]["test"][metric],
        "single": single["test"][metric],
        "recipes": len((result["ensemble"] or {"shares": [0]})["shares"]),
        "raw": None if regression else result["calibration"]["log_loss_test"]["before"],
        "trials": result["n_trials"],
        "finished": result["n_trials_finished"],
        "wall_s": result["wall_s"],
    }


def compared(
    lines: list[Line], name: str, pair: Callable[[Line], tuple[float, float] | None]
) -> None:
    """Print the mean logarithm of (with, without), by tables and their seeds."""
    by: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if (both := pair(line)) is not None:
            by[line["set"]].append(100 * float(np.diff(np.log(np.add(both[::-1], FLOOR)))[0]))
    if len(by) < 2:
        return
    random, tables = np.random.default_rng(0), list(by.values())
    means = [
        np.mean([np.mean(random.choice(tables[i], len(tables[i]))) for i in drawn])
        for drawn in random.integers(0, len(tables), (DRAWN, len(tables)))
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    each = [np.mean(values) for values in tables]
    lower, higher = sum(v < 0 for v in each), sum(v > 0 for v in each)
    print(
        f"| {name} | {np.mean(each):+.1f} % | {low:+.1f} to {high:+.1f} | {lower} | {higher} "
        f"| {len(tables)} x {max(map(len, tables))} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    wanted = set(filter(None, given.only.split(",")))
    lines = (
        [json.loads(t) for t in given.json.read_text().split("\n") if t]
        if given.json.is_file()
        else []
    )
    known = {(line["set"], line["arm"], line["seed"], line["budget"]) for line in lines}
    for seed in given.seeds:
        for path in sorted(given.tables.glob("*.csv*")):
            for arm in ARMS:
                key = name_of(path), arm, seed, given.budget
                if key in known or (wanted and key[0] not in wanted):
                    continue
                line = dict(zip(("set", "arm", "seed", "budget"), key, strict=True))
                line |= fitted(path, arm, seed, given.budget)
                with given.json.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(line, flush=True)
                lines.append(line)

    lines = [line for line in lines if line["budget"] == given.budget]
    whole = [line for line in lines if line["arm"] == ARMS[0]]
    other = {(line["set"], line["seed"]): line for line in lines if line["arm"] == ARMS[1]}

    def halved(line: Line) -> tuple[float, float] | None:
        without = other.get((line["set"], line["seed"]))
        return without and (line["winner"], without["winner"])

    print("\n| part | change of the test loss | 95 % | lower on | higher on | tables x seeds |")
    print("|---|---|---|---|---|---|")
    compared(whole, "halving", halved)
    compared(whole, "ensemble", lambda line: (line["winner"], line["single"]))
    compared(
        whole,
        "ensemble, where there is one",
        lambda line: (line["winner"], line["single"]) if line["recipes"] > 1 else None,
    )
    compared(
        whole,
        "calibration",
        lambda line: None if line["raw"] is None else (line["winner"], line["raw"]),
    )


if __name__ == "__main__":
    main()
