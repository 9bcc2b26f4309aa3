"""A report as Markdown: the same sentences, tables and commands, for machines and for diffs."""

from __future__ import annotations

import re

from shrinkage import wording
from shrinkage.report.page import Block, Chart, Code, Commands, Notes, Page, Table, Text


def markdown(page: Page) -> str:
    """The whole text. Charts are told by their tables."""
    lines = [f"# {_plain(page.title)}", "", _plain(page.about), ""]
    for sentence in page.answer:
        lines += [_plain(sentence), ""]
    for block in page.first:
        lines += _block(block)
    for section in page.sections:
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += _block(block)
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> list[str]:
    match block:
        case Text(text):
            return [_plain(text), ""]
        case Notes(items):
            return [*(f"- {_plain(item)}" for item in items), ""]
        case Commands(items):
            said = [(f"{_plain(what)}:", "", *_code(how)) for what, how in items]
            return [line for lines in said for line in lines]
        case Code(caption, text):
            return [f"{_plain(caption)}:", "", *_code(text)]
        case Chart(numbers=None):
            return []
        case Chart(says=says, numbers=Table() as table):
            return [*_table(table), _plain(says), ""]
        case Table():
            return _table(block)
    raise TypeError(f"a page holds no {block!r}")


def _table(table: Table) -> list[str]:
    lines = [f"{_plain(table.caption)}:", ""] if table.caption else []
    heads = [_plain(head) for head in table.heads]
    return [*lines, *wording.table(heads, (map(_plain, row) for row in table.rows), table.text), ""]


def _code(text: str) -> list[str]:
    """A block whose fence is longer than any run of backticks in it."""
    runs = [len(found) for found in re.findall("`+", text)]
    fence = "`" * max(3, max(runs, default=0) + 1)
    return [fence, *text.strip().splitlines(), fence, ""]


def _plain(text: str) -> str:
    """Text that stays text, on one line: what Markdown or HTML would read is escaped."""
    return re.sub(r"([\\`*_\[\]<>|&#])", r"\\\1", " ".join(text.split()))
