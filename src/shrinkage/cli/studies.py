"""`shrinkage studies`: which studies there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def studies(
    folder: Annotated[
        str, typer.Argument(help="Where to look, some folders deep.", metavar="DIR")
    ] = ".",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the studies in a folder: what they are about, how far they came, how good they are.

    Example: shrinkage studies runs
    """
    from rich.text import Text

    from shrinkage.cli import terminal
    from shrinkage.search.listing import studies as listed

    found = listed(Path(folder))
    if as_json:
        terminal.print_json([each.to_json() for each in found])
        return
    if not found:
        terminal.console.print(f"no study in {folder}", markup=False, highlight=False)
        return
    table = terminal.plain_table("study", "data", "target", "status")
    for name in ("trials", "score", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("metric", no_wrap=True)
    for name in table.columns[:2]:
        name.no_wrap, name.overflow = False, "fold"
    for each in found:
        trials = f"{each.finished}/{each.trials}" if each.trials else ""
        # Names are text, whatever brackets they hold.
        data = Path(each.source).name
        names = each.folder, data, each.target, each.status
        table.add_row(
            *(Text(str(name)) for name in names),
            trials,
            terminal.number(each.score),
            f"{each.spent_s:.0f}" if each.trials else "",
            each.metric.replace("_", " "),
            style="dim" if each.status == "damaged" else None,
        )
    terminal.console.print(table)
    for each in found:
        if each.reason:
            terminal.console.print(f"\n{each.reason}", markup=False, soft_wrap=True)
    if any(each.status == "stopped" for each in found):
        terminal.console.print("\nGo on with a stopped one: shrinkage resume STUDY", style="dim")
