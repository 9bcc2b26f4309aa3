"""`shrinkage studies`: which studies there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def studies(
    folder: Annotated[
        str,
        typer.Argument(help="Where to look, some folders deep; or a server.", metavar="DIR|URL"),
    ] = ".",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List studies: what they are about, how far they came, how good they are.

    Example: shrinkage studies runs
    """
    from shrinkage.cli import listed, terminal
    from shrinkage.search import listing

    if "://" in folder:
        shared = listing.on_server(folder)
        found, show = shared, lambda: listed.print_shared(shared)
    else:
        local = listing.studies(Path(folder))
        found, show = local, lambda: listed.print_studies(local)
    if as_json:
        terminal.print_json([each.to_json() for each in found])
    elif found:
        show()
    else:
        where = "on this server" if "://" in folder else f"in {folder}"
        terminal.console.print(f"no study {where}", markup=False, highlight=False)
