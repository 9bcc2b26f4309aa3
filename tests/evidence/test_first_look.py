"""The look at the end of `fit`, in the time that is left."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, mixed, tiny_fit
from shrinkage import run
from shrinkage.data.source import Table
from shrinkage.engine import local
from shrinkage.errors import BadInput
from shrinkage.evidence import first_look
from shrinkage.recipe import Recipe
from shrinkage.report.write import write
from shrinkage.search import session
from shrinkage.search.above import Above
from shrinkage.search.budget import Clock
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings
from shrinkage.search.study import Study

RECIPE = TINY + "\n[network.dropout]\nrate = 0.3\n\n[loss.label_smoothing]\neps = 0.1\n"
SPACE = '[vary]\n"network.mlp.width" = [2, 8, 30]\n'
RECIPE_OF = Recipe.from_toml(RECIPE).for_task("classification")


def asked(**more: Any) -> Settings:
    given: dict[str, Any] = {"budget_s": 100.0, "recipe": RECIPE, "space": SPACE, "cv": "3"}
    return Settings("t", "y", **given | {"first_look": True, "workers": 2} | more)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """A study that has not begun; trial 0 takes 0.3 s, so a network 0.05 s of two processes."""
    folder = Folder(tmp_path / "run")
    with session.prepared(Table(mixed(), "t"), asked(), folder, Clock(0.0, 100.0)) as made:
        made.trial_seconds = 0.3
        yield made


def test_forms_give_up_rates_then_seeds_then_folds_that_have_rows() -> None:
    def of(judged: list[int]) -> list[tuple[int, int, int]]:
        return [(len(f.factors), f.folds, f.seeds) for f in first_look.forms(judged)]

    whole = [(3, 5, 3), (1, 5, 3), (1, 5, 2)]
    fewer = len(first_look.FEWER)
    assert of([90] * 5) == [*whole, *[(1, 5, 2)] * fewer]
    assert of([200] * 5) == [*whole, (1, 4, 3), (1, 3, 3), *[(1, 3, 2)] * (1 + fewer)]
    assert of([600] * 3) == [(3, 3, 3), (1, 3, 3), (1, 3, 2), (1, 2, 3), (1, 1, 3),
                             *[(1, 1, 2)] * (1 + fewer)]  # fmt: skip
    assert of([80]) == [(3, 1, 3), (1, 1, 3), *[(1, 1, 2)] * (1 + fewer)]
    networks = [form.networks(10) for form in first_look.forms([250] * 5)]
    assert networks == [540, 180, 120, 144, 108, 72, 48, 40, 28, 20]
    assert first_look.forms([80])[-1].networks(2) == 8, "no more than there are"


def test_time_is_kept_for_the_best_form_within_a_share(study: Study) -> None:
    # Batches, width, dropout and smoothing, the winner and the placebo: 162 networks.
    assert first_look.keep(study) == pytest.approx(
        first_look.BEGIN_S + first_look.ENDING_S + 2.0 + 162 * 0.05 / first_look.TIMED
    )
    study.trial_seconds = 3.0
    assert first_look.keep(study) == pytest.approx(first_look.SHARE * 100)
    study.trial_seconds = 180.0  # the least form of all, 36 networks of 10 s
    assert first_look.keep(study) == 0.0


@pytest.mark.parametrize("more", [{"trials": 9}, {"budget_s": 59.0}, {"first_look": False}])
def test_no_time_is_kept_where_none_is_asked_for(study: Study, more: dict) -> None:
    study.settings = asked(**more)
    assert first_look.keep(study) == 0.0


def look_at(study: Study, folder: Path, seconds: float = 1e6) -> dict[str, Any]:
    """What the look at the end of `study` leaves in a finished folder, whose winner is RECIPE."""
    study.folder = Folder(folder)
    result = json.loads((folder / "result.json").read_text())
    result |= {"recipe": RECIPE_OF.to_toml(), "recipe_hash": RECIPE_OF.hash}
    (folder / "result.json").write_text(json.dumps(result))
    clock = Clock(time.time(), seconds)
    first_look.look(study, result, local.executor(0), clock)
    return json.loads((folder / "ablation.json").read_text())


@pytest.fixture
def finished(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Path:
    """A copy of a finished study of the same table, rows and folds."""
    monkeypatch.setattr(first_look, "MOST_SEEDS", 3)
    folder = tmp_path / "finished"
    shutil.copytree(request.getfixturevalue("done"), folder)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    return tiny_fit(Table(mixed(), "t"), "y", tmp_path_factory.mktemp("done") / "run", tiny)


def test_with_time_a_look_is_the_first_part_of_an_ablation(study: Study, finished: Path) -> None:
    told = look_at(study, finished)
    assert told["first_look"]
    assert told["tuned"]
    assert told["seeds"] == 3
    assert {told["ingredients"][name]["verdict"] for name in told["ingredients"]} - {None}
    files = set((finished / "evidence").rglob("*.npy"))
    run.ablate(finished, seeds=3, budget="10m", workers=0)
    whole = json.loads((finished / "ablation.json").read_text())
    assert not whole["first_look"]
    assert whole["ingredients"] == told["ingredients"]
    assert whole["placebo"] == told["placebo"]
    assert whole["alone"] is not None
    assert files < set((finished / "evidence").rglob("*.npy"))


def test_with_less_time_one_rate_and_no_verdicts(study: Study, finished: Path) -> None:
    """Six arms of three folds and seeds at 10 s a network fit 1,000 s; three times as many not."""
    study.trial_seconds = 10.0 * 3 * study.settings.workers
    told = look_at(study, finished, 1000.0)
    assert not told["tuned"]
    assert list(told["rates"]) == ["0.01"]
    assert {each["verdict"] for each in told["ingredients"].values()} == {None}
    assert {each["seeds_needed"] for each in told["ingredients"].values()} == {None}
    for each in told["ingredients"].values():
        low, high = each["interval"]
        assert low <= each["effect"] <= high
    write(finished)
    assert "first look" in (finished / "report.md").read_text()
    assert "helps" not in (finished / "ablation.md").read_text()


def test_with_less_than_that_some_ingredients_those_first_that_were_added(
    study: Study, finished: Path, monkeypatch
) -> None:
    """Five arms of three folds and two seeds fit, not six: dropout and smoothing are additions."""
    monkeypatch.setattr(first_look, "FEWER", (3, 2))
    study.trial_seconds = 30.0 * 3 * study.settings.workers
    told = look_at(study, finished, 30.0 * 30 + 40)
    assert set(told["ingredients"]) > {"dropout", "label_smoothing"}
    assert len(told["ingredients"]) == 3
    (left,) = told["passed_over"]
    write(finished)
    for page in ("report.md", "ablation.md"):
        assert f"Not looked at, for want of time: {left}." in (finished / page).read_text()
    assert "In a first look at 3 of its 4 ingredients" in (finished / "report.md").read_text()
    whole = run.ablate(finished, seeds=2, budget="10m", workers=0)
    assert whole["passed_over"] == []
    assert len(whole["ingredients"]) == 4


def test_the_least_is_tried_where_it_may_fit(study: Study, finished: Path, monkeypatch) -> None:
    """A guess of 18 networks of 100 s, 1,800 s, where 1,200 are left: it was too careful."""
    monkeypatch.setattr(first_look, "FEWER", (3, 1))
    study.trial_seconds = 100.0 * 3 * study.settings.workers
    with pytest.raises(BadInput, match="s left"):
        look_at(study, finished, 700.0)
    told = look_at(study, finished, 1200.0)
    assert len(told["ingredients"]) == 1
    assert told["seeds"] >= 2


def test_with_little_time_some_folds(study: Study, finished: Path, monkeypatch) -> None:
    monkeypatch.setattr(first_look, "FEWEST_ROWS", 30)
    study.trial_seconds = 50.0 * 3 * study.settings.workers
    assert look_at(study, finished, 1000.0)["folds"] == 1


def test_without_time_nothing_is_written(study: Study, finished: Path) -> None:
    study.trial_seconds = 1e6
    with pytest.raises(BadInput, match="s left"):
        look_at(study, finished, 100.0)
    assert not (finished / "ablation.json").exists()


def test_an_ablation_of_the_winner_is_not_done_again(study: Study, finished: Path) -> None:
    before = {"recipe_hash": RECIPE_OF.hash, "seeds": 99}
    (finished / "ablation.json").write_text(json.dumps(before))
    assert look_at(study, finished) == before
    (finished / "ablation.json").write_text(json.dumps(before | {"recipe_hash": "another"}))
    assert look_at(study, finished)["seeds"] == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, BadInput("none"), RuntimeError("broken")])
def test_a_look_that_fails_costs_the_look_alone(error: BaseException, tmp_path: Path) -> None:
    seen = []

    def look(study: Study, result: dict, *_: Any) -> None:
        seen.append(json.loads((study.folder.root / "result.json").read_text())["winner"])
        raise error

    above = Above(lambda *_: None, lambda _: 3.0, look)
    settings = asked(trials=3, workers=0)
    result = session.begin(Table(mixed(), "t"), settings, tmp_path / "run", above)
    assert seen == [result["winner"]], "the result is safe before anybody looks"
    assert not result["interrupted"]
    assert run.opened(tmp_path / "run").result["scores"] == result["scores"]
    assert result["budget_s"] == 100.0
