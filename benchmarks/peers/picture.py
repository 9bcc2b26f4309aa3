"""The picture of the README: what six programs lose on each table, relative to the best of them.

    python picture.py cells.jsonl OUT.svg --seconds 60

Log loss or RMSE on the test rows, the geometric mean over splits. Needs pandas and matplotlib.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from ranks import frame_of

MARKS = {
    "mlp": ("perceptron + Optuna", "#9aa5b1", "v", 34),
    "catboost": ("CatBoost + Optuna", "#c9b458", "^", 34),
    "flaml": ("FLAML", "#b07aa1", "P", 36),
    "autogluon": ("AutoGluon", "#59a14f", "D", 30),
    "lightgbm": ("LightGBM + Optuna", "#d08a2e", "s", 32),
    "shrinkage by log loss": ("shrinkage", "#1b4f8f", "o", 80),
}
HIGHEST, LEAST_LOSS = 3.0, 1e-3
"""Farther out is drawn at the edge; log losses below this are told apart by nobody."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    frame = frame_of(given.cells, given.seconds, methods=list(MARKS))
    loss = np.log(frame["logloss"].clip(lower=LEAST_LOSS).fillna(frame["rmse"]))
    wide = frame.assign(loss=loss).pivot_table(index="set", columns="method", values="loss")
    ratio = np.exp(wide.sub(wide.min(axis=1), axis=0))
    order = ratio["shrinkage by log loss"].sort_values(ascending=False).index
    ratio = ratio.loc[order]

    mpl.rcParams.update({"font.size": 10, "svg.hashsalt": "shrinkage"})
    figure, axes = plt.subplots(figsize=(8.4, 0.36 * len(ratio) + 1.5))
    for method, (label, color, marker, size) in MARKS.items():
        values = ratio[method].clip(upper=HIGHEST)
        style = {"color": color, "marker": marker, "s": size, "label": label, "zorder": 3}
        axes.scatter(values, range(len(ratio)), **style)
    axes.set_xscale("log")
    axes.set_xlim(0.97, HIGHEST * 1.04)
    ticks = (1, 1.1, 1.2, 1.5, 2, 3)
    axes.set_xticks(ticks, [*(f"{tick:g}" for tick in ticks[:-1]), "3 or more"])
    axes.minorticks_off()
    axes.set_yticks(range(len(ratio)), ratio.index)
    axes.set_xlabel("test log loss or RMSE relative to the best of the six, log scale")
    axes.grid(axis="y", color="#eee", zorder=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, 1.15), ncol=3, frameon=False)
    figure.savefig(given.out, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
