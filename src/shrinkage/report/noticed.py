"""The data: its rows, what was noticed in them, and columns that give the target away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shrinkage.report.facts import Facts
from shrinkage.report.page import Block, Notes, Section, Table, Text
from shrinkage.report.suspects import ENOUGH
from shrinkage.report.words import copies_line, pretty
from shrinkage.wording import count, number

LISTED = 60
"""So many columns, and half as many classes, at most."""


def section(facts: Facts) -> Section:
    result, schema = facts.result, facts.schema
    rows = result["rows"]
    blocks: list[Block] = [
        Text(
            f"{rows['training']:,} rows to learn from in {count(rows['folds'], 'fold')}, "
            f"{rows['test']:,} set aside; {len(schema.used)} of {len(schema.columns)} columns used."
        )
    ]
    if notes := (*result["notes"], *result["without_effect"]):
        blocks.append(Notes(tuple(notes)))
    if copies := result.get("copies"):
        blocks += _copies(facts, copies)
    blocks.append(Text(_suspicion(facts)))
    if facts.classes:
        total = sum(train for _, train, _ in facts.classes)
        listed = tuple(
            (label, f"{train:,}", f"{train / total:.1%}", f"{test:,}")
            for label, train, test in facts.classes[: LISTED // 2]
        )
        heads = ("class", "training rows", "share", "test rows")
        caption = f"Classes of {schema.target}"
        if len(listed) < len(facts.classes):
            caption += f"; the first {len(listed)} of {len(facts.classes)}"
        blocks.append(Table(caption, heads, listed))
    skills = dict(facts.alone.skills) if facts.alone else {}
    ordered = sorted(schema.columns, key=lambda column: -skills.get(column.name, -9.0))
    columns = tuple(
        (
            column.name,
            column.kind,
            f"{max(0.0, skills[column.name]):.2f}" if column.name in skills else "–",
            column.note,
        )
        for column in ordered[:LISTED]
    )
    heads = ("column", "kind", "skill alone", "note")
    caption = "Columns, and what each predicts by itself: 0 nothing, 1 everything"
    if len(schema.columns) > LISTED:
        caption += f"; the first {LISTED} of {len(schema.columns)}"
    blocks.append(Table(caption, heads, columns, text=(0, 1, 3), folded=True))
    return Section("data", "Data", tuple(blocks))


def _copies(facts: Facts, found: Mapping[str, Any]) -> list[Block]:
    result, metric = facts.result, pretty(facts.result["metric"])
    said: list[Block] = [Text(copies_line(result) or "")]
    if found["scores"] is not None:
        heads = ("", f"all {found['rows'] + found['others']:,}", f"{found['others']:,} new ones")
        rows = tuple(
            (each.label, number(each.test.value) if each.test else "–", number(apart))
            for each in facts.contenders
            if (apart := found["scores"].get(each.name)) is not None
        )
        caption = f"Test {metric} on all test rows, and on those that repeat no training row"
        said.append(Table(caption, heads, rows))
    return said


def _suspicion(facts: Facts) -> str:
    found = facts.alone
    if found is None:
        return "The rows are too few to look for columns that give the target away."
    looked = f"each of {found.columns} columns alone, on {found.rows:,} training rows"
    if found.suspects:
        listed = ", ".join(f"'{name}' ({value:.2f})" for name, value in found.suspects)
        return (
            f"Look at {listed}: by itself it predicts the target almost perfectly ({looked}, a "
            "small tree on one half of them judged on the other). Was it known at the time of the "
            "prediction, or is it the answer in another form?"
        )
    name, best = found.skills[0]
    none = "No column gives"
    if found.columns < (every := len(facts.schema.used)):
        none = f"Of {every:,} columns none of the first {found.columns} gives"
    return (
        f"{none} the target away: {looked}, predicts by a small tree no more than "
        f"{max(0.0, best):.2f} of what a perfect one would ('{name}'; suspicious from {ENOUGH})."
    )
