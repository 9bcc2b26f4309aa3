"""`shrinkage recipe`: print a recipe, or what differs between two."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text


def recipe(
    source: Annotated[str, typer.Argument(help="A preset, a TOML file, or a run's folder.")],
    diff: Annotated[str | None, typer.Option(help="Another one, to compare with.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a recipe as TOML, ready to edit and to give to `fit --recipe`.

    Example: shrinkage recipe default --diff run
    """
    from shrinkage.cli import terminal
    from shrinkage.recipe import load

    one = load(source)
    if diff is None:
        if as_json:
            terminal.print_json({"hash": one.hash, "values": one.values})
        else:
            print(f"# {source}, {one.hash}\n\n{one.to_toml()}", end="")
        return
    differences = one.diff(load(diff))
    if as_json:
        terminal.print_json([{"path": p, source: a, diff: b} for p, a, b in differences])
        return
    table = terminal.plain_table()
    for name in ("", source, diff):
        table.add_column(Text(name))  # text, whatever brackets a file's name holds
    for path, here, there in differences:
        table.add_row(path, *(Text("-" if v is None else str(v)) for v in (here, there)))
    terminal.console.print(table if differences else "no difference")
