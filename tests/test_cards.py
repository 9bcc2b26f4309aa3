"""Cards: every ingredient can be learned from, its page is current, its example trains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shrinkage.cards import card, describe, index, page
from shrinkage.catalog import CATALOG, ENTRIES, Entry, entry_of
from shrinkage.population.cohort import Member
from shrinkage.recipe import Recipe
from shrinkage.testing import Case, cohort_of, small_table
from shrinkage.testing.case import trained
from test_conformance import CASES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = DOCS / "ingredients"
BLOCK = re.compile(r"```toml\n(.*?)```", re.DOTALL)

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


@each_entry
def test_a_card_has_all_its_parts(entry: Entry) -> None:
    parts = card(entry)
    assert parts.title.endswith(".")
    assert re.search(r"^    \S", parts.text, re.MULTILINE), "no equation"
    assert re.search(r"(19|20)\d\d|Source", parts.source) or "course" in parts.source, parts.source
    assert parts.helps or parts.conflicts


@each_entry
def test_its_page_is_current(entry: Entry) -> None:
    """Written by `make docs`."""
    assert (PAGES / f"{entry.name}.md").read_text("utf-8") == page(entry)


def test_the_index_is_current_and_no_page_is_left_over() -> None:
    assert (PAGES / "README.md").read_text("utf-8") == index()
    names = {f"{entry.name}.md" for entry in ENTRIES} | {"README.md"}
    assert {path.name for path in PAGES.glob("*.md")} == names


@pytest.mark.parametrize("case", {case.kind: case for case in CASES}.values(), ids=str)
def test_the_example_of_a_page_trains(case: Case) -> None:
    """Every code block of every page, in the surroundings in which the ingredient acts."""
    blocks = BLOCK.findall((PAGES / f"{case.entry.name}.md").read_text("utf-8"))
    assert blocks
    for block in blocks:
        recipe = Recipe.from_toml(block)
        shown = next(i for i in recipe.ingredients if entry_of(i) is case.entry)
        tried = case.base.using(shown).for_task(case.task)
        training = trained(cohort_of([Member(tried)], small_table(case.task)), 3)
        assert training.outcome(0).reason is None


def _measured() -> list[list[str]]:
    """Cells of the rows of docs/effects.md: ingredient, setting, data, beside, ..."""
    lines = (DOCS / "effects.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "](ing" in line]
    return [[re.sub(r"\[(\w+)\].*", r"\1", name), *cells] for name, *cells in rows]


def test_gains_were_measured() -> None:
    assert len(_measured()) >= 10


@pytest.mark.parametrize("row", _measured(), ids=lambda row: row[0])
def test_a_measured_gain_says_at_which_setting_and_beside_what(row: list[str]) -> None:
    name, setting, _, beside = row[:4]
    said = card(CATALOG[name]).measured
    for field, value in (part.split("=") for part in setting.split(", ") if part):
        assert float(value) == 0 or f"{field} {value} " in said
    assert ("both beside" in said) == bool(beside)


@each_entry
def test_a_machine_reads_place_numbers_and_source(entry: Entry) -> None:
    found = describe(entry)
    assert found["place"] == entry.place
    assert found["source"]
    for field in found["fields"]:
        if "low" in field:
            assert field["low"] < field["high"]
            assert "neutral" in field
