"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Run = Annotated[str, typer.Argument(help="The folder of a run.", metavar="DIR")]

Budget = Annotated[str, typer.Option(help="Time for everything: 90s, 5m, 1h.")]

Workers = Annotated[
    int | None, typer.Option(help="Processes; default: one a core. 0: none but this one.")
]

By = Annotated[
    list[str] | None,
    typer.Option(
        help="Compare winner and plain network on the test rows by the groups of a column; may be "
        "repeated.",
        metavar="COLUMN",
    ),
]

Store = Annotated[
    str | None,
    typer.Option(
        help="The server's URL again, where its password is not in PGPASSWORD or ~/.pgpass.",
        metavar="URL",
    ),
]
