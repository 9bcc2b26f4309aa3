"""How the winner's networks learned: training loss and validation score by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shrinkage.report.charts import near
from shrinkage.report.facts import Facts
from shrinkage.report.figure import Figure, framed, with_legend
from shrinkage.report.page import Block, Chart, Section, Table, Text
from shrinkage.report.words import compared
from shrinkage.wording import number

ROWS = 12
"""So many epochs at most stand in the table."""

LOSS, SCORE = 0, 1
"""Places in the last axis of curves [K, E, 2]."""


def section(facts: Facts) -> Section | None:
    """None where no curves were kept."""
    inside = facts.inside
    if inside is None or inside.curves is None or not np.isfinite(inside.curves[..., LOSS]).any():
        return None
    sign = 1 if facts.result["greater_is_better"] else -1
    values = inside.curves * np.array([1.0, sign])
    metric = compared(facts.result["metric"])
    blocks: list[Block] = [
        _chart("training", "Training loss by epoch", values, LOSS, inside.stopped, "training loss")
    ]
    if np.isfinite(values[..., SCORE]).any():
        title = f"Validation {metric} by epoch"
        axis = f"validation {metric}"
        blocks.append(_chart("validation", title, values, SCORE, inside.stopped, axis))
    else:
        rungs = "only where trials were compared, not by epoch: nothing in its recipe watches it"
        blocks.append(Text(f"Validation {metric} was scored {rungs}."))
    return Section("training", "Training", tuple(blocks))


def _chart(
    name: str, title: str, values: np.ndarray, which: int, stopped: Sequence[float], axis: str
) -> Chart:
    """values: [K, E, 2] in the metric's own unit. stopped: the epochs whose weights are kept."""
    own = values[..., which]
    says = {
        LOSS: "The mean of each epoch's batches as they were trained: with noise, smoothed labels "
        "and penalties, so it may lie above what the network does without them.",
        SCORE: "Each network on the validation rows of its fold, as it would predict then.",
    }[which]
    says += " Thin lines are folds, the thick one is their mean; diamonds mark the weights kept."
    numbers = Table(title, ("epoch", "mean", "least", "largest", "folds"), _rows(own), text=())
    return Chart(f"{name}-curves", title, figure(own, stopped, axis), says, numbers)


def figure(values: np.ndarray, stopped: Sequence[float], axis: str) -> Figure:
    """values: [K, E]. A fold's line ends where its training did."""
    epochs = list(range(1, values.shape[1] + 1))
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "folds",
            "legendgroup": "folds",
            "showlegend": fold == 0,
            "x": epochs,
            "y": _cells(each),
            "line": {"color": "@plain", "width": 0.8},
            "opacity": 0.6,
            "hoverinfo": "skip",
        }
        for fold, each in enumerate(values)
    ]
    mean = means(values)
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "mean",
            "x": epochs,
            "y": _cells(mean),
            "line": {"color": "@winner", "width": 3},
            "hovertext": [
                f"epoch {e}: {number(float(m))}" for e, m in zip(epochs, mean, strict=True)
            ],
            "hoverinfo": "text",
        }
    )
    kept = [
        (epoch, at(each, epoch), fold)
        for fold, (epoch, each) in enumerate(zip(stopped, values, strict=True))
    ]
    kept = [mark for mark in kept if np.isfinite(mark[1])]
    if kept:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "weights kept",
                "x": [round(epoch, 2) for epoch, _, _ in kept],
                "y": [value for _, value, _ in kept],
                "marker": {"size": 8, "color": "@other", "symbol": "diamond"},
                "hovertext": [
                    f"fold {fold + 1}, epoch {round(epoch)}: {number(value)}"
                    for epoch, value, fold in kept
                ],
                "hoverinfo": "text",
            }
        )
    layout = with_legend(framed("epoch", axis))
    finite = mean[np.isfinite(mean)]
    # The first epochs may lie far from all others, which are what is to be seen.
    main = [*finite[len(finite) // 10 :].tolist(), *(value for _, value, _ in kept)]
    every = values[np.isfinite(values)].tolist()
    layout["yaxis"]["range"] = list(near(main or every, every))
    return {"data": data, "layout": layout}


def means(values: np.ndarray) -> np.ndarray:
    """[E] of values [K, E]: over all folds that ever trained; NaN where one of them is missing.

    A mean over those that are left would jump where one stops.
    """
    there = np.isfinite(values)
    whole = there.sum(0) == there.any(1).sum()
    return np.where(
        whole, np.where(there, values, 0.0).sum(0) / np.maximum(there.sum(0), 1), np.nan
    )


def at(curve: np.ndarray, epoch: float) -> float:
    """The value of a curve [E] after so many epochs; NaN where it has none."""
    place = round(epoch) - 1
    return float(curve[place]) if 0 <= place < len(curve) else float("nan")


def _cells(values: np.ndarray) -> list[float | None]:
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values.tolist()]


def _rows(values: np.ndarray) -> tuple[tuple[str, ...], ...]:
    known = np.flatnonzero(np.isfinite(values).any(0))
    places = known[
        np.unique(np.linspace(0, len(known) - 1, min(ROWS, len(known))).round().astype(int))
    ]
    rows = []
    for place in places:
        own = values[np.isfinite(values[:, place]), place]
        cells = (own.mean(), own.min(), own.max())
        rows.append((str(place + 1), *(number(float(v)) for v in cells), f"{len(own)}"))
    return tuple(rows)
