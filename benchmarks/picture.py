"""The picture of the README: test errors on a folder of runs, relative to the plain network.

    python benchmarks/picture.py RUNS docs/tables.svg

RUNS is what benchmarks/tables.py wrote. Needs matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

MARKS = {
    "linear": ("linear model", "#9aa5b1", "D", 28),
    "gradient_boosting": ("gradient boosting", "#d08a2e", "s", 32),
    "default": ("default recipe", "#7aa6d8", "o", 40),
    "winner": ("winner", "#1b4f8f", "o", 80),
}
LOWEST, HIGHEST = 0.08, 3.0


def error(scores: dict, rows: int) -> float:
    """RMSE, or the error rate with half a row added: perfect scores have a ratio, too."""
    test = scores["test"]
    return test["rmse"] if "rmse" in test else 1 - test["accuracy"] + 0.5 / rows


def main(runs: Path, out: Path) -> None:
    paths = runs.glob("*/result.json")
    results = {path.parent.name: json.loads(path.read_text()) for path in paths}

    def ratio(name: str, row: str) -> float:
        scores, rows = results[name]["scores"], results[name]["rows"]["test"]
        value = error(scores[row], rows) / error(scores["plain"], rows)
        return min(max(value, LOWEST), HIGHEST)

    names = sorted(results, key=lambda name: -ratio(name, "winner"))
    mpl.rcParams.update({"font.size": 10, "svg.hashsalt": "shrinkage"})
    figure, axes = plt.subplots(figsize=(8.4, 0.36 * len(names) + 1.5))
    axes.axvline(1, color="#444", linewidth=1)
    for row, (label, color, marker, size) in MARKS.items():
        values = [ratio(name, row) for name in names]
        style = {"color": color, "marker": marker, "s": size, "label": label, "zorder": 3}
        axes.scatter(values, range(len(names)), **style)
    axes.set_xscale("log")
    axes.set_xlim(LOWEST * 0.9, HIGHEST * 1.1)
    ticks = (0.1, 0.2, 0.5, 1, 2)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("test error relative to the plain network (error rate or RMSE), log scale")
    axes.grid(axis="y", color="#eee", zorder=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, 1.14), ncol=4, frameon=False)
    figure.savefig(out, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
