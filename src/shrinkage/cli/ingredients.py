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

    from shrinkage.catalog import ENTRIES, find
    from shrinkage.cli import terminal

    chosen = ENTRIES if name is None else (find(name),)
    if as_json:
        listed = [entry.describe() for entry in chosen]
        terminal.print_json(listed if name is None else listed[0])
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    place = None
    for column in ("place", "ingredient", "field", "default", "neutral", "search range", "unit"):
        table.add_column(column, no_wrap=column in ("ingredient", "field"))
    if name is not None:
        print(f"{chosen[0].card}\n")
    for entry in chosen:
        described = entry.describe()
        fields = described["fields"] or [{}]
        for i, field in enumerate(fields):
            table.add_row(
                entry.place if entry.place != place else "",
                entry.name if i == 0 else "",
                field.get("name", ""),
                str(field.get("default", "")),
                _text(field.get("neutral")),
                _range(field),
                field.get("unit", ""),
            )
            place = entry.place
    terminal.console.print(table)
    if name is None:
        terminal.console.print("\nOne card: shrinkage ingredients NAME", style="dim")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _range(field: dict) -> str:
    if field.get("choices"):
        return ", ".join(map(str, field["choices"]))
    if field.get("low") is None:
        return ""
    return f"{field['low']:g} .. {field['high']:g}" + (
        f" ({field['scale']})" if field["scale"] != "linear" else ""
    )
