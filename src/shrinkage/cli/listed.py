"""How lists of studies look in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from shrinkage.cli.terminal import console, number, plain_table

if TYPE_CHECKING:
    from shrinkage.search.listing import Shared, Summary


def print_studies(found: list[Summary]) -> None:
    """Those in folders: one line each, and below what is wrong with the damaged ones."""
    table = plain_table("study", "data", "target", "status")
    for name in ("trials", "score", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for name in table.columns[:2]:
        name.no_wrap, name.overflow = False, "fold"
    for each in found:
        # Names are text, whatever brackets they hold.
        names = each.folder, Path(each.source).name, each.target, each.status
        table.add_row(
            *(Text(str(name)) for name in names),
            f"{each.finished}/{each.trials}" if each.trials else "",
            number(each.score),
            f"{each.spent_s:.0f}" if each.trials else "",
            each.metric.replace("_", " "),
            style="dim" if each.reason else None,
        )
    console.print(table)
    for each in found:
        if each.reason:
            console.print(f"\n{each.reason}", markup=False, soft_wrap=True)
    if any(each.status == "stopped" for each in found):
        console.print("\nGo on with a stopped one: shrinkage resume STUDY", style="dim")


def print_shared(found: list[Shared]) -> None:
    """Those on a server. at work: machines that are, of all that were."""
    table = plain_table("study", "data", "task")
    for name in ("trials", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("metric", "at work", "last seen"):
        table.add_column(name, no_wrap=True)
    for name in table.columns[:2]:
        name.no_wrap, name.overflow = False, "fold"
    for each in found:
        table.add_row(
            *(Text(text) for text in (each.study, Path(each.source).name, each.task)),
            f"{each.finished}/{each.trials}",
            number(each.score),
            each.metric.replace("_", " "),
            f"{each.alive}/{each.clients}",
            _ago(each.ago_s),
        )
    console.print(table)


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
