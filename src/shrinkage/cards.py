"""Cards: what an ingredient is, when it helps, what it conflicts with; for terminal and pages.

The text is the docstring in the ingredient's own file. Its headings are words at the start of a
line: "Helps:", "Measured:", "Does nothing:", "Conflicts:", "Source:"; where there is no
"Source:", the paragraph that names author and year is it. Pages are written by

    python -m shrinkage.cards docs/ingredients
"""

from __future__ import annotations

import dataclasses
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrinkage.catalog import ENTRIES, Entry
from shrinkage.dimension import Range
from shrinkage.ingredient import PLACES, Field, fields_of
from shrinkage.recipe import Recipe

_HEADINGS = ("Helps", "Measured", "Does nothing", "Conflicts", "Source", "Sources")
_HEADING = re.compile(rf"^({'|'.join(_HEADINGS)}): ", re.MULTILINE)
_CITED = re.compile(r"[A-Z]\w+( et al\.| & [A-Z]\w+|, [A-Z]\w+)* (19|20)\d\d")


@dataclass(frozen=True)
class Card:
    """title: one line. text: equation and explanation. The others: one paragraph, or ""."""

    title: str
    text: str
    helps: str
    measured: str
    does_nothing: str
    conflicts: str
    source: str


def card(entry: Entry) -> Card:
    """The card of an ingredient, in parts."""
    parts = _HEADING.split(entry.card)
    title, _, text = parts[0].strip().partition("\n")
    under = {name: _joined(words) for name, words in zip(parts[1::2], parts[2::2], strict=True)}
    paragraphs = re.split(r"\n\s*\n", text.strip("\n"))
    source = under.get("Source") or under.get("Sources") or ""
    if not source:
        cited = next((p for p in paragraphs if not p.startswith("    ") and _CITED.search(p)), "")
        paragraphs = [p for p in paragraphs if p != cited]
        source = _joined(cited)
    return Card(
        title.strip(),
        "\n\n".join(paragraphs),
        under.get("Helps", ""),
        under.get("Measured", ""),
        under.get("Does nothing", ""),
        under.get("Conflicts", ""),
        source,
    )


def _joined(lines: str) -> str:
    return " ".join(lines.split())


def example(entry: Entry) -> Recipe:
    """A recipe that has the ingredient on: numbers at the middle of their search ranges."""
    values = {f.name: _middle(f) for f in fields_of(entry.kind) if _is_off(f)}
    return Recipe(entry.kind(**values))


def _is_off(field: Field) -> bool:
    return field.neutral is not None and field.default == field.neutral


def _middle(field: Field) -> Any:
    number = field.number
    assert number is not None
    whole = isinstance(field.default, int)
    value = Range(number.low, number.high, number.scale, whole).decode(0.5)
    return value if whole else float(f"{value:.2g}")


def page(entry: Entry) -> str:
    """The card as a page of the documentation."""
    parts = card(entry)
    text = re.sub(r"((?:^    .*\n?|^\n(?=    ))+)", _fenced, parts.text + "\n", flags=re.MULTILINE)
    out = [f"# {entry.name}", f"*{entry.place}*: {parts.title}", text.strip()]
    for heading, words in (
        ("When it helps", parts.helps),
        ("Measured", parts.measured),
        ("When it does nothing", parts.does_nothing),
        ("What it conflicts with", parts.conflicts),
    ):
        if words:
            out += [f"## {heading}", words[0].upper() + words[1:]]
    if fields_of(entry.kind):
        out += ["## Hyperparameters", _table(entry)]
    section = example(entry).to_toml().split("\n\n")
    chosen = next((s for s in section if s.startswith(f"[{entry.place}.{entry.name}]")), "")
    if chosen:
        out += ["## In a recipe", f"```toml\n{chosen.strip()}\n```"]
    out += ["## Source", parts.source]
    return "\n\n".join(out) + "\n"


def _fenced(found: re.Match[str]) -> str:
    lines = found[1].strip("\n").splitlines()
    return "```text\n" + "\n".join(line[4:] for line in lines) + "\n```\n"


def _table(entry: Entry) -> str:
    rows = ["| field | default | neutral | search range | unit |", "|---|---|---|---|---|"]
    for field in fields_of(entry.kind):
        neutral = "" if field.neutral is None else f"{field.neutral:g}"
        unit = field.number.unit if field.number else ""
        rows.append(f"| {field.name} | {field.default} | {neutral} | {reach(field)} | {unit} |")
    explained = (entry.kind.__doc__ or "").strip()
    if explained == "No hyperparameters.":
        explained = ""
    return "\n".join(rows) + (f"\n\n{_joined(explained)}" if "\n\n" not in explained else "")


def reach(field: Field) -> str:
    """What a search looks at: choices, or a range with its scale."""
    if field.choices:
        return ", ".join(map(str, field.choices))
    number = field.number
    if number is None:
        return ""
    scale = "" if number.scale == "linear" else f" ({number.scale})"
    return f"{number.low:g} .. {number.high:g}{scale}"


def describe(entry: Entry) -> dict[str, Any]:
    """The ingredient as plain values, for machines."""
    return {
        "name": entry.name,
        "place": entry.place,
        "role": entry.role,
        "only": entry.only,
        "excludes": list(entry.excludes),
        "fields": [_describe(field) for field in fields_of(entry.kind)],
        **dataclasses.asdict(card(entry)),
    }


def _describe(field: Field) -> dict[str, Any]:
    about = {"name": field.name, "default": field.default, "per_member": field.per_member}
    if field.number is not None:
        about |= dataclasses.asdict(field.number)
    if field.choices is not None:
        about["choices"] = list(field.choices)
    return about


def index() -> str:
    """All ingredients by place, with links to their pages."""
    out = ["# Ingredients", "What a recipe is made of, in the order of a training step."]
    for place in PLACES:
        rows = [f"- [{e.name}]({e.name}.md): {card(e).title}" for e in ENTRIES if e.place == place]
        out += [f"## {place}", "\n".join(rows)]
    return "\n\n".join(out) + "\n"


def write_pages(folder: Path) -> None:
    """Write all pages, and take away those of ingredients that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{entry.name}.md": page(entry) for entry in ENTRIES} | {"README.md": index()}
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
