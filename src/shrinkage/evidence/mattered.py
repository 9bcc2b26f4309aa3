"""Importance over a search in words and rows, the same in a terminal and a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shrinkage.wording import count

if TYPE_CHECKING:
    from shrinkage.evidence.importance import Importance

SHOWN = 8
"""So many dimensions are listed where nobody asks for all."""


def caveat(command: str | None) -> str:
    """What these numbers are not. command: that ablates the study, where there is one."""
    return (
        "This is correlational: it is what went with good scores among the recipes that the search "
        f"happened to try. {paired(command)}"
    ).rstrip()


def paired(command: str | None) -> str:
    """Where there is better evidence."""
    if command is None:
        return ""
    return f"What an ingredient buys with all else the same is measured by {command}."


def about(found: Importance) -> str:
    """What the shares are of, or why there are none."""
    if found.reason:
        if found.explained == found.explained:
            return (
                f"Which settings mattered cannot be said: {found.reason} (R² of a forest on "
                f"trials that it has not seen: {found.explained:.2f})."
            )
        return f"Which settings mattered cannot be said: {found.reason}."
    return (
        "Shares of the variance of scores over the searched space, of "
        f"{count(found.trials, 'trial')}, "
        f"{found.whole} trained to the end; a random forest explains "
        f"{percent(found.explained)} of the variance of trials that it has not seen."
    )


def rest(found: Importance) -> str:
    """What no setting does alone."""
    said = f"Settings together, beyond each alone: {percent(found.together)}"
    if found.pair is None:
        return f"{said}."
    one, other = found.pair.paths
    return f"{said}; of pairs most by {one} with {other}, {percent(found.pair.value)}."


HEADS = ("setting", "share", "95 % interval", "acts in")


def rows(found: Importance, most: int | None = None) -> list[tuple[str, ...]]:
    """(setting, share, interval, part of the space in which it acts), the largest first."""
    return [
        (
            share.path,
            percent(share.value),
            f"{percent(share.low)} to {percent(share.high)}",
            percent(share.counts),
        )
        for share in found.shares[:most]
    ]


def percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"
