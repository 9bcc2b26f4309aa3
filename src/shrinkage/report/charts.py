"""The charts of scores, effects, the search, probabilities and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shrinkage.paired import Interval
from shrinkage.report.facts import Errors, Point, ScoreLine
from shrinkage.report.figure import Figure, band, bars, framed, named, upright, with_legend
from shrinkage.report.timeline import Span
from shrinkage.wording import effect, number, signed

SHOWN = 1500
"""So many test rows at most are drawn."""

_BASELINES = ("linear", "gradient_boosting")


def scores(contenders: Sequence[ScoreLine], axis: str, highest: float) -> Figure:
    """Each test score; its bar is the interval of the difference to the plain network.

    highest: what no score passes, so that the axis does not.
    """
    shown = [each for each in contenders if each.test is not None]
    ends, names = [], []
    for each in shown:
        assert each.test is not None
        gain = each.gain or Interval(0.0, 0.0, 0.0)
        ends.append((gain.value - gain.low, gain.high - gain.value))
        label = f"<b>{each.label}</b>" if each.name == "winner" else each.label
        names.append(f"{label}  {number(each.test.value)}")
    kinds = [
        "other" if each.name in _BASELINES else each.name if each.name == "winner" else "plain"
        for each in shown
    ]
    values = [each.test.value for each in shown if each.test]
    data: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": list(range(len(shown))),
        "marker": {
            "size": 12,
            "color": [f"@{kind}" for kind in kinds],
            "symbol": ["diamond" if kind == "other" else "circle" for kind in kinds],
        },
        "hovertext": [_gain(each) for each in shown],
        "hoverinfo": "text",
    }
    data["error_x"] = bars([low for low, _ in ends], [high for _, high in ends])
    layout = named(names, axis)
    reached = [v + end for v, both in zip(values, ends, strict=True) for end in (-both[0], both[1])]
    edge = 0.06 * max(max(reached) - min(reached), 1e-9)
    layout["xaxis"]["range"] = [min(reached) - edge, min(max(reached) + edge, highest + edge / 9)]
    plain = next((each for each in shown if each.name == "plain"), None)
    if plain is not None and plain.test is not None:
        layout["shapes"] = [upright(plain.test.value, "plain", "dash")]
    return {"data": [data], "layout": layout}


def _gain(each: ScoreLine) -> str:
    if each.gain is None:
        return each.label
    low, high = number(each.gain.low), number(each.gain.high)
    return (
        f"{each.label}: {signed(each.gain.value)} against the plain network<br>"
        f"95 % interval {low} to {high}"
    )


VERDICTS = {
    "helps": ("winner", "circle"),
    "hurts": ("other", "diamond"),
    "equivalent": ("plain", "square"),
    "no evidence": ("plain", "circle-open"),
}


def forest(
    effects: Sequence[tuple[str, Mapping[str, Any]]],
    placebo: Mapping[str, Any],
    margin: float,
    axis: str,
) -> Figure:
    """Effects with intervals, by verdict; the band is what other seeds alone do."""
    data = []
    for verdict, (color, symbol) in (*VERDICTS.items(), (None, ("muted", "circle"))):
        here = [i for i, (_, told) in enumerate(effects) if told["verdict"] == verdict]
        if not here:
            continue
        told = [effects[i][1] for i in here]
        marks = {
            "type": "scatter",
            "mode": "markers",
            "name": verdict or "a first look",
            "x": [each["effect"] for each in told],
            "y": here,
            "marker": {"size": 11, "color": f"@{color}", "symbol": symbol},
            "hovertext": [_effect(effects[i][0], effects[i][1]) for i in here],
            "hoverinfo": "text",
        }
        marks["error_x"] = bars(
            [each["effect"] - each["interval"][0] for each in told],
            [each["interval"][1] - each["effect"] for each in told],
            f"@{color}",
        )
        data.append(marks)
    layout = with_legend(named([name for name, _ in effects], axis))
    layout["shapes"] = [upright(0.0, "ink", "solid")]
    if placebo.get("interval"):
        low, high = placebo["interval"]
        layout["shapes"].append(band(low, high))
    layout["shapes"] += [upright(end, "muted", "dot") for end in (-margin, margin) if margin]
    return {"data": data, "layout": layout}


def _effect(name: str, told: Mapping[str, Any]) -> str:
    value, interval = effect(told["effect"], told["interval"])
    return f"{name}: {value} (95 % interval {interval})<br>{told['verdict'] or 'a first look'}"


def search(
    points: Sequence[Point], winner: int, axis: str, greater_is_better: bool, name: str = "winner"
) -> tuple[Figure, int]:
    """Scores by the second they were known; and how many lie outside the picture.

    winner: the trial that stands out. name: what it is called, "the best" before there is a winner.
    """
    done = [point for point in points if point.share >= 1]
    early = [point for point in points if point.share < 1]
    data = []
    if early:
        data.append(_marks("part of the training", early, "plain", "circle-open", 6))
    if done:
        seconds, best = best_so_far(done, greater_is_better)
        seconds, best = [*seconds, points[-1].second], [*best, best[-1]]  # to the end
        line = {"color": "@ink", "width": 1.5, "shape": "hv"}
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "best so far",
                "x": seconds,
                "y": best,
                "line": line,
                "hoverinfo": "skip",
            }
        )
        others = [point for point in done if point.trial != winner]
        if others:
            data.append(_marks("trained to the end", others, "other", "diamond", 9))
    its = [point for point in done if point.trial == winner]
    if its:
        data.append(_marks(f"{name}, trial {winner}", its, "winner", "star", 14))
    layout = with_legend(framed("seconds since the start", axis))
    low, high = near([point.score for point in done or points], [p.score for p in points])
    layout["yaxis"]["range"] = [low, high]
    outside = sum(not low <= point.score <= high for point in points)
    return {"data": data, "layout": layout}, outside


def best_so_far(done: Sequence[Point], greater_is_better: bool) -> tuple[list[float], list[float]]:
    """(seconds, the best score of a finished trial by then). done: by growing second."""
    better = np.maximum if greater_is_better else np.minimum
    best = better.accumulate([point.score for point in done])
    return [point.second for point in done], [float(value) for value in best]


def near(main: Sequence[float], everything: Sequence[float]) -> tuple[float, float]:
    """A range with all main values, and of the others those that are not far from them."""
    low, high = min(main), max(main)
    spread = max(high - low, 0.02 * abs(high), 1e-9)
    inside = [v for v in everything if low - 4 * spread <= v <= high + 4 * spread]
    low, high = min(inside), max(inside)
    edge = 0.08 * max(high - low, 1e-9)
    return low - edge, high + edge


def _marks(name: str, points: Sequence[Point], color: str, symbol: str, size: int) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [round(point.second, 2) for point in points],
        "y": [point.score for point in points],
        "marker": {"size": size, "color": f"@{color}", "symbol": symbol},
        "hovertext": [
            f"trial {p.trial}, {p.share:.0%} of its training: {number(p.score)}" for p in points
        ],
        "hoverinfo": "text",
    }


SPANS = {
    "cohort": ("networks on folds", "winner"),
    "refit": ("networks on all rows", "ink"),
    "baseline": ("baselines", "other"),
}


def work(spans: Sequence[Span], names: Mapping[str, str]) -> Figure:
    """Which process did what when. names: of spans, for people."""
    lanes = max(span.lane for span in spans) + 1
    data = []
    for kind, (label, color) in SPANS.items():
        own = [span for span in spans if span.kind == kind]
        if own:
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "name": label,
                    "base": [round(max(0.0, span.begin), 2) for span in own],
                    "x": [round(span.end - max(0.0, span.begin), 2) for span in own],
                    "y": [span.lane for span in own],
                    "width": 0.62,
                    "marker": {"color": f"@{color}", "line": {"color": "@paper", "width": 1.5}},
                    "hovertext": [
                        f"{names[f'{span.kind} {span.name}']}: {span.end - span.begin:.1f} s"
                        for span in own
                    ],
                    "hoverinfo": "text",
                }
            )
    layout = named([f"process {lane + 1}" for lane in range(lanes)], "seconds since the start")
    layout = with_legend(layout)
    layout["barmode"] = "overlay"
    layout["xaxis"]["rangemode"] = "tozero"
    return {"data": data, "layout": layout}


def reliability(bins: Sequence[Mapping[str, float]], of: str) -> Figure:
    """How often what is said to be probable occurs. bins: as `calibration.Bin`."""
    data: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": [each["confidence"] for each in bins],
        "y": [each["rate"] for each in bins],
        "marker": {"size": 9, "color": "@winner"},
        "hovertext": [
            f"{each['count']} rows: said {each['confidence']:.3f}, occurred {each['rate']:.3f}"
            for each in bins
        ],
        "hoverinfo": "text",
    }
    data["error_y"] = bars(
        [each["rate"] - each["low"] for each in bins],
        [each["high"] - each["rate"] for each in bins],
    )
    low = min(min(each["low"], each["confidence"]) for each in bins)
    low = 0.0 if low < 0.25 else max(0.0, low - 0.05)
    layout = framed(f"probability of {of}", "share that occurred")
    for name in ("xaxis", "yaxis"):
        layout[name] |= {"range": [low - 0.02, 1.02], "zeroline": False}
    ends = {"x0": low, "y0": low, "x1": 1, "y1": 1}
    line = {"color": "@muted", "width": 1, "dash": "dash"}
    layout["shapes"] = [{"type": "line", **ends, "line": line, "layer": "below"}]
    return {"data": [data], "layout": layout}


def residuals(errors: Errors, target: str) -> Figure:
    """What is left of the target, by what was predicted."""
    assert errors.predicted is not None
    assert errors.actual is not None
    n = len(errors.predicted)
    at = np.linspace(0, n - 1, min(SHOWN, n)).round().astype(int)
    predicted = errors.predicted[at]
    data: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": _short(predicted),
        "y": _short(errors.actual[at] - predicted),
        "marker": {"size": 5, "color": "@winner", "opacity": 0.45},
        "hoverinfo": "x+y",
    }
    layout = framed(f"predicted {target}", "actual less predicted")
    layout["shapes"] = [
        {
            **{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0},
            "line": {"color": "@ink", "width": 1},
        }
    ]
    return {"data": [data], "layout": layout}


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
