"""Early stopping and ridge side by side: what each leaves of a singular direction.

    python benchmarks/filters.py docs/filters.svg

Gradient descent on |Xw - y|^2 / n from zero has fitted 1 - (1 - 2 rate s^2/n)^t of the direction
with singular value s after t steps; ridge of strength 1 / (rate t) fits s^2/n / (s^2/n +
1/(2 rate t)). tests/test_equivalences.py holds both against trained networks. Needs matplotlib.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

RATE = 0.05
TIMES = {5: "#9aa5b1", 50: "#7aa6d8", 500: "#1b4f8f"}


def main(out: Path) -> None:
    mpl.rcParams.update({"font.size": 10, "svg.hashsalt": "shrinkage"})
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True)
    strength = np.logspace(-3, 1, 300)
    for steps, color in TIMES.items():
        stopped = 1 - (1 - np.minimum(2 * RATE * strength, 1)) ** steps
        ridge = strength / (strength + 1 / (2 * RATE * steps))
        axes[0].plot(strength, stopped, color=color, label=f"t = {steps}")
        axes[1].plot(strength, ridge, color=color, label=f"t = {steps}")
    for axis, title in zip(
        axes, ("gradient descent stopped after t steps", "ridge, λ = 1/(ηt)"), strict=True
    ):
        axis.set_xscale("log")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("strength of the direction, s²/n")
        axis.legend(frameon=False, fontsize=9, loc="upper left")
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    axes[0].set_ylabel("share of it that is fitted")
    figure.tight_layout()
    figure.savefig(out, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
