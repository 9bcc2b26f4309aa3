"""The look at the end of `fit`, in the time that is left."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import TINY, mixed, tiny_fit
from shrinkage import run
from shrinkage.data.source import Table
from shrinkage.engine import local, scoring
from shrinkage.errors import BadInput
from shrinkage.evidence import first_look
from shrinkage.evidence.rounds import Rounds
from shrinkage.recipe import Recipe
from shrinkage.report.write import write
from shrinkage.search import session
from shrinkage.search.above import Above
from shrinkage.search.budget import Clock
from shrinkage.search.events import Progress
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
    clock = Clock(time.monotonic(), 100.0)
    with session.prepared(Table(mixed(), "t"), asked(), folder, clock) as made:
        made.trial_seconds = 0.3
        yield made


def test_forms_give_up_rates_then_folds_that_have_rows() -> None:
    def of(judged: list[int]) -> list[tuple[int, int]]:
        return [(len(form.factors), form.folds) for form in first_look.forms(judged)]

    assert of([90] * 5) == [(3, 5), (1, 5)]
    assert of([200] * 5) == [(3, 5), (1, 5), (1, 4), (1, 3)]
    assert of([600] * 3) == [(3, 3), (1, 3), (1, 2), (1, 1)]
    assert of([80]) == [(3, 1), (1, 1)]
    networks = [form.networks(10, 3) for form in first_look.forms([250] * 5)]
    assert networks == [540, 180, 144, 108, 72]


def test_time_is_kept_for_the_best_form_within_a_share(study: Study) -> None:
    # Batches, width, dropout and smoothing, the winner and the placebo: 162 networks.
    around = first_look.BEGIN_S + first_look.ENDING_S + 100 * first_look.ENDING_SHARE
    assert first_look.seconds_kept(study) == pytest.approx(around + 162 * 0.05 / first_look.TIMED)
    study.trial_seconds = 3.0
    assert first_look.seconds_kept(study) == pytest.approx(first_look.SHARE * 100)
    study.settings = asked(budget_s=60.0)
    assert first_look.seconds_kept(study) == pytest.approx(first_look.ENOUGH_S)
    study.settings = asked()
    study.trial_seconds = 180.0  # the least look, 24 networks of 10 s
    assert first_look.seconds_kept(study) == 0.0


def test_what_leads_tells_better_how_much_time_is_kept(study: Study) -> None:
    """Its seconds are of its training, and need no guess."""
    study.trial_seconds = 180.0
    study.known.add(7, "gp", {9: RECIPE_OF.without("dropout")})
    study.known.leader, study.known.seconds[9] = 9, 0.03  # a network is 0.005 s of two processes
    around = first_look.BEGIN_S + first_look.ENDING_S + 100 * first_look.ENDING_SHARE
    assert first_look.seconds_kept(study) == pytest.approx(around + 135 * 0.005)
    study.known.seconds[9] = 60.0
    assert first_look.seconds_kept(study) == 0.0


def test_the_only_network_on_all_rows_comes_before_the_look(study: Study) -> None:
    """A look wants 15 s here; a network on all rows 1.4 times 3/2 of a third of a trial."""
    study.known.add(7, "gp", {9: RECIPE_OF.without("dropout")})
    study.known.leader, study.known.seconds[9] = 9, 5.0
    study._kept_parts[9] = 1.0
    assert study.refit_s == pytest.approx(2.5)

    def with_left(seconds: float, cells: int = 0) -> float:
        study.clock = Clock(time.monotonic() - 100 + seconds, 100.0, ending_s=0.0, cells=cells)
        return first_look.seconds_kept(study)

    assert with_left(15 + 3.5 + 0.5) == pytest.approx(first_look.SHARE * 100)
    assert with_left(15 + 3.5 - 0.5) == 0.0
    assert with_left(15 + 3.5 + 0.5, cells=10_000_000) == 0.0, "preparing its rows takes 3.5 s"
    study.settings = asked(refit=False)
    assert with_left(15 + 0.5) == pytest.approx(first_look.SHARE * 100)


@pytest.mark.parametrize(
    ("guesses", "searched"),
    [((30.0, 0.0), [70.0, 100.0]), ((30.0, 10.0), [70.0, 90.0]), ((0.0, 30.0), [100.0]),
     ((10.0, 30.0), [90.0])],
)  # fmt: skip
def test_what_the_look_does_not_need_goes_to_the_search_and_it_takes_none_back(
    guesses: tuple[float, float], searched: list[float]
) -> None:
    """Else the last training, for which time was kept, would have none."""
    done: list[float] = []
    revived: list[int] = []

    def usable(clock: Clock) -> float:
        """Kept seconds are not used: a budget that is less by them would have the same end."""
        shorter = replace(clock, budget_s=clock.budget_s - clock.kept_s, kept_s=0.0)
        assert shorter.deadline == clock.deadline
        assert shorter.share_until(7.0) == clock.share_until(7.0)
        return shorter.budget_s

    class Stub:
        clock = Clock(0.0, 100.0)
        known = SimpleNamespace(revive=lambda: revived.append(len(done)))

        def run(self, _pool: Any) -> None:
            done.append(usable(self.clock))

    kept, stub = iter(guesses), Stub()
    needed = session._search(stub, None, lambda _: next(kept))  # type: ignore[arg-type]
    assert done == searched
    with session.keeping(stub, needed):  # type: ignore[arg-type]
        assert usable(stub.clock) == searched[-1], "nor by the last training"
    assert usable(stub.clock) == 100
    assert revived == [1] * (len(searched) - 1)


@pytest.mark.parametrize("more", [{"trials": 9}, {"budget_s": 59.0}, {"first_look": False}])
def test_no_time_is_kept_where_none_is_asked_for(study: Study, more: dict) -> None:
    study.settings = asked(**more)
    assert first_look.seconds_kept(study) == 0.0


def won(study: Study, folder: Path) -> dict[str, Any]:
    """A finished folder's result, now the study's, whose winner is RECIPE."""
    study.folder = Folder(folder)
    result = json.loads((folder / "result.json").read_text())
    result |= {"recipe": RECIPE_OF.to_toml(), "recipe_hash": RECIPE_OF.hash}
    (folder / "result.json").write_text(json.dumps(result))
    return result


def look_at(study: Study, folder: Path, seconds: float = 1e6) -> dict[str, Any]:
    """What the look at the end of `study` leaves in a finished folder."""
    clock = Clock(time.monotonic(), seconds)
    first_look.look(study, won(study, folder), local.executor(0), clock)
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
    study.trial_seconds = 10.0 * 3 * study.settings.workers * first_look.TIMED
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


@pytest.fixture
def halts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """After the given number of networks, time is up."""
    real = scoring.run

    def after(networks: int) -> None:
        asked = []

        def some(work: scoring.Scoring) -> float | None:
            asked.append(len(work.recipes) * work.problem.folds)
            return real(work) if sum(asked) <= networks else None

        monkeypatch.setattr(scoring, "run", some)

    return after


def test_time_that_ends_early_leaves_some_ingredients_those_first_that_were_added(
    study: Study, finished: Path, halts: Callable[[int], None]
) -> None:
    """Three seeds of five arms and three folds are 45 networks."""
    study.trial_seconds = 10.0 * 3 * study.settings.workers * first_look.TIMED
    halts(45 + 3)
    told = look_at(study, finished, 1000.0)
    assert set(told["ingredients"]) > {"dropout", "label_smoothing"}
    assert (len(told["ingredients"]), told["seeds"]) == (3, 3)
    (left,) = told["passed_over"]
    write(finished)
    for page in ("report.md", "ablation.md"):
        assert f"Not looked at, for want of time: {left}." in (finished / page).read_text()
    assert "In a first look at 3 of its 4 ingredients" in (finished / "report.md").read_text()
    halts(9999)
    whole = run.ablate(finished, seeds=2, budget="10m", workers=0)
    assert whole["passed_over"] == []
    assert len(whole["ingredients"]) == 4


def test_the_least_is_tried_where_it_may_fit(study: Study, finished: Path) -> None:
    """A guess of 24 networks of 30 s, 720 s, where 360 are needed at least: it was too careful."""
    study.trial_seconds = 30.0 * 3 * study.settings.workers * first_look.TIMED
    with pytest.raises(BadInput, match="s left"):
        look_at(study, finished, 350.0)
    told = look_at(study, finished, 390.0)
    assert len(told["ingredients"]) == 4
    assert told["seeds"] >= 2


def test_with_little_time_some_folds(study: Study, finished: Path, monkeypatch) -> None:
    monkeypatch.setattr(first_look, "FEWEST_ROWS", 30)
    study.trial_seconds = 50.0 * 3 * study.settings.workers * first_look.TIMED
    assert look_at(study, finished, 1000.0)["folds"] == 1


def test_without_time_it_is_said_what_it_takes(study: Study, finished: Path) -> None:
    """Six arms at three rates and folds, of 10 s a network, and half as much again."""
    study.trial_seconds = 10.0 * 3 * study.settings.workers * first_look.TIMED
    result = won(study, finished)
    with pytest.raises(BadInput, match="s left"):
        first_look.look(study, result, local.executor(0), Clock(time.monotonic(), 100.0))
    assert not (finished / "ablation.json").exists()
    assert result["seconds_a_seed"] == pytest.approx(1.5 * 54 * 10)


def test_an_ablation_of_the_winner_is_not_done_again(study: Study, finished: Path) -> None:
    before = {"recipe_hash": RECIPE_OF.hash, "seeds": 99}
    (finished / "ablation.json").write_text(json.dumps(before))
    assert look_at(study, finished) == before
    study.known.add(7, "gp", {9: RECIPE_OF})
    study.known.leader = 9
    assert first_look.seconds_kept(study) == 0.0
    for other in ({"recipe_hash": "another"}, {"first_look": True}):
        (finished / "ablation.json").write_text(json.dumps(before | other))
        assert first_look.seconds_kept(study) > 0
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


def test_whoever_watches_hears_of_one_budget_whose_time_only_grows_less(tmp_path: Path) -> None:
    """Also while the search keeps some for the look, and where the look's own ending is shorter."""
    heard: list[Progress] = []

    def look(study: Study, result: dict, pool: Any, clock: Clock) -> None:
        design: Any = SimpleNamespace(problem=study.problem)
        Rounds(design, pool, 1, replace(clock, ending_s=0.5), study.watch)._show("first look")

    above = Above(lambda *_: None, lambda _: 25.0, look)
    settings = asked(trials=2, workers=0)
    session.begin(Table(mixed(), "t"), settings, tmp_path / "run", above, watch=heard.append)
    phases = [progress.phase for progress in heard]
    assert phases[0] == "reading"
    assert phases[-2:] == ["scoring", "first look"]
    assert "searching" in phases
    left = [progress.left_s for progress in heard]
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0
    assert {progress.budget_s for progress in heard} == {100.0}
