"""What a report is made of: sections of sentences, tables, charts and commands.

A report is put together once (`sections`) and written twice, as a page and as Markdown, so both
hold the same numbers. All text is plain: whoever writes it escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Notes:
    """Sentences, one below the other."""

    kind: ClassVar[str] = "notes"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """rows: cells as text. text: columns that hold words, the others hold numbers.

    strong: a row that stands out. folded: shown when it is asked for.
    shades: [R, C] in [0, 1], how dark the cells after the first column are.
    """

    kind: ClassVar[str] = "table"
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: tuple[int, ...] = (0,)
    strong: int | None = None
    folded: bool = False
    shades: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class Chart:
    """figure: data and layout as plotly takes them. says: what is to be seen, in words.

    numbers: the same as a table, for readers who do not see the chart.
    """

    kind: ClassVar[str] = "chart"
    name: str
    title: str
    figure: dict[str, Any]
    says: str
    numbers: Table | None = None


@dataclass(frozen=True)
class Code:
    """A text to copy. folded: shown when it is asked for."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Commands:
    """(what it gives, the command) each."""

    kind: ClassVar[str] = "commands"
    items: tuple[tuple[str, str], ...]


Block = Text | Notes | Table | Chart | Code | Commands


@dataclass(frozen=True)
class Section:
    """name: its anchor. pairs of charts stand beside each other where there is room."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """title: what was predicted from what. about: one line below it. answer: three sentences."""

    title: str
    about: str
    answer: tuple[str, ...]
    first: tuple[Block, ...]
    sections: tuple[Section, ...]
