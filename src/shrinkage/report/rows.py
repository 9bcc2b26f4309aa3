"""What the recipe is worth in rows, where `shrinkage ablate --data-worth` has measured it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shrinkage.evidence import worth_words
from shrinkage.report.facts import Facts
from shrinkage.report.figure import Figure, framed, with_legend
from shrinkage.report.page import Block, Chart, Section, Table, Text
from shrinkage.report.words import pretty
from shrinkage.wording import count, number

LABELS = {"plain": "plain network", "winner": "winner"}


def section(facts: Facts) -> Section | None:
    """Sentences, learning curves and their numbers."""
    ablation = facts.ablation or {}
    told = ablation.get("worth")
    if told is None:
        return None
    blocks: list[Block] = [Text(line) for line in worth_words.sentences(ablation)]
    if "missing" not in told:
        metric = pretty(ablation["metric"])
        numbers = Table(
            f"{worth_words.caption(ablation)}; measured", worth_words.HEADS,
            tuple(worth_words.rows(told)), text=(),
        )  # fmt: skip
        says = (
            f"Points are measured over {count(told['seeds'], 'seed')}, lines are power laws near "
            "them, bands 95 % intervals of each line alone. Rows are halved, with other ones for "
            "each seed; at each size the learning rate and the length of training are tuned again."
        )
        if told["times"] is not None:
            says += " The dotted line leads from one to the other where they are as good."
        figure = curves(told, metric)
        blocks.append(Chart("curves", "Learning curves", figure, says, numbers))
    return Section("rows", "Worth in rows", tuple(blocks))


def curves(told: Mapping[str, Any], axis: str) -> Figure:
    """Both learning curves, by rows in logarithms."""
    data: list[Figure] = []
    all_ = told["rows"][0]
    for name, label in LABELS.items():
        its = told["curves"][name]
        at = [share * all_ for share in its["shares"]]
        low, high = ([each[i] for each in its["bands"]] for i in (0, 1))
        line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
        data += [
            {**line, "x": [*at, *at[::-1]], "y": [*low, *high[::-1]], "fill": "toself",
             "fillcolor": "@band", "line": {"width": 0}},
            {**line, "x": at, "y": its["fitted"], "line": {"color": f"@{name}", "width": 2}},
            {"type": "scatter", "mode": "markers", "name": label, "x": told["rows"],
             "y": its["scores"], "hoverinfo": "text",
             "marker": {"size": 9, "color": f"@{name}",
                        "symbol": "circle" if name == "winner" else "square"},
             "hovertext": [f"{label}, {n:,} rows: {number(score)}"
                           for n, score in zip(told["rows"], its["scores"], strict=True)]},
        ]  # fmt: skip
    if (k := told["times"]) is not None:
        name = "plain" if k >= 1 else "winner"
        score = told["curves"][name]["scores"][0]
        ends = sorted((all_, all_ / k if k >= 1 else all_ * k))
        data.append(
            {"type": "scatter", "mode": "lines", "x": ends, "y": [score, score],
             "hoverinfo": "skip", "showlegend": False,
             "line": {"color": "@ink", "width": 1.5, "dash": "dot"}}
        )  # fmt: skip
    layout = with_legend(framed("training rows", axis))
    ticks = {"tickvals": told["rows"], "ticktext": [f"{n:,}" for n in told["rows"]]}
    layout["xaxis"] |= {"type": "log", **ticks}
    return {"data": data, "layout": layout}
