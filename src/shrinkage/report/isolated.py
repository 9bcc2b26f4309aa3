"""The charts of importance: shares of dimensions, and one dimension in isolation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from shrinkage.evidence.importance import Share
from shrinkage.evidence.isolation import Isolation, Seen
from shrinkage.evidence.mattered import percent
from shrinkage.report.charts import near
from shrinkage.report.figure import Figure, bars, framed, named, with_legend
from shrinkage.wording import number

_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places along a range that are named."""


def shares(found: Sequence[Share]) -> Figure:
    """Shares of the variance with their intervals."""
    data: Figure = {
        "type": "scatter",
        "mode": "markers",
        "x": [share.value for share in found],
        "y": list(range(len(found))),
        "marker": {"size": 11, "color": "@winner"},
        "hovertext": [
            f"{escape(share.path)}: {percent(share.value)}<br>95 % interval "
            f"{percent(share.low)} to {percent(share.high)}"
            for share in found
        ],
        "hoverinfo": "text",
    }
    data["error_x"] = bars(
        [share.value - share.low for share in found], [share.high - share.value for share in found]
    )
    # Long paths on a phone leave no room: the last part says which setting it is.
    layout = named([escape(short(share.path)) for share in found], "share of the variance")
    layout["xaxis"] |= {"tickformat": ".0%", "rangemode": "tozero"}
    return {"data": [data], "layout": layout}


def short(path: str) -> str:
    """A path as people write it: the ingredient and its field, or the role."""
    return " ".join(path.split(".")[-2:]).replace("_", " ")


def isolation(found: Isolation, sign: int, winner: int, axis: str) -> Figure:
    """sign: -1 where the metric's own unit is the negative of what is larger for better."""
    data = [
        _line("mean over the others", found, found.mean, sign, "muted", "dot"),
        _line("best over the others", found, found.best, sign, "ink", "solid"),
    ]
    spread = _spread(found)
    for name, seen, color, symbol, size in (
        ("stopped early", [s for s in found.seen if not s.whole], "plain", "circle-open", 6),
        ("trained to the end", [s for s in found.seen if s.whole], "other", "diamond", 9),
    ):
        others = [each for each in seen if each.trial != winner]
        if others:
            data.append(_marks(name, others, spread, sign, color, symbol, size))
    its = [each for each in found.seen if each.trial == winner]
    if its:
        data.append(_marks(f"winner, trial {winner}", its, spread, sign, "winner", "star", 14))
    layout = with_legend(framed(short(found.path), axis))
    places, names = _ticks(found)
    layout["xaxis"] |= {"tickvals": places, "ticktext": names, "range": [-0.06, 1.06]}
    main = [sign * value for value in (*found.best, *found.mean)]
    every = [sign * each.score for each in found.seen]
    layout["yaxis"]["range"] = list(near([*main, *(sign * s.score for s in its)], every))
    return {"data": data, "layout": layout}


def _across(found: Isolation) -> list[float]:
    """Where values stand: along the scale that is searched; options at equal distances."""
    if found.ordered:
        return found.places
    return [(i + 0.5) / len(found.places) for i in range(len(found.places))]


def _line(
    name: str, found: Isolation, values: Sequence[float], sign: int, color: str, dash: str
) -> Figure:
    """Joined where values between the places mean something; "off" stands apart."""
    y: list[float | None] = [sign * value for value in values]
    x: list[float | None] = list(_across(found))
    if found.ordered and len(x) > 1 and found.apart:
        x.insert(1, None)
        y.insert(1, None)
    return {
        "type": "scatter",
        "mode": "lines+markers" if not found.ordered else "lines",
        "name": name,
        "x": x,
        "y": y,
        "line": {"color": f"@{color}", "width": 2 if dash == "solid" else 1.5, "dash": dash},
        "marker": {"size": 5, "color": f"@{color}"},
        "hoverinfo": "skip",
    }


def _spread(found: Isolation) -> dict[int, float]:
    """Where each trial stands across: those of one option side by side."""
    by: dict[float, list[int]] = {}
    across = dict(zip(found.places, _across(found), strict=True))
    for each in found.seen:
        by.setdefault(across.get(each.place, each.place), []).append(each.trial)
    room = 0.5 / max(1, len(found.places)) if not found.ordered else 0.03
    return {
        trial: place + room * ((i + 0.5) / len(trials) - 0.5)
        for place, trials in by.items()
        for i, trial in enumerate(sorted(trials))
    }


def _marks(
    name: str,
    seen: Sequence[Seen],
    spread: dict[int, float],
    sign: int,
    color: str,
    symbol: str,
    size: int,
) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [round(spread[each.trial], 4) for each in seen],
        "y": [sign * each.score for each in seen],
        "marker": {"size": size, "color": f"@{color}", "symbol": symbol, "opacity": 0.8},
        "hovertext": [
            f"trial {each.trial}: {escape(told(each.value))}, {number(sign * each.score)}"
            for each in seen
        ],
        "hoverinfo": "text",
    }


def _ticks(found: Isolation) -> tuple[list[float], list[str]]:
    if not found.ordered:
        return _across(found), [escape(told(value)) for value in found.values]
    off = 1 if found.apart else 0
    last = len(found.places) - 1
    kept = sorted({0, *(off + round(share * (last - off)) for share in _TICKS)})
    if off:
        kept.remove(1)  # it would stand in the way of "off"
    names = ["off" if off and i == 0 else told(found.values[i]) for i in kept]
    return [found.places[i] for i in kept], [escape(name) for name in names]


def told(value: Any) -> str:
    """A setting's value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("_", " ")
