"""How large activations are, layer by layer, under each initialization: 20 layers, no training.

    python benchmarks/variance.py [--svg docs/variance.svg]

Prints the mean square of the activations of some layers as a Markdown table; with --svg it draws
all of them, which needs matplotlib.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch

from shrinkage.nets import activation
from shrinkage.nets.initialize import Scheme, initial_weights, kaiming, normal, xavier, zeros
from shrinkage.nets.layout import Layout
from shrinkage.nets.linear import linear, linear_entries

DEPTH, WIDTH, ROWS, SEEDS = 20, 256, 128, 64
SHOWN = (1, 2, 5, 10, 20)
SCHEMES: dict[str, Scheme] = {
    "zeros": zeros,
    "normal(0.01)": partial(normal, std=0.01),
    "xavier": xavier,
    "kaiming": kaiming,
}
ACTIVATIONS = {"relu": activation.relu, "tanh": activation.tanh}
COLORS = ("#9aa5b1", "#d08a2e", "#7aa6d8", "#1b4f8f")


def mean_squares(scheme: Scheme, function) -> list[float]:
    """Of what leaves each layer, over rows, units and networks; the input is standard normal."""
    layout = Layout(tuple(e for i in range(DEPTH) for e in linear_entries(str(i), WIDTH, WIDTH)))
    flat = torch.stack([initial_weights(layout, seed, scheme) for seed in range(SEEDS)])
    weights = layout.views(flat.double())
    x = torch.randn(SEEDS, ROWS, WIDTH, generator=torch.Generator().manual_seed(0)).double()
    found = []
    for i in range(DEPTH):
        x = function(linear(x, weights[f"{i}.weight"], weights[f"{i}.bias"]))
        found.append(float(x.square().mean()))
    return found


def table(found: dict[tuple[str, str], list[float]]) -> str:
    """The layers SHOWN, one row a scheme and activation."""
    lines = ["| start | activation | " + " | ".join(f"layer {i}" for i in SHOWN) + " |"]
    lines.append("|---" * (2 + len(SHOWN)) + "|")
    for (scheme, function), values in found.items():
        cells = " | ".join(f"{values[i - 1]:.2g}" for i in SHOWN)
        lines.append(f"| {scheme} | {function} | {cells} |")
    return "\n".join(lines)


def draw(found: dict[tuple[str, str], list[float]], out: Path) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"font.size": 10, "svg.hashsalt": "shrinkage"})
    figure, panels = plt.subplots(1, len(ACTIVATIONS), figsize=(8.4, 3.4), sharey=True)
    for axes, function in zip(panels, ACTIVATIONS, strict=True):
        for scheme, color in zip(SCHEMES, COLORS, strict=True):
            values = found[scheme, function]
            if not any(values):
                axes.plot([], [], color=color, label=f"{scheme}: 0 everywhere")
                continue
            layers = range(1, DEPTH + 1)
            axes.plot(layers, values, color=color, label=scheme, marker="o", markersize=3)
        axes.set_yscale("log")
        axes.set_title(function)
        axes.set_xlabel("layer")
        axes.set_xticks((1, 5, 10, 15, 20))
        axes.grid(axis="y", color="#eee", zorder=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    panels[0].set_ylabel("mean square of activations")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncol=4, frameon=False)
    figure.subplots_adjust(top=0.82, bottom=0.16)
    figure.savefig(out, bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--svg", type=Path)
    given = parser.parse_args()
    found = {
        (scheme, name): mean_squares(start, function)
        for scheme, start in SCHEMES.items()
        for name, function in ACTIVATIONS.items()
    }
    print(table(found))
    if given.svg is not None:
        draw(found, given.svg)


if __name__ == "__main__":
    main()
