"""Groups from the command to the page: what is asked for is told, and stays text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import Done
from report.conftest import COLOUR, MARKED, SCRIPT
from report.test_page import Reader, blocks
from shrinkage import subgroups
from shrinkage.data.groups import NO_VALUE
from shrinkage.data.together import Together
from shrinkage.errors import BadInput
from shrinkage.evidence import group_words, grouped
from shrinkage.evidence.grouped import asked_for
from shrinkage.report import commands, facts, sections
from shrinkage.report.page import Chart
from shrinkage.report.write import write
from shrinkage.run import report, resume
from shrinkage.search import rows, said
from shrinkage.wording import ends, number, signed


@pytest.fixture
def folder(by_group: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(by_group, tmp_path / "run"))


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def test_result_json_holds_what_rows_say(by_group: Path) -> None:
    """Each number counted again from what both networks said."""
    told = result_of(by_group)["subgroups"]
    table = rows.load(by_group / "work")
    target = table.target(table.test)
    hits = {}
    for who in ("plain", "winner"):
        output = said.kept(by_group / "work", who, len(target))
        assert output is not None
        hits[who] = output.argmax(1) == target
    colours = table.test[COLOUR].to_numpy()
    (part, _) = told["columns"]
    assert part["column"] == COLOUR
    assert {g["name"] for g in part["groups"]} == {SCRIPT, MARKED, "green"}
    assert sum(g["rows"] for g in part["groups"]) == told["rows"] == len(target)
    for group in part["groups"]:
        here = colours == group["name"]
        means = {who: hits[who][here].mean() for who in hits}
        assert group["winner"]["value"] == pytest.approx(means["winner"])
        assert group["gain"]["value"] == pytest.approx(means["winner"] - means["plain"])
        gap = means["winner"] - hits["winner"][~here].mean()
        assert group["gap"]["winner"]["value"] == pytest.approx(gap)
    worst = min(part["groups"], key=lambda g: g["winner"]["value"])
    assert part["worst"]["winner"] == worst["name"]


def test_numbers_have_their_missing_cells_and_the_bounds_of_training(by_group: Path) -> None:
    table = rows.load(by_group / "work")
    (_, part) = result_of(by_group)["subgroups"]["columns"]
    assert part["groups"][-1]["name"] == NO_VALUE
    assert part["groups"][-1]["rows"] == table.test["b"].isna().sum()
    known = np.sort(table.train["b"].dropna())
    middle = known[int(np.ceil(len(known) / 2)) - 1]
    assert f", {middle:g}, " in part["about"]


def test_the_page_holds_the_numbers_of_the_result(by_group: Path) -> None:
    page = Reader((by_group / "report.html").read_text())
    text = (by_group / "report.md").read_text()
    for part in result_of(by_group)["subgroups"]["columns"]:
        for group in filter(lambda g: g["gain"], part["groups"]):
            said_ = [
                number(group["winner"]["value"]),
                signed(group["gain"]["value"]),
                ends(*group["gain"]["interval"], say=signed),
                ends(*group["gap"]["change"]["interval"], say=signed),
            ]
            for word in said_:
                assert word in page.words
                assert word in text
    page_ = sections.page(facts.read(by_group))
    charts = [b for b in blocks(page_) if isinstance(b, Chart) and b.name.startswith("groups")]
    assert [c.name for c in charts] == ["groups-1", "groups-2"]
    plain, winner = charts[0].figure["data"]
    told = result_of(by_group)["subgroups"]["columns"][0]["groups"]
    assert plain["x"] == [g["plain"]["value"] for g in told]
    assert winner["x"] == [g["winner"]["value"] for g in told]


def test_names_of_groups_stay_text(by_group: Path) -> None:
    page = Reader((by_group / "report.html").read_text())
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 3
    assert not {"b", "i"} & set(tags)
    assert SCRIPT in page.words
    assert COLOUR in page.words
    (chart, *_) = [b for b in blocks(sections.page(facts.read(by_group))) if "groups" in named(b)]
    assert any("&lt;script&gt;" in tick for tick in chart.figure["layout"]["yaxis"]["ticktext"])
    assert "<script" not in json.dumps(chart.figure)


def named(block: object) -> str:
    return getattr(block, "name", "")


def test_later_looks_add_up_and_make_verdicts_stricter(folder: Path) -> None:
    before = result_of(folder)["subgroups"]
    report(folder, by="y")
    found = json.loads((folder / "subgroups.json").read_text())
    assert [part["column"] for part in found["columns"]] == [COLOUR, "b", "y"]
    assert found["tests"]["gain"] == before["tests"]["gain"] + 2
    assert result_of(folder)["subgroups"] == before
    for one, other in zip(before["columns"], found["columns"], strict=False):
        for a, b in zip(one["groups"], other["groups"], strict=True):
            assert (a["plain"], a["winner"]) == (b["plain"], b["winner"])
            if a["gain"]:
                assert b["gain"]["p_value"] == a["gain"]["p_value"]
                assert b["gain"]["p_adjusted"] >= a["gain"]["p_adjusted"]
    assert "By y" in Reader((folder / "report.html").read_text()).words
    (folder / "report.html").unlink()
    write(folder)  # as an ablation does: what was asked for stays
    assert "By y" in Reader((folder / "report.html").read_text()).words


def test_from_python_nothing_is_written(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    found = subgroups(folder, "y")
    assert [part["column"] for part in found["columns"]] == ["y"]
    asked = result_of(folder)["subgroups"]["tests"]["gain"]
    assert found["tests"]["gain"] == asked + 2, "with those that were asked for before"
    assert subgroups(folder, ["y", "y"]) == found
    assert sorted(folder.rglob("*")) == before
    with pytest.raises(BadInput, match="no column 'colour' for --by"):
        subgroups(folder, "colour")
    same = rows.load(folder / "work")
    assert same.unread is not None
    same.unread[1]["id"] = 7
    with pytest.raises(BadInput, match="all of the 160 test rows are in one group"):
        same.groups("id", "t")


def test_a_column_that_networks_do_not_read_can_be_asked_for(folder: Path) -> None:
    """The identifier was dropped, and its order may be the order of time."""
    names = [column.name for column in rows.load(folder / "work").schema.columns]
    assert "id" in names
    (part,) = subgroups(folder, "id")["columns"]
    assert len(part["groups"]) == 4
    assert sum(g["rows"] for g in part["groups"]) == 160
    for path in (folder / "work").glob("*-unread.parquet"):
        path.unlink()
    with pytest.raises(BadInput, match="not among the rows that this study keeps"):
        subgroups(folder, "id")


def test_a_study_with_more_time_tells_of_its_groups_again(folder: Path) -> None:
    report(folder, by="y")
    path = folder / "subgroups.json"
    path.write_text(path.read_text().replace('"rows": 160', '"rows": 1'))
    resume(folder)
    assert json.loads(path.read_text())["rows"] == 160
    assert asked_for(folder, result_of(folder)) == [COLOUR, "b", "y"]


def test_what_was_asked_for_later_counts_when_a_study_goes_on(folder: Path) -> None:
    """Its result and its page then say the same of a group."""
    report(folder, by="y")
    result, table = result_of(folder), rows.load(folder / "work")
    outputs = {name: said.kept(folder / "work", name, 160) for name in ("plain", "winner")}
    given = folder, table, (COLOUR, "b"), "t", result, outputs
    found = grouped.concluding(*given)
    assert found == json.loads((folder / "subgroups.json").read_text())
    for foreign in ('{"columns": ["sex"]}', '{"columns": [{"column": "gone"}]}'):
        (folder / "subgroups.json").write_text(foreign)
        assert grouped.concluding(*given) == result["subgroups"]
    (folder / "subgroups.json").unlink()
    assert grouped.concluding(*given) == result["subgroups"]
    assert grouped.concluding(folder, table, (), "t", result, outputs) is not None
    (folder / "result.json").unlink()
    assert grouped.concluding(folder, table, (), "t", result, outputs) is None


def test_the_command_of_the_study_asks_again(by_group: Path) -> None:
    asked = facts.read(by_group).settings | {"keep": ["year of"]}
    found = commands.fit(asked | {"budget_s": 1_209_600.0})
    assert found is not None
    assert " --budget 1209600s " in found, "14 days, as fit reads it"
    assert "--by '<script>colour</script>' --by b --keep 'year of' " in found


def test_the_command_line(folder: Path, command: Callable[..., Done]) -> None:
    done = command("report", folder, "--by", "y", "--by", "rare")
    assert (done.code, done.out.strip()) == (0, str(folder / "report.html"))
    found = json.loads((folder / "subgroups.json").read_text())
    rare = found["columns"][-1]["groups"]
    assert [(g["name"], g["gain"] is None, g["why"]) for g in rare] == [
        ("often", False, "of all others: fewer than 20 test rows"),
        ("seldom", True, "fewer than 20 test rows"),
    ]
    before = (folder / "subgroups.json").read_bytes()
    done = command("report", folder, "--by", "Rares")
    assert done.code == 2
    assert "Did you mean 'rare'?" in done.err
    assert (folder / "subgroups.json").read_bytes() == before


GAIN = {"p_value": 0.001, "p_adjusted": 0.004, "detectable": 0.05}


def group(name: str, plain: float, winner: float, verdict: str, gap: tuple, moved: str) -> dict:
    gain = winner - plain
    own = {who: {"value": v, "interval": [v - 0.05, v + 0.05]}
           for who, v in (("plain", plain), ("winner", winner))}  # fmt: skip
    change = {
        "value": gap[1] - gap[0],
        "interval": [gap[1] - gap[0] - 0.01, gap[1] - gap[0] + 0.01],
    }
    gaps = {who: {"value": v, "interval": [v - 0.05, v + 0.05]}
            for who, v in zip(("plain", "winner"), gap, strict=True)}  # fmt: skip
    return {
        "name": name,
        "rows": 123,
        **own,
        "gain": {**GAIN, "value": gain, "interval": [gain - 0.01, gain + 0.01], "verdict": verdict},
        "gap": {**gaps, "change": {**change, **GAIN, "verdict": moved}},
        "second": None,
        "why": "",
    }


def told(*groups: dict, metric: str = "accuracy") -> dict:
    part = {"column": "sex", "about": "", "groups": groups,
            "worst": {"plain": groups[0]["name"], "winner": groups[0]["name"]}}  # fmt: skip
    greater = metric == "accuracy"
    return {"metric": metric, "greater_is_better": greater, "columns": [part]}


def test_who_is_hurt_is_said_first() -> None:
    found = told(
        group("F", 0.80, 0.76, "hurts", (-0.02, -0.10), "hurts"),
        group("M", 0.82, 0.86, "helps", (0.02, 0.10), "helps"),
    )
    lines = group_words.sentences(found)
    assert lines[0] == (
        "The winner is worse than the plain network for sex = F (123 test rows): accuracy lower by "
        "0.0400 (95 % interval 0.0300 to 0.0500)."
    )
    assert lines[1] == (
        "The winner is better than the plain network for sex = M (accuracy higher by 0.0400, 95 % "
        "interval 0.0300 to 0.0500)."
    )
    assert lines[2] == (
        "The gap of sex = F to the others widened: 0.0200 behind in accuracy under the plain "
        "network, 0.1000 behind in accuracy under the winner (change -0.0800, 95 % interval "
        "-0.0900 to -0.0700)."
    )
    assert lines[3].startswith("Served worst of 2 groups by sex: F, accuracy 0.7600 (95 % interval")
    assert group_words.alarms(found) == [lines[0], lines[2]]


def test_a_loss_that_rises_is_a_harm() -> None:
    one = group("F", 0.50, 0.54, "hurts", (-0.02, -0.03), "no evidence")
    one["gain"] |= {"value": -0.04, "interval": [-0.06, -0.02]}
    (line, *_) = group_words.sentences(told(one, metric="log_loss"))
    assert "log loss higher by 0.0400 (95 % interval 0.0200 to 0.0600)" in line


def test_a_gap_that_widened_though_all_gained() -> None:
    found = told(
        group("F", 0.80, 0.82, "helps", (-0.02, -0.06), "hurts"),
        group("M", 0.82, 0.88, "helps", (0.02, 0.06), "helps"),
    )
    (line,) = group_words.alarms(found)
    assert (
        "of sex = F to the others widened, although every group judged here gained: 0.0200 behind"
        in line
    )


def test_a_group_that_falls_from_ahead_to_behind_is_an_alarm() -> None:
    """It is behind by less than it was ahead, and further behind all the same."""
    found = told(
        group("F", 0.81, 0.80, "no evidence", (0.05, -0.04), "hurts"),
        group("M", 0.76, 0.84, "helps", (-0.05, 0.04), "helps"),
    )
    (line,) = group_words.alarms(found)
    assert "of sex = F to the others turned:" in line


def test_a_gap_that_closed_is_no_alarm() -> None:
    found = told(
        group("F", 0.80, 0.88, "helps", (-0.08, -0.02), "helps"),
        group("M", 0.88, 0.90, "no evidence", (0.08, 0.02), "hurts"),
    )
    assert group_words.alarms(found) == []
    assert any("sex = F to the others narrowed" in line for line in group_words.sentences(found))


def test_what_was_not_found_is_said_with_what_could_have_been() -> None:
    calm = [group(n, 0.8, 0.8, "no evidence", (0.0, 0.0), "no evidence") for n in "FM"]
    calm[1]["gain"]["detectable"] = 0.02
    line = group_words.sentences(told(*calm))[0]
    assert line == (
        "By sex: no sure difference between winner and plain network in any group. To be found "
        "four times in five one would have to be 0.0200 (M) to 0.0500 (F) in accuracy."
    )


def test_where_both_predict_the_same_nothing_is_said_to_be_found() -> None:
    same = [group(n, 0.8, 0.8, "no evidence", (0.0, 0.0), "no evidence") for n in "FM"]
    for each in same:
        each["gain"]["detectable"] = 0.0
    assert group_words.sentences(told(*same))[0] == (
        "By sex: no sure difference between winner and plain network in any group: both predict "
        "the same."
    )


def test_an_alarm_stands_on_the_first_screen(folder: Path) -> None:
    found = told(group("F", 0.80, 0.76, "hurts", (-0.02, -0.10), "hurts"))
    read = facts.read(folder)
    calm = sections.page(read).answer
    found |= {"rows": 123, "tests": {"gain": 1}, "asked": "accuracy", "second": "log_loss"}
    hurt = sections.page(replace(read, subgroups=found)).answer
    assert len(hurt) == len(calm) + 2
    assert hurt[-2].startswith("The winner is worse than the plain network for sex = F")


def test_groups_that_can_no_longer_be_judged_cost_no_study(by_group: Path) -> None:
    """An earlier version let --by pass where rows belong together and are too few."""
    table = rows.load(by_group / "work")
    result = json.loads((by_group / "result.json").read_text())
    clusters = np.arange(len(table.test)) % 7
    few = replace(table, together=Together("a", np.arange(len(table.train)), clusters))
    with pytest.raises(BadInput, match="20 different 'a'"):
        few.groups(COLOUR, "t")
    assert grouped.concluding(by_group, few, [COLOUR], "t", result, {}) is None
