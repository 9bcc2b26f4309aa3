"""What parts of a study bought, on real trainings: halving, ensembles, calibration, the goal.

    python benchmarks/parts.py TABLES --json FILE [--budget 60s] [--seeds 0] [--only car,churn]
                               [--arms "as it is" "without halving" "by accuracy"]

Each table of TABLES, a folder, is fitted three times with a seed: judged by log loss or RMSE; so
with halving taken out, so that every trial goes on to its last rung; and judged by accuracy, where
there are classes. What an ensemble and what calibration bought is in the first: its single recipe,
calibrated as well but with its share of networks on all rows alone, and the winner's probabilities
before they were tempered are scored on the same test rows.

Printed are means over tables of the logarithm of the test loss with a part over that without it,
in percent, so that less than 0 is a gain; of accuracies the difference in points, more than 0 is
a gain; 95 % by a bootstrap over tables, then their seeds. Fits in the file are not run again.
Run nothing beside it: the budget is wall time.
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

WHOLE, UNHALVED, BY_ACCURACY = "as it is", "without halving", "by accuracy"
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
    loss = "rmse" if regression else "log_loss"
    with tempfile.TemporaryDirectory() as place, halving(on=arm != UNHALVED):
        result = shrinkage.fit(
            path,
            "target",
            task="regression" if regression else "classification",
            metric="accuracy" if arm == BY_ACCURACY else loss,
            budget=budget,
            seed=seed,
            out=Path(place) / "run",
            first_look=False,
        ).result
    calibration = result.get("calibration")
    single = result["scores"].get("single") or result["scores"]["winner"]
    return {
        "winner": result["scores"]["winner"]["test"][loss],
        "accuracy": result["scores"]["winner"]["test"].get("accuracy"),
        "single": single["test"][loss],
        "recipes": len((result["ensemble"] or {"shares": [0]})["shares"]),
        "raw": calibration and calibration["log_loss_test"]["before"],
        "trials": result["n_trials"],
        "finished": result["n_trials_finished"],
        "wall_s": result["wall_s"],
    }


Pair = tuple[float, float]


def ratio(pair: Pair) -> float:
    """Logarithm of the first loss over the second, in percent."""
    return 100 * float(np.log((pair[0] + FLOOR) / (pair[1] + FLOOR)))


def points(pair: Pair) -> float:
    return 100 * (pair[0] - pair[1])


def compared(
    lines: list[Line],
    name: str,
    pair: Callable[[Line], Pair | None],
    by: Callable[[Pair], float] = ratio,
) -> None:
    """Print the mean of what (with, without) differ by, over tables and their seeds."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if (both := pair(line)) is not None:
            found[line["set"]].append(by(both))
    if len(found) < 2:
        return
    random, tables = np.random.default_rng(0), list(found.values())
    means = [
        np.mean([np.mean(random.choice(tables[i], len(tables[i]))) for i in drawn])
        for drawn in random.integers(0, len(tables), (DRAWN, len(tables)))
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    each = [np.mean(values) for values in tables]
    lower, higher = sum(v < 0 for v in each), sum(v > 0 for v in each)
    unit = "%" if by is ratio else "points"
    print(
        f"| {name} | {np.mean(each):+.1f} {unit} | {low:+.1f} to {high:+.1f} | {lower} | {higher} "
        f"| {len(tables)} x {max(map(len, tables))} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", default="")
    every = (WHOLE, UNHALVED, BY_ACCURACY)
    parser.add_argument("--arms", nargs="+", choices=every, default=list(every))
    given = parser.parse_args()
    wanted = set(filter(None, given.only.split(",")))
    text = given.json.read_text() if given.json.is_file() else ""
    lines: list[Line] = [json.loads(line) for line in text.splitlines()]
    known = {(line["set"], line["arm"], line["seed"], line["budget"]) for line in lines}
    for seed in given.seeds:
        for path in sorted(given.tables.glob("*.csv*")):
            name = name_of(path)
            for arm in given.arms:
                if arm == BY_ACCURACY and name in REGRESSION:
                    continue
                key = name, arm, seed, given.budget
                if key in known or (wanted and name not in wanted):
                    continue
                line = dict(zip(("set", "arm", "seed", "budget"), key, strict=True))
                line |= fitted(path, arm, seed, given.budget)
                with given.json.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(line, flush=True)
                lines.append(line)

    by_key = {
        (line["arm"], line["set"], line["seed"]): line
        for line in lines
        if line["budget"] == given.budget
    }
    whole = [line for line in by_key.values() if line["arm"] == WHOLE]

    def beside(arm: str, what: str) -> Callable[[Line], Pair | None]:
        """The whole study's number, and that of the same with another arm."""

        def pair(line: Line) -> Pair | None:
            other = by_key.get((arm, line["set"], line["seed"]))
            values = line.get(what), (other or {}).get(what)
            return None if None in values else values

        return pair

    def single(line: Line) -> Pair:
        return line["winner"], line["single"]

    print("\n| part | change | 95 % | lower on | higher on | tables x seeds |")
    print("|---|---|---|---|---|---|")
    compared(whole, "halving: loss", beside(UNHALVED, "winner"))
    compared(whole, "ensemble: loss", single)
    compared([line for line in whole if line["recipes"] > 1], "ensemble, where one won", single)
    classes = [line for line in whole if line["raw"] is not None]
    compared(classes, "calibration: log loss", lambda line: (line["winner"], line["raw"]))
    compared(classes, "judged by log loss, not accuracy: log loss", beside(BY_ACCURACY, "winner"))
    compared(classes, "the same: accuracy", beside(BY_ACCURACY, "accuracy"), points)


if __name__ == "__main__":
    main()
