"""Importance over the search as it is told: in a report, in a terminal, to machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Done
from shrinkage.evidence import mattered
from shrinkage.report import facts, isolated, sections
from shrinkage.report.page import Chart, Text
from shrinkage.run import importance


def charts(folder: Path) -> dict[str, Chart]:
    page = sections.page(facts.read(folder))
    (search,) = (section for section in page.sections if section.name == "search")
    return {block.name: block for block in search.blocks if isinstance(block, Chart)}


def test_what_decides_scores_is_shown_first_and_in_isolation(planted: Path) -> None:
    found = charts(planted)
    shares = found["importance"].numbers
    assert shares is not None
    assert shares.rows[0][0] == "update.adam.lr"
    assert int(shares.rows[0][1].rstrip("%")) > 50
    drawn = found["importance"].figure["data"][0]
    assert drawn["x"][0] == max(drawn["x"])
    lr = found["isolated0"]
    assert lr.title == "Adam lr in isolation"
    best = next(trace for trace in lr.figure["data"] if trace["name"] == "best over the others")
    assert best["y"][-1] - best["y"][0] > 0.1
    (table,) = (chart.numbers for chart in (lr,) if chart.numbers)
    told = facts.read(planted)
    assert told.importance is not None
    assert sum(int(row[3]) for row in table.rows) == told.importance.trials
    marks = [trace for trace in lr.figure["data"] if trace["mode"] == "markers"]
    assert sum(len(trace["x"]) for trace in marks) == told.importance.trials
    assert [trace["name"] for trace in marks][-1].startswith("winner")


def test_it_is_called_correlational_wherever_it_stands(
    planted: Path, command: Callable[..., Done]
) -> None:
    text = (planted / "report.md").read_text()
    assert mattered.caveat(None) in text
    assert "Correlational" in charts(planted)["importance"].says
    done = command("show", planted, "--importance")
    assert done.code == 0
    assert mattered.caveat(None) in done.out, "of a plain winner there is nothing to take out"
    assert done.out.splitlines()[1].split()[0] == "update.adam.lr"
    told = json.loads(command("show", planted, "--importance", "--json").out)
    assert told["correlational"] is True
    assert told == json.loads(json.dumps(importance(planted).to_json()))
    assert told["shares"][0]["path"] == "update.adam.lr"


def test_few_trials_get_a_sentence_and_no_chart(study: Path, command: Callable[..., Done]) -> None:
    page = sections.page(facts.read(study))
    (search,) = (section for section in page.sections if section.name == "search")
    last = search.blocks[-1]
    assert isinstance(last, Text)
    assert "too few, it takes 15" in last.text
    assert "importance" not in charts(study)
    done = command("show", study, "--importance")
    assert (done.code, "too few, it takes 15" in done.out) == (0, True)
    told = json.loads(command("show", study, "--importance", "--json").out)
    assert told["shares"] == []
    assert told["explained"] is None


@pytest.mark.parametrize(
    ("path", "said"), [("update.adam.lr", "adam lr"), ("normalization", "normalization")]
)
def test_settings_are_named_as_people_do(path: str, said: str) -> None:
    assert isolated.short(path) == said
