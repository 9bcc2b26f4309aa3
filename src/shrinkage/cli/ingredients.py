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
    from shrinkage.cards import describe
    from shrinkage.catalog import ENTRIES, find
    from shrinkage.cli import terminal

    if as_json:
        listed = [describe(entry) for entry in (ENTRIES if name is None else (find(name),))]
        terminal.print_json(listed if name is None else listed[0])
    elif name is None:
        _list()
    else:
        _card(name)


def _list() -> None:
    """Every ingredient: one line a field, with what a search looks at and where it is off."""
    from shrinkage.cards import reach
    from shrinkage.catalog import ENTRIES
    from shrinkage.cli.terminal import console, plain_table
    from shrinkage.ingredient import PLACES, fields_of

    table = plain_table("ingredient", "field", "search range", "off at")
    table.columns[2].no_wrap = False  # choices may be long
    for place in PLACES:
        table.add_row(f"[bold]{place}[/bold]")
        for entry in ENTRIES:
            if entry.place != place:
                continue
            for i, field in enumerate(fields_of(entry.kind) or [None]):
                table.add_row(
                    f"  {entry.name}" if i == 0 else "",
                    field.name if field else "",
                    reach(field) if field else "",
                    _neutral(field),
                )
    console.print(table)
    console.print("\nOne card: shrinkage ingredients NAME", style="dim")


def _card(name: str) -> None:
    from shrinkage.cards import reach
    from shrinkage.catalog import find
    from shrinkage.cli.terminal import console, plain_table
    from shrinkage.ingredient import fields_of

    entry = find(name)
    print(f"{entry.card}\n")
    print(f"Place in a recipe: [{entry.place}.{entry.name}]; its role: {entry.role}")
    if fields_of(entry.kind):
        table = plain_table("field", "default", "off at", "search range", "unit")
        for field in fields_of(entry.kind):
            unit = field.number.unit if field.number else ""
            table.add_row(field.name, str(field.default), _neutral(field), reach(field), unit)
        print()
        console.print(table)


def _neutral(field) -> str:
    return "" if field is None or field.neutral is None else f"{field.neutral:g}"
