"""What is said of groups: who is hurt, whose gap moved, and what these rows could have shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shrinkage import scores
from shrinkage.wording import count, effect, ends, listed, number

_LONGEST = 40

Told = Mapping[str, Any]


def called(name: str) -> str:
    """A group as a sentence names it: one line, not too long."""
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..."


def alarms(told: Told) -> list[str]:
    """Groups that the winner hurts, and gaps that it widened: what nobody may overlook."""
    lines = []
    for part in told["columns"]:
        known, column = [g for g in part["groups"] if g["gain"]], called(part["column"])
        lines += [_differs(told, column, g) for g in known if g["gain"]["verdict"] == "hurts"]
        lines += [line for behind, line in _gaps(told, column, known) if behind]
    return lines


def sentences(told: Told) -> list[str]:
    """All columns, a few sentences each."""
    return [line for part in told["columns"] for line in of_column(told, part)]


def of_column(told: Told, part: Told) -> list[str]:
    """Hurt groups first, then helped ones, gaps that moved, and who is served worst."""
    known = [group for group in part["groups"] if group["gain"]]
    column = called(part["column"])
    if not known:
        why = " and ".join(sorted({g["why"] for g in part["groups"] if g["why"]}))
        return [f"By {column}: no group can be judged ({why})."]
    lines = [_differs(told, column, g) for g in known if g["gain"]["verdict"] == "hurts"]
    if helped := [g for g in known if g["gain"]["verdict"] == "helps"]:
        lines.append(_helped(told, column, helped))
    if open_ := [g for g in known if g["gain"]["verdict"] not in ("helps", "hurts")]:
        lines.append(_open(told, column, open_, not lines))
    lines += [line for _, line in _gaps(told, column, known)]
    lines.append(_worst(told, part, column))
    return lines


def _name(told: Told) -> str:
    return scores.pretty_name(told["metric"])


def _moved(told: Told, gain: Told, before: str = " (", after: str = ")") -> str:
    """As in: accuracy lower by 0.04 (95 % interval 0.01 to 0.07)."""
    up = (gain["value"] > 0) == told["greater_is_better"]
    reach = sorted(abs(end) for end in gain["interval"])
    return (
        f"{_name(told)} {'higher' if up else 'lower'} by {number(abs(gain['value']))}"
        f"{before}95 % interval {ends(*reach)}{after}"
    )


def _rows(group: Told) -> str:
    return count(group["rows"], "test row")


def _differs(told: Told, column: str, group: Told) -> str:
    return (
        f"The winner is worse than the plain network for {column} = {called(group['name'])} "
        f"({_rows(group)}): {_moved(told, group['gain'])}."
    )


def _helped(told: Told, column: str, groups: Sequence[Told]) -> str:
    each = [f"{called(g['name'])} ({_moved(told, g['gain'], ', ', '')})" for g in groups]
    return f"The winner is better than the plain network for {column} = {listed(each)}."


def _open(told: Told, column: str, groups: Sequence[Told], all_: bool) -> str:
    """No verdict, and how large a difference would have had to be."""
    begin = f"By {column}: no sure difference between winner and plain network in any group"
    if not all_:
        names = listed([called(group["name"]) for group in groups])
        begin = f"No sure difference for {column} = {names}"
    differing = [g for g in groups if g["gain"]["detectable"]]
    if not differing:
        return f"{begin}: both predict the same."
    sizes = sorted(differing, key=lambda g: g["gain"]["detectable"])
    first, last = sizes[0], sizes[-1]
    least = f"{number(first['gain']['detectable'])} in {_name(told)}"
    if first is not last:
        least = (
            f"{number(first['gain']['detectable'])} ({called(first['name'])}) to "
            f"{number(last['gain']['detectable'])} ({called(last['name'])}) in {_name(told)}"
        )
    return f"{begin}. To be found four times in five one would have to be {least}."


def _gaps(told: Told, column: str, groups: Sequence[Told]) -> list[tuple[bool, str]]:
    """(whether it left the group further behind, the sentence) of gaps that moved surely.

    Of two groups it is one gap: that of the group behind.
    """
    moved = [g for g in groups if g["gap"] and g["gap"]["change"]["verdict"] in ("helps", "hurts")]
    if len(groups) == 2 and len(moved) == 2:
        moved = [min(moved, key=lambda g: g["gap"]["winner"]["value"])]
    rose = all(g["gain"]["value"] > 0 for g in groups)
    lines = []
    for group in moved:
        gap = group["gap"]
        before, after, change = gap["plain"]["value"], gap["winner"]["value"], gap["change"]
        wider = abs(after) > abs(before)
        moved_ = "widened" if wider else "narrowed"
        if before * after < 0:
            moved_ = "turned"
        although = ", although every group judged here gained" if wider and rose else ""
        value, interval = effect(change["value"], change["interval"])
        line = (
            f"The gap of {column} = {called(group['name'])} to the others {moved_}{although}: "
            f"{_side(told, before)} under the plain network, {_side(told, after)} under the winner "
            f"(change {value}, 95 % interval {interval})."
        )
        lines.append((after < min(0.0, before), line))
    return lines


def _side(told: Told, gap: float) -> str:
    """Larger is ahead, whatever the metric's direction."""
    return f"{number(abs(gap))} {'ahead' if gap >= 0 else 'behind'} in {_name(told)}"


def _worst(told: Told, part: Told, column: str) -> str:
    name = part["worst"]["winner"]
    group = next(g for g in part["groups"] if g["name"] == name)
    known = sum(g["gain"] is not None for g in part["groups"])
    if known < 2:
        return f"One group by {column} has enough test rows to be judged; none is served worst."
    before = part["worst"]["plain"]
    same = "under both" if before == name else f"the plain network's worst: {called(before)}"
    return (
        f"Served worst of {count(known, 'group')} by {column}: {called(name)}, {_name(told)} "
        f"{number(group['winner']['value'])} (95 % interval {ends(*group['winner']['interval'])}; "
        f"{same})."
    )
