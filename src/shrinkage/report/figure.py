"""What figures are made of, as plotly takes them: data and layout in plain dicts.

A colour is a name, "@ink", that the page looks up in its palette, so one figure serves light, dark
and paper. Text that comes from people is escaped: plotly reads tags in text.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

Figure = dict[str, Any]

ROW, NARROW, HEIGHT, LEGEND = 40, 30, 320, 36
"""Pixels: of a line in charts with names on the left, few or many; of all other charts; of a
legend."""


def bars(below: list[float], above: list[float], color: str = "@muted") -> Figure:
    return {
        "type": "data",
        "symmetric": False,
        "array": above,
        "arrayminus": below,
        "color": color,
        "thickness": 1.6,
        "width": 5,
    }


def upright(x: float, color: str, dash: str) -> Figure:
    ends = {"yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1}
    line = {"color": f"@{color}", "width": 1, "dash": dash}
    return {"type": "line", **ends, "line": line, "layer": "below"}


def band(low: float, high: float) -> Figure:
    ends = {"yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1}
    return {"type": "rect", **ends, "fillcolor": "@band", "line": {"width": 0}, "layer": "below"}


def named(names: Sequence[str], axis: str) -> Figure:
    """A layout with one line a name, the first on top."""
    layout = framed(axis, "")
    layout["height"] = 64 + (ROW if len(names) < 7 else NARROW) * len(names)
    layout["yaxis"] |= {
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
    }
    return layout


def framed(across: str, up: str) -> Figure:
    """Axes with these titles, which are text: plotly would read a `<` as markup."""

    def axis(title: str) -> Figure:
        found: Figure = {
            "gridcolor": "@line",
            "zeroline": False,
            "automargin": True,
            "fixedrange": True,
            "ticks": "",
        }
        if title:
            font = {"size": 13, "color": "@muted"}
            found["title"] = {"text": escape(title), "font": font, "standoff": 8}
        return found

    clear = "rgba(0,0,0,0)"
    return {
        "xaxis": axis(across),
        "yaxis": axis(up),
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "font": {"family": "inherit", "size": 13, "color": "@ink"},
        "margin": {"l": 8, "r": 12, "t": 8, "b": 44},
        "height": HEIGHT,
        "hoverlabel": {
            **{"bgcolor": "@paper", "bordercolor": "@line"},
            "font": {"color": "@ink", "size": 13},
            "align": "left",
        },
        "dragmode": False,
        "showlegend": False,
    }


def with_legend(layout: Figure) -> Figure:
    """With a line for names of marks above the picture."""
    place = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    legend = {
        **place,
        "font": {"size": 12, "color": "@muted"},
        "itemclick": False,
        "itemdoubleclick": False,
    }
    return layout | {
        "showlegend": True,
        "legend": legend,
        "margin": {**layout["margin"], "t": LEGEND},
        "height": layout["height"] + LEGEND,
    }
