"""The pictures of docs: what several contenders lose on each table, relative to one of them.

    python benchmarks/picture.py tables RUNS docs/tables.svg            test errors, plain is 1
    python benchmarks/picture.py peers benchmarks/results/peers.jsonl docs/peers.svg [SECONDS]
                                         test log loss or RMSE, the best of the six programs is 1

RUNS is what benchmarks/tables.py wrote, the other what benchmarks/peers/run.py did; of several
splits it is the geometric mean. Needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

Marks = Mapping[str, tuple[str, str, str, int]]
"""Label, colour, marker and size of each contender; the last is drawn on top."""

ROWS: Marks = {
    "linear": ("linear model", "#9aa5b1", "D", 28),
    "gradient_boosting": ("gradient boosting", "#d08a2e", "s", 32),
    "default": ("default recipe", "#7aa6d8", "o", 40),
    "winner": ("winner", "#1b4f8f", "o", 80),
}
PROGRAMS: Marks = {
    "mlp": ("perceptron + Optuna", "#9aa5b1", "v", 34),
    "catboost": ("CatBoost + Optuna", "#c9b458", "^", 34),
    "flaml": ("FLAML", "#b07aa1", "P", 36),
    "autogluon": ("AutoGluon", "#59a14f", "D", 30),
    "lightgbm": ("LightGBM + Optuna", "#d08a2e", "s", 32),
    "shrinkage by log loss": ("shrinkage", "#1b4f8f", "o", 80),
}
LEAST_LOSS = 1e-3
"""Log losses below this are told apart by nobody."""

Ratios = Mapping[str, Mapping[str, float]]
"""By table, by contender."""


def drawn(
    ratios: Ratios, marks: Marks, ticks: Mapping[float, str], label: str, out: Path, columns: int
) -> None:
    """A row a table, ordered by the last contender; what is beyond the ticks is at the edge."""
    last = list(marks)[-1]
    names = sorted(ratios, key=lambda name: -ratios[name][last])
    low, high = min(ticks), max(ticks)
    mpl.rcParams.update({"font.size": 10, "svg.hashsalt": "shrinkage"})
    figure, axes = plt.subplots(figsize=(8.4, 0.36 * len(names) + 1.5))
    axes.axvline(1, color="#444", linewidth=1)
    for each, (text, color, marker, size) in marks.items():
        values = np.clip([ratios[name][each] for name in names], low, high)
        style = {"color": color, "marker": marker, "s": size, "label": text, "zorder": 3}
        axes.scatter(values, range(len(names)), **style)
    axes.set_xscale("log")
    axes.set_xlim(low * 0.97, high * 1.05)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(f"{label}, log scale")
    axes.grid(axis="y", color="#eee", zorder=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncol=columns, frameon=False)
    figure.savefig(out, bbox_inches="tight", metadata={"Date": None})


def error(scores: dict, rows: int) -> float:
    """RMSE, or the error rate with half a row added: perfect scores have a ratio, too."""
    test = scores["test"]
    return test["rmse"] if "rmse" in test else 1 - test["accuracy"] + 0.5 / rows


def tables(runs: Path, out: Path) -> None:
    ratios = {}
    for path in runs.glob("*/result.json"):
        result = json.loads(path.read_text())
        scores, rows = result["scores"], result["rows"]["test"]
        plain = error(scores["plain"], rows)
        ratios[path.parent.name] = {row: error(scores[row], rows) / plain for row in ROWS}
    ticks = {0.1: "0.1", 0.2: "0.2", 0.5: "0.5", 1: "1", 2: "2", 3: "3 or more"}
    label = "test error relative to the plain network (error rate or RMSE)"
    drawn(ratios, ROWS, ticks, label, out, columns=4)


def peers(cells: Path, out: Path, seconds: str = "60") -> None:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in map(json.loads, cells.read_text().splitlines()):
        if line["seconds"] == float(seconds) and line["method"] in PROGRAMS:
            loss = max(line["logloss"], LEAST_LOSS) if "logloss" in line else line["rmse"]
            found[line["set"]][line["method"]].append(np.log(loss))
    ratios = {}
    for name, by_program in found.items():
        means = {program: float(np.mean(logs)) for program, logs in by_program.items()}
        ratios[name] = {p: float(np.exp(m - min(means.values()))) for p, m in means.items()}
    ticks = {1: "1", 1.1: "1.1", 1.2: "1.2", 1.5: "1.5", 2: "2", 3: "3 or more"}
    label = "test log loss or RMSE relative to the best of the six"
    drawn(ratios, PROGRAMS, ticks, label, out, columns=3)


def main(kind: str, source: str, out: str, *more: str) -> None:
    {"tables": tables, "peers": peers}[kind](Path(source), Path(out), *more)


if __name__ == "__main__":
    main(*sys.argv[1:])
