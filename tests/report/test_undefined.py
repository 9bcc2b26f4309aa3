"""A metric without a value for some trials: it costs those trials their place, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Done
from shrinkage.files import finite
from shrinkage.recipe import Recipe
from shrinkage.report import facts
from shrinkage.run import trials_of
from shrinkage.search import earlier
from shrinkage.space import Space, dimensions_of
from shrinkage.store.database import at_file
from shrinkage.store.overview import overviews
from shrinkage.store.tables import Store


def strict(text: str) -> Any:
    """As a browser reads JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def figures(folder: Path) -> dict[str, Any]:
    page = (folder / "report.html").read_text()
    (found,) = re.findall(r'id="figures">(.*?)</script>', page, re.S)
    return strict(found)


@pytest.fixture
def lost(undefined: Path) -> tuple[int, int]:
    """The two trials: one that was trained to the end, one that a rung dropped."""
    return 0, max(trial.number for trial in trials_of(undefined))


def test_a_store_keeps_that_it_is_the_worst_but_shows_none(
    undefined: Path, lost: tuple[int, int]
) -> None:
    for trial in trials_of(undefined):
        scores = [rung.score for rung in trial.rungs]
        if trial.number in lost:
            assert scores == [float("-inf")] * (3 if trial.number == 0 else 1)
            assert trial.score is None
        else:
            assert trial.score == scores[-1]


def test_charts_are_drawn_without_them(
    undefined: Path, planted: Path, lost: tuple[int, int]
) -> None:
    """The planted trials are not in the log, so the picture has the first ones only."""
    assert {"scores", "search", "work", "importance"} <= set(figures(undefined))
    before, after = facts.read(planted).points, facts.read(undefined).points
    assert {point.trial for point in before} - {point.trial for point in after} == {lost[0]}
    assert [point for point in before if point.trial not in lost] == after
    texts = [trace.get("hovertext", []) for trace in figures(undefined)["search"]["data"]]
    marks = sum(len(text) for text in texts)
    assert marks == len(after)


def test_no_number_is_said_to_be_infinite(undefined: Path) -> None:
    page = re.sub(r"<script.*?</script>", "", (undefined / "report.html").read_text(), flags=re.S)
    for text in (page, (undefined / "report.md").read_text()):
        assert not re.search(r"\b(inf|nan|Infinity|NaN)\b", text)


def test_importance_is_of_the_others(undefined: Path, planted: Path) -> None:
    known, found = facts.read(planted).importance, facts.read(undefined).importance
    assert known is not None
    assert found is not None
    assert found.reason == ""
    assert found.trials == known.trials - 2
    assert found.shares[0].path == known.shares[0].path == "update.adam.lr"
    assert found.explained > 0


def test_lists_have_a_dash(
    undefined: Path, lost: tuple[int, int], command: Callable[..., Done]
) -> None:
    lines = command("show", undefined, "--top", 100).out.splitlines()
    rows = {cells[0]: cells for line in lines if (cells := line.split())}
    assert [rows[str(number)][4] for number in lost] == ["-", "-"]
    assert "inf" not in " ".join(lines)
    told = strict(command("show", undefined, "--json").out)["trials"]
    assert {each["number"] for each in told if each["score"] is None} == set(lost)
    assert told[0]["rungs"][0]["score"] is None


def test_a_study_is_as_good_as_the_best_score_that_is_known(undefined: Path) -> None:
    (found,) = overviews(at_file(undefined / "study.db"))
    done = [trial for trial in trials_of(undefined) if trial.status == "finished"]
    assert found.score == max(trial.score for trial in done if trial.score is not None)


def test_where_no_score_is_known_there_is_none(undefined: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_bytes((undefined / "study.db").read_bytes())
    database = at_file(path)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("update rung set score = -9e999")
    (found,) = overviews(database)
    assert found.score is None


def test_what_later_studies_learn_from_is_json(
    undefined: Path, lost: tuple[int, int], tmp_path: Path
) -> None:
    with Store(undefined / "study.db") as store:
        settings = store.settings()
    space = Space(Recipe.from_toml(settings["recipe"]), dimensions_of(settings["space"]))
    (study,), notes = earlier.read([str(undefined)], space, "classification")
    assert notes == []
    earlier.save([study], tmp_path / "prior.json")
    (kept,) = strict((tmp_path / "prior.json").read_text())
    assert sum(score is None for _, _, score in kept["heard"]) == 3 + 1
    assert earlier.kept(tmp_path / "prior.json") == [study]


def test_numbers_that_json_does_not_know_become_null() -> None:
    nan, inf = float("nan"), float("inf")
    given = {"a": [1.5, nan, (inf, 2)], "b": {"c": -inf, "d": "inf"}, "e": None}
    assert finite(given) == {"a": [1.5, None, [None, 2]], "b": {"c": None, "d": "inf"}, "e": None}
