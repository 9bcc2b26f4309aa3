"""Groups of test rows: what the winner bought each, and whether it left one behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from shrinkage.evidence import group_words
from shrinkage.evidence.group_words import called
from shrinkage.evidence.words import title
from shrinkage.report.facts import Facts
from shrinkage.report.figure import Figure, bars, named, with_legend
from shrinkage.report.page import Block, Chart, Notes, Section, Table, Text
from shrinkage.report.words import pretty
from shrinkage.wording import count, effect, ends, number

Told = Mapping[str, Any]

_MOVED = {
    "helps": "gained more",
    "hurts": "gained less",
    "equivalent": "gained as much",
    "no evidence": "no evidence",
}
"""Than the others: how a gap's verdict is read."""

_OFF = 0.13
"""Of a line's height: so far plain network and winner stand above and below the middle."""


def section(facts: Facts) -> Section | None:
    """None where nobody asked for groups."""
    told = facts.subgroups
    if not told:
        return None
    blocks: list[Block] = [Text(_how(told))]
    for place, part in enumerate(told["columns"]):
        lines = group_words.of_column(told, part)
        if part["about"]:
            lines.append(f"About {called(part['column'])}: {part['about']}.")
        if any(group["gain"] for group in part["groups"]):
            blocks.append(_chart(told, part, place))
        blocks += [Notes(tuple(lines)), _gains(told, part), _gaps(told, part), _second(told, part)]
    return Section("subgroups", "Subgroups", tuple(blocks))


def _how(told: Told) -> str:
    groups = told["tests"]["gain"]
    text = f"Winner and plain network on the same {told['rows']:,} test rows, which chose nothing."
    if groups:
        text += (
            f" Verdicts hold for {count(groups, 'group')} together: gains and losses that are not "
            "there are found in about 5 % of such reports, gaps that did not move in another 5 %."
        )
    if told["asked"] != told["metric"]:
        text += (
            f" The metric of this study is a function of its own, which is not known here: "
            f"{pretty(told['metric'])} stands in for it."
        )
    return text


def _chart(told: Told, part: Told, place: int) -> Chart:
    known = [group for group in part["groups"] if group["winner"]]
    metric = pretty(told["metric"])
    heads = ("group", "test rows", "plain network", "95 % interval", "winner", "95 % interval")
    rows = tuple(
        (called(g["name"]), f"{g['rows']:,}", *_score(g["plain"]), *_score(g["winner"]))
        for g in known
    )
    column = called(part["column"])
    numbers = Table(f"Test {metric} by {column}", heads, rows)
    goal = "More" if told["greater_is_better"] else "Less"
    return Chart(
        f"groups-{place + 1}",
        f"By {column}",
        _dots(known, f"test {metric}"),
        f"{goal} is the goal. Bars are 95 % intervals of each score alone; both networks saw the "
        "same rows, so differences are surer than the bars: they stand in the table. Behind names "
        "stand test rows.",
        numbers,
    )


def _dots(groups: Sequence[Told], axis: str) -> Figure:
    """Each group's score under both networks."""
    data = []
    for who, label, off, symbol in (
        ("plain", "plain network", -_OFF, "circle-open"),
        ("winner", "winner", _OFF, "circle"),
    ):
        values = [group[who]["value"] for group in groups]
        found = [group[who]["interval"] for group in groups]
        marks: Figure = {
            "type": "scatter",
            "mode": "markers",
            "name": label,
            "x": values,
            "y": [place + off for place in range(len(groups))],
            "marker": {"size": 10, "color": f"@{who}", "symbol": symbol},
            "hovertext": [
                f"{escape(called(group['name']))}, {label}: {number(value)}<br>"
                f"95 % interval {ends(*pair)}"
                for group, value, pair in zip(groups, values, found, strict=True)
            ],
            "hoverinfo": "text",
        }
        marks["error_x"] = bars(
            [value - low for value, (low, _) in zip(values, found, strict=True)],
            [high - value for value, (_, high) in zip(values, found, strict=True)],
            f"@{who}",
        )
        data.append(marks)
    names = [f"{escape(called(group['name']))}  {group['rows']:,}" for group in groups]
    return {"data": data, "layout": with_legend(named(names, axis))}


def _gains(told: Told, part: Told) -> Table:
    heads = ("group", title(told), "95 % interval", "verdict", "would be found from")
    rows = [
        (called(g["name"]), *_effect(g["gain"]), number(g["gain"]["detectable"] or None))
        if g["gain"]
        else (f"{called(g['name'])} ({g['rows']:,})", "–", "–", g["why"], "–")
        for g in part["groups"]
    ]
    caption = "What the winner buys each group over the plain network, paired by rows"
    return Table(caption, heads, tuple(rows), text=(0, 3))


def _gaps(told: Told, part: Told) -> Table:
    """Positive is ahead of all others, whatever the metric's direction."""
    heads = ("group", "plain network", "winner", "change", "95 % interval", "verdict")
    rows = [
        (
            called(g["name"]),
            _gap(g["gap"]["plain"]),
            _gap(g["gap"]["winner"]),
            *_effect(g["gap"]["change"])[:2],
            _MOVED[g["gap"]["change"]["verdict"]],
        )
        if g["gap"]
        else (called(g["name"]), "–", "–", "–", "–", g["why"])
        for g in part["groups"]
    ]
    caption = (
        f"How far each group is ahead of all others in {pretty(told['metric'])} (below 0: behind), "
        "with 95 % intervals"
    )
    return Table(caption, heads, tuple(rows), text=(0, 5))


def _second(told: Told, part: Told) -> Table:
    second = pretty(told["second"])
    heads = ("group", "plain network", "winner", "gain", "95 % interval")
    rows = []
    for g in part["groups"]:
        found = g["second"]
        if found is None:
            rows.append((called(g["name"]), "–", "–", "–", "–"))
            continue
        gain = found["gain"]
        rows.append(
            (
                called(g["name"]),
                number(found["plain"]["value"]),
                number(found["winner"]["value"]),
                *effect(gain["value"], gain["interval"]),
            )
        )
    caption = f"The same by {second} (a positive gain is the winner's; no verdicts)"
    return Table(caption, heads, tuple(rows), folded=True)


def _score(told: Told) -> tuple[str, str]:
    return number(told["value"]), ends(*told["interval"])


def _gap(told: Told) -> str:
    value, interval = effect(told["value"], told["interval"])
    return f"{value} ({interval})"


def _effect(told: Told) -> tuple[str, str, str]:
    return *effect(told["value"], told["interval"]), told["verdict"]
