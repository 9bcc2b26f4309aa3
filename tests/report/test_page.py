"""The report's numbers, and its text as text."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from conftest import Done, mixed, tiny_fit
from report.conftest import ABLATION, BOLD, IMAGE, SCRIPT, TARGET
from shrinkage.errors import BadInput
from shrinkage.report import answer, facts, html, sections
from shrinkage.report.charts import best_so_far, near
from shrinkage.report.facts import Point
from shrinkage.report.figure import framed
from shrinkage.report.page import Chart, Page
from shrinkage.report.write import try_to, write
from shrinkage.run import report, resume
from shrinkage.wording import effect, number

STUDIES = ("study", "regression", "ablated", "nasty")
each_study = pytest.mark.parametrize("name", STUDIES)


class Reader(HTMLParser):
    """What a browser would see: the text of a page by where it stands, and its tags."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.path: list[str] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.path.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.path.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.path):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).replace("\u00a0", " ").split())


@pytest.fixture
def folder(name: str, request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(name)


@each_study
def test_numbers_are_those_of_result_json(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    page = Reader((folder / "report.html").read_text()).words
    text = (folder / "report.md").read_text()
    metric = result["metric"]
    for row in filter(None, result["scores"].values()):
        for value in (row["validation"][metric], row["test"][metric]):
            assert number(value) in page
            assert number(value) in text
    for word in (result["recipe_hash"], result["versions"]["torch"], f"{result['wall_s']:.1f}"):
        assert word in page
        assert word in text


@pytest.mark.parametrize("name", ["study"])
def test_the_gain_over_the_plain_network_is_that_of_the_result(folder: Path) -> None:
    """Of an accuracy both are paired differences of rows, with the same interval."""
    against = json.loads((folder / "result.json").read_text())["against_plain"]
    gain = facts.read(folder).winner.gain
    assert gain is not None
    assert gain.value == pytest.approx(against["mean_loss_reduction"])
    assert (gain.low, gain.high) == pytest.approx(against["interval"])


@pytest.mark.parametrize("source", ["plain", "default", "random"])
@pytest.mark.parametrize("together", [False, True])
def test_of_an_ensemble_only_the_leading_recipe_is_called_the_default(
    source: str, together: bool, study: Path
) -> None:
    found = facts.read(study)
    its = {"winner": {**found.result["winner"], "source": source}}
    its["ensemble"] = {"shares": {"0": 0.5, "1": 0.5}} if together else None
    changed = () if source == "default" else (("network.mlp.width", 8, 30),)
    said = answer._why(replace(found, result={**found.result, **its}, changed=changed))
    assert ("The recipe that leads it" in said) is together
    assert ("nothing that was tried" in said) is (not together and source != "random")


@each_study
def test_errors_count_every_test_row(folder: Path) -> None:
    found = facts.read(folder)
    assert found.errors is not None
    rows = found.result["rows"]["test"]
    table = found.result["scores"]["winner"]["test"]
    if found.errors.confusion is not None:
        assert found.errors.confusion.sum() == rows
        assert found.errors.confusion.trace() / rows == pytest.approx(table["accuracy"])
    else:
        assert found.errors.actual is not None
        left = found.errors.actual - found.errors.predicted
        assert np.sqrt(np.square(left).mean()) == pytest.approx(table["rmse"], rel=1e-5)


@each_study
def test_every_finished_rung_is_a_point(folder: Path) -> None:
    found = facts.read(folder)
    rungs = [rung for trial in found.trials for rung in trial.rungs if rung[3] is not None]
    assert len(found.points) == len(rungs) > 0
    wall = found.result["wall_s"]
    assert all(0 <= point.second <= wall + 0.5 for point in found.points)
    winner = found.result["winner"]["trial"]
    last = [point for point in found.points if point.trial == winner][-1]
    (trial,) = (trial for trial in found.trials if trial.number == winner)
    sign = 1 if found.result["greater_is_better"] else -1
    assert last.score == sign * trial.score  # pyright: ignore


@each_study
def test_one_file_that_asks_for_nothing(folder: Path) -> None:
    source = (folder / "report.html").read_text()
    assert len(source) < 3e6
    for tag, attributes in Reader(source).tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:,")) or not value, f"<{tag} {name}={value}>"
    styles = re.findall(r"(?s)<style>(.*?)</style>", source)
    assert not any("url(" in style or "@import" in style for style in styles)
    assert "default-src 'none'" in source


@pytest.mark.parametrize("name", ["nasty"])
def test_names_stay_text(folder: Path) -> None:
    source = (folder / "report.html").read_text()
    reader = Reader(source)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("script") == 3
    assert not {"img", "i", "b"} & set(tags)
    for name in (SCRIPT, IMAGE, BOLD, TARGET, "</script>", "<b>bold & big.csv"):
        assert name in reader.words
    assert "49" not in reader.tags[0][0]
    assert TARGET in re.search(r"(?s)<title>(.*?)</title>", source)[1].replace(  # pyright: ignore
        "&lt;", "<"
    ).replace("&gt;", ">")
    text = (folder / "report.md").read_text()
    prose = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", text)
    assert not re.search(r"(?<!\\)<", prose)
    assert SCRIPT.replace("<", r"\<").replace(">", r"\>") in prose


@pytest.mark.parametrize("name", ["nasty"])
def test_a_column_that_gives_the_target_away_is_named(folder: Path) -> None:
    found = facts.read(folder)
    assert found.alone is not None
    assert [column for column, _ in found.alone.suspects] == ["</script>"]
    assert "Look at '</script>' (1.00)" in Reader((folder / "report.html").read_text()).words


@each_study
def test_who_reads_tables_gets_every_number_of_a_chart(folder: Path) -> None:
    page = sections.page(facts.read(folder))
    charts = [block for block in blocks(page) if isinstance(block, Chart)]
    assert [chart.name for chart in charts if chart.numbers is None] == ["scores"]
    for chart in charts:
        assert chart.says.endswith(".")
        json.dumps(chart.figure, allow_nan=False)


def blocks(page: Page) -> list:
    return [*page.first, *(block for section in page.sections for block in section.blocks)]


@each_study
def test_nothing_is_better_without_an_interval(folder: Path) -> None:
    for line in (folder / "report.md").read_text().splitlines():
        if re.search(r"\b(better|helps?|hurts?|improve[sd]?)\b", line):
            assert " to " in line, line


def test_an_ablation_is_shown(ablated: Path) -> None:
    page = Reader((ablated / "report.html").read_text()).words
    (effects,) = (b for b in blocks(sections.page(facts.read(ablated))) if named(b) == "effects")
    told = ABLATION["ingredients"]
    verdicts = {trace["name"] for trace in effects.figure["data"]}
    assert verdicts == {"helps", "hurts", "equivalent", "no evidence"}
    band = next(s for s in effects.figure["layout"]["shapes"] if s["type"] == "rect")
    assert [band["x0"], band["x1"]] == ABLATION["placebo"]["interval"]
    for name in ("dropout", "ema", "label_smoothing", "decay"):
        value, interval = effect(told[name]["effect"], told[name]["interval"])
        assert value in page
        assert interval in page
    assert "dropout (+0.0210, 95 % interval +0.0150 to +0.0270) helps" in page
    assert "decay (-0.0120, 95 % interval -0.0160 to -0.0080) hurts" in page
    assert "label_smoothing about 40" in page
    assert "diverged" in page


def test_worth_in_rows_is_shown(ablated: Path) -> None:
    """The sentence, both curves, and the dotted line from one to the other where they are equal."""
    page = Reader((ablated / "report.html").read_text()).words
    assert "The recipe is worth 1.8 times the rows (95 % interval 1.3 to more than 4)" in page
    assert "dropout is worth 1.4 times the rows (95 % interval 1.1 to 1.9)." in page
    (chart,) = (b for b in blocks(sections.page(facts.read(ablated))) if named(b) == "curves")
    points = {t["name"]: t for t in chart.figure["data"] if t["mode"] == "markers"}
    told = ABLATION["worth"]["curves"]
    assert {n: t["y"] for n, t in points.items()} == {
        "plain network": told["plain"]["scores"],
        "winner": told["winner"]["scores"],
    }
    assert all(t["x"] == [64, 32, 16] for t in points.values())
    (dotted,) = (t for t in chart.figure["data"] if t.get("line", {}).get("dash") == "dot")
    assert dotted["x"] == pytest.approx([64 / 1.8, 64])
    assert dotted["y"] == [0.87, 0.87]
    assert chart.figure["layout"]["xaxis"]["type"] == "log"
    assert ("32", "0.8200", "0.8100 to 0.8300", "0.8700", "0.8600 to 0.8800") in chart.numbers.rows


def named(block: object) -> str:
    return getattr(block, "name", "")


@pytest.mark.parametrize("source", ["random", "plain"])
def test_without_an_ablation_it_says_how_to_get_one(
    source: str, study: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "my run"
    shutil.copytree(study, folder)
    result = json.loads((folder / "result.json").read_text())
    result["winner"]["source"] = source
    (folder / "result.json").write_text(json.dumps(result))
    page = Reader(write(folder).read_text()).words
    # There is nothing to take out of the plain network.
    assert (f"shrinkage ablate '{folder}'" in page) == (source == "random")
    assert "placebo" not in page


def test_a_metric_that_the_test_rows_do_not_define_is_left_out(tiny: Path, tmp_path: Path) -> None:
    """Of one class there is no AUC: what was validated is told all the same."""
    mixed(80).to_csv(tmp_path / "t.csv", index=False)
    mixed(80).query("y == 'yes'")[:12].to_csv(tmp_path / "test.csv", index=False)
    asked = {"metric": "roc_auc", "test": tmp_path / "test.csv", "trials": 2}
    folder = tiny_fit(str(tmp_path / "t.csv"), "y", tmp_path / "run", tiny, **asked)
    page = Reader((folder / "report.html").read_text()).words
    assert "has no ROC AUC: it is not defined there" in page
    winner = facts.read(folder).winner
    assert (winner.test, winner.ran) == (None, True)
    assert f"{winner.validation:.4f}" in page


def test_a_study_of_an_earlier_version_has_no_intervals(study: Path, tmp_path: Path) -> None:
    """It kept nothing that was said of the test rows: scores stay, what needs rows is left out."""
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    shutil.rmtree(folder / "work" / "said")
    found = facts.read(folder)
    assert found.errors is None
    assert found.winner.gain is None
    page = Reader(write(folder).read_text()).words
    assert "the plain network's (95 % interval" in page
    assert "nan" not in page.lower().split()


def test_without_hidden_units_none_is_called_dead(study: Path) -> None:
    found = facts.read(study)
    assert found.inside is not None
    page = sections.page(replace(found, inside=replace(found.inside, dead=[])))
    assert "networks" in [section.name for section in page.sections]
    assert "hidden units give 0" not in str(page)


def test_what_work_holds_may_be_gone(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    shutil.rmtree(folder / "work" / "trials")
    (folder / "run.log").unlink()
    page = sections.page(facts.read(folder))
    assert "networks" not in [section.name for section in page.sections]
    assert "search" not in [named(block) for block in blocks(page)]


def test_a_report_that_fails_costs_one_line(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    (folder / "report.html").unlink()
    monkeypatch.setattr(html, "html", lambda page: 1 / 0)
    with caplog.at_level(logging.WARNING, "shrinkage"):
        run = resume(folder)
    assert run.result["scores"]["winner"]
    assert not (folder / "report.html").exists()
    (line,) = (record.getMessage() for record in caplog.records)
    assert "ZeroDivisionError" in line
    assert str(folder / "result.json") in line
    assert try_to(tmp_path / "nowhere") is None


def test_an_interrupt_costs_the_report_alone(tmp_path: Path, monkeypatch, caplog) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shrinkage.report.write.write", interrupted)
    assert try_to(tmp_path / "my run") is None
    assert f"shrinkage report '{tmp_path / 'my run'}'" in caplog.text


def test_the_command_writes_it_again(
    study: Path, tmp_path: Path, command: Callable[..., Done]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    write(folder)
    before = {name: (folder / name).read_bytes() for name in ("report.html", "report.md")}
    for name in before:
        (folder / name).unlink()
    done = command("report", folder)
    assert (done.code, done.out.strip()) == (0, str(folder / "report.html"))
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert report(folder) == folder / "report.html"


def test_no_study_no_report(tmp_path: Path, command: Callable[..., Done]) -> None:
    with pytest.raises(BadInput, match="holds no result"):
        report(tmp_path)
    done = command("report", tmp_path)
    assert done.code == 2
    assert not list(tmp_path.iterdir())


def test_the_best_so_far_never_falls_back() -> None:
    done = [Point(i, 1.0, float(i), score) for i, score in enumerate((3.0, 5.0, 4.0, 6.0))]
    assert best_so_far(done, True) == ([0, 1, 2, 3], [3, 5, 5, 6])
    assert best_so_far(done, False) == ([0, 1, 2, 3], [3, 3, 3, 3])


def test_one_wild_rung_does_not_squash_the_picture() -> None:
    low, high = near([0.90, 0.92], [0.90, 0.92, 0.88, 0.10])
    assert 0.8 < low < 0.88
    assert 0.92 < high < 0.95


def test_gains_have_the_sign_of_the_scores() -> None:
    """The winner is right on 9 of 10 rows, the plain network on 7, the linear model on 5."""
    target = np.tile(np.arange(2), 50)
    right = {"winner": 9, "plain": 7, "linear": 5}
    outputs = {name: said_right(target, of_ten) for name, of_ten in right.items()}
    rows = {
        name: {
            "validation": {"accuracy": of_ten / 10},
            "test": {"accuracy": of_ten / 10, "log_loss": 0.1},
            "seconds": 1.0,
        }
        for name, of_ten in right.items()
    }
    result = {"task": "classification", "metric": "accuracy", "scores": rows}
    found = {each.name: each for each in facts.contenders(result, outputs, target) if each.ran}
    assert list(found) == ["plain", "winner", "linear"]
    gains = {name: each.gain and round(each.gain.value, 9) for name, each in found.items()}
    assert gains == {"plain": None, "winner": 0.2, "linear": -0.2}
    behind = {name: each.behind and round(each.behind.value, 9) for name, each in found.items()}
    assert behind == {"plain": 0.2, "winner": None, "linear": 0.4}
    gain = found["winner"].gain
    assert gain is not None
    assert 0 < gain.low < 0.2 < gain.high


def said_right(target: np.ndarray, of_ten: int) -> np.ndarray:
    """Probabilities whose decision is right on the first so many of every ten rows."""
    right = np.arange(len(target)) % 10 < of_ten
    return np.eye(2)[np.where(right, target, 1 - target)]


def test_confusion_is_by_class_down_and_by_what_was_said_across() -> None:
    target, said = np.array([0, 0, 0, 1, 2]), np.array([0, 1, 1, 1, 0])
    found = facts.errors_of(np.eye(3)[said], target, 3)
    assert found is not None
    assert found.confusion is not None
    assert found.confusion.tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 0]]


def test_titles_of_axes_are_text() -> None:
    """A person's own metric may be called <lambda>."""
    layout = framed("test <lambda>", "")
    assert layout["xaxis"]["title"]["text"] == "test &lt;lambda&gt;"
    assert "title" not in layout["yaxis"]
