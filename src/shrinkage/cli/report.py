"""`shrinkage report`: a study as one page that works offline."""

from __future__ import annotations

from typing import Annotated

import typer


def report(
    folder: Annotated[str, typer.Argument(help="The folder of a run.", metavar="DIR")],
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare winner and plain network by the groups of a column; may be repeated.",
            metavar="COLUMN",
        ),
    ] = None,
) -> None:
    """Write a finished run's report again: report.html for people, report.md for machines.

    Example: shrinkage report run --by sex
    """
    from shrinkage import run as program

    print(program.report(folder, by or ()))
