"""`shrinkage ingredients`: what a recipe can be made of."""

from __future__ import annotations

from typing import Annotated

import typer


def ingredients(
    name: Annotated[str | None, typer.Argument(help="One ingredient, for its card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List all ingredients by place, or print the card of one.

    Example: shrinkage ingredients mixup
    """
    from rich.table import Table

    from shrinkage.cards import describe, reach
    from shrinkage.catalog import ENTRIES, find
    from shrinkage.cli import terminal
    from shrinkage.ingredient import fields_of

    chosen = ENTRIES if name is None else (find(name),)
    if as_json:
        listed = [describe(entry) for entry in chosen]
        terminal.print_json(listed if name is None else listed[0])
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    place = None
    for column in ("place", "ingredient", "field", "default", "neutral", "search range", "unit"):
        table.add_column(column, no_wrap=column in ("ingredient", "field"))
    if name is not None:
        print(f"{chosen[0].card}\n")
    for entry in chosen:
        for i, field in enumerate(fields_of(entry.kind) or [None]):
            number = field.number if field else None
            table.add_row(
                entry.place if entry.place != place else "",
                entry.name if i == 0 else "",
                field.name if field else "",
                str(field.default) if field else "",
                "" if number is None or number.neutral is None else f"{number.neutral:g}",
                reach(field) if field else "",
                number.unit if number else "",
            )
            place = entry.place
    terminal.console.print(table)
    if name is None:
        terminal.console.print("\nOne card: shrinkage ingredients NAME", style="dim")
