"""The portfolio: tried first, by cohorts of one signature, and as if it had never been stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from conftest import mixed
from search.kills import killed_after
from shrinkage import run
from shrinkage.data.builtin import load as builtin
from shrinkage.data.source import Table
from shrinkage.engine.task import scaling_of, score_of
from shrinkage.errors import BadInput
from shrinkage.losses.pinball import Pinball
from shrinkage.population.cohort import Cohort, Member, by_signature, network_of
from shrinkage.population.train import Training, advance, validation_scores
from shrinkage.recipe import Recipe, load
from shrinkage.scores import default_metric
from shrinkage.search import cutting, portfolio, proposers, rows, session
from shrinkage.search.above import Above
from shrinkage.search.portfolio import PortfolioSearch
from shrinkage.search.random import RandomSearch
from shrinkage.search.settings import Settings
from shrinkage.space import Space, load_space

TASKS = ("classification", "regression")
SPACE = load_space("tabular")
FILES = sorted(Path(run.__file__).parent.glob("presets/portfolio/*.toml"))

each_file = pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
each_task = pytest.mark.parametrize("task", TASKS)


def few(*widths: int, rates: int = 3) -> tuple[Recipe, ...]:
    """Recipes of one signature a width, which differ in their rates."""
    paths = "network.mlp.width", "update.adam.lr"
    values = [(width, 0.001 * (1 + i)) for width in widths for i in range(rates)]
    return tuple(Recipe().set(dict(zip(paths, pair, strict=True))) for pair in values)


def searching(own: tuple[Recipe, ...], most: int | None = None) -> PortfolioSearch:
    return PortfolioSearch(own, RandomSearch(SPACE, 0), most)


# -- the files ---------------------------------------------------------------------------


def test_there_are_sixteen_to_thirty_two_recipes_in_an_order() -> None:
    assert 16 <= len(FILES) <= 32
    assert [path.stem for path in FILES] == [f"{i:02d}" for i in range(1, len(FILES) + 1)]


@each_file
def test_a_file_is_a_whole_recipe_that_the_space_can_say(file: Path) -> None:
    recipe = Recipe.from_toml(file.read_text("utf-8"))
    assert recipe.to_toml() == file.read_text("utf-8")
    assert recipe.epochs == load("default").epochs
    # The surrogate learns from what it can encode.
    assert len(SPACE.encode(recipe)) == SPACE.size


@each_task
def test_each_recipe_is_for_the_task_once_and_none_is_the_default(task: str) -> None:
    found = portfolio.recipes(task, 7, default_metric(task))
    assert len({recipe.hash for recipe in found}) == len(found) >= 16
    assert {recipe.epochs for recipe in found} == {7}
    assert all(recipe.for_task(task) == recipe for recipe in found)
    assert load("default").for_task(task).set({"data.minibatch.epochs": 7}) not in found


def test_recipes_of_one_signature_stand_together_and_fill_cohorts() -> None:
    signatures = [recipe.signature for recipe in portfolio.recipes("classification", 7, "accuracy")]
    runs = [i for i, s in enumerate(signatures) if not i or s != signatures[i - 1]]
    assert all(begin % 2 == 0 for begin in runs), "two a cohort"


# -- what is asked -----------------------------------------------------------------------


def test_cohorts_are_of_one_signature_in_order_and_then_the_other_search_goes_on() -> None:
    own = few(16, 32)
    search, other = searching(own), RandomSearch(SPACE, 0)
    asked = []
    for cohort in range(5):
        asked.append(search.ask(cohort, 2, left=0.9))
        for recipe in asked[-1]:
            search.tell(recipe, 1 / 9, 0.5)
    assert asked[:4] == [[*own[:2]], [own[2]], [*own[3:5]], [own[5]]]
    assert asked[4] == other.ask(4, 2)
    assert search.source(own[3]) == "portfolio"
    assert search.source(asked[4][0]) == "random"


def test_a_cohort_takes_up_others_of_its_signature() -> None:
    """Where a cohort has more room than a group of the portfolio."""
    own = (*few(16, rates=2), *few(32), few(16)[2])
    assert searching(own).ask(0, 5, left=0.9) == [own[0], own[1], own[5]]


def test_what_it_asks_follows_from_what_it_heard_and_what_is_pending() -> None:
    own = few(16, 32, 64)
    first, second = searching(own), searching(own)
    first.ask(0, 3, left=0.9)
    first.ask(1, 3, own[:3], 0.9)
    for recipe in own[:4]:
        first.tell(recipe, 1 / 9, 0.5)
    for recipe in reversed(own[:4]):
        second.tell(recipe, 1 / 9, None)
    assert first.ask(2, 3, own[6:8], 0.9) == second.ask(9, 3, own[6:8], 0.9) == [*own[4:6]]
    assert first.ask(2, 3, own[4:6], 0.9) == [*own[6:9]]


def test_a_part_of_the_time_is_left_to_the_other_search() -> None:
    search, other = searching(few(16)), RandomSearch(SPACE, 0)
    assert search.ask(3, 2, left=portfolio.UNTIL) == [*few(16)[:2]]
    assert search.ask(3, 2, left=0.99 * portfolio.UNTIL) == other.ask(3, 2)


@pytest.mark.parametrize(("trials", "own"), [(3, 0), (4, 0), (5, 1), (14, 4), (26, 8), (32, 9)])
def test_a_third_of_counted_trials_are_its_own(trials: int, own: int) -> None:
    search, cohort, left = searching(few(16, 32, 64), portfolio.most(trials)), 0, trials - 2
    while left:
        recipes = search.ask(cohort, min(4, left))
        for recipe in recipes:
            search.tell(recipe, 1 / 9, 0.5)
        cohort, left = cohort + 1, left - len(recipes)
    assert len(search.heard & set(search.recipes)) == own
    assert own <= (trials - 2) / 3


def test_the_other_search_hears_of_everything() -> None:
    heard = []

    class Ear:
        name = "ear"

        def ask(self, *_: object) -> list[Recipe]:
            return []

        def tell(self, *told: object) -> None:
            heard.append(told)

    (recipe,) = few(16, rates=1)
    PortfolioSearch((recipe,), Ear()).tell(recipe, 1 / 3, 0.25)
    assert heard == [(recipe, 1 / 3, 0.25)]


# -- who has one -------------------------------------------------------------------------

TOML = load("default").set({"data.minibatch.epochs": 9, "network.mlp.width": 8}).to_toml()


def test_who_asks_for_one_has_one() -> None:
    for asked in (False, True):
        _, settings = run._asked(mixed(40), "y", portfolio=asked)
        assert settings.portfolio is asked
    assert not run._asked(mixed(40), "y")[1].portfolio


@pytest.mark.parametrize("own", [{"recipe": "plain"}, {"space": "tabular"}, {"start_from": "run"}])
def test_it_is_refused_beside_what_a_person_chose(own: dict) -> None:
    with pytest.raises(BadInput, match="--portfolio") as caught:
        run._asked(mixed(40), "y", portfolio=True, **own)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_quantile_is_trained_for() -> None:
    for recipe in portfolio.recipes("regression", 5, "pinball_0.9"):
        assert recipe.get("loss") == Pinball(level=0.9)


def test_settings_decide_what_is_made() -> None:
    base = load("default").for_task("regression").set({"data.minibatch.epochs": 5})
    for with_it, kind in ((True, PortfolioSearch), (False, RandomSearch)):
        asked = Settings("t", "y", task="regression", search="random", portfolio=with_it)
        made = proposers.made(asked, Space(base, SPACE.dimensions), lambda _: 1.0, float, Path())
        assert type(made) is kind
    asked = Settings("t", "y", task="regression", search="random", portfolio=True, trials=14)
    made = proposers.made(asked, Space(base, SPACE.dimensions), lambda _: 1.0, float, Path())
    assert made.ask(0, 9)[0] == portfolio.recipes("regression", 5, "rmse")[0]


# -- in a study --------------------------------------------------------------------------


def settings(**more: object) -> Settings:
    asked = {"recipe": TOML, "space": '[vary]\n"update.adam.lr" = {}\n', "cv": "3", "trials": 11,
             "budget_s": 600.0, "refit": False, "search": "random", "portfolio": True}  # fmt: skip
    return Settings("table", "y", **asked | more)  # pyright: ignore


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portfolio of seven recipes that train in no time."""
    folder = tmp_path / "portfolio"
    folder.mkdir()
    for i, recipe in enumerate((*few(4, 8), few(6)[0])):
        (folder / f"{i:02d}.toml").write_text(recipe.to_toml())
    monkeypatch.setattr(portfolio, "FOLDER", folder)


def studied(folder: Path, asked: Settings) -> list[tuple]:
    session.begin(Table(mixed(), "table"), asked, folder, Above(lambda *_: None))
    return trials(folder)


def trials(folder: Path) -> list[tuple]:
    return [(t.source, t.recipe, [r[:4] for r in t.rungs]) for t in run.trials_of(folder)]


@pytest.mark.parametrize("commits", [2, 4])
def test_a_killed_study_goes_on_with_the_part_not_yet_tried(
    commits: int, small: None, tmp_path: Path, monkeypatch
) -> None:
    whole = studied(tmp_path / "whole", settings(trials=14))
    sources = [source for source, *_ in whole]
    assert sources == ["default", "plain", *["portfolio"] * 4, *["random"] * 8]
    assert [Recipe.from_toml(recipe).epochs for _, recipe, _ in whole[2:]] == [9] * 12
    with killed_after(commits, monkeypatch):
        studied(tmp_path / "killed", settings(trials=14))
    run.resume(tmp_path / "killed")
    assert trials(tmp_path / "killed") == whole


def test_rungs_drop_its_trials_like_any_other(small: None, tmp_path: Path) -> None:
    found = studied(tmp_path / "run", settings(trials=14))
    lengths = [len(rungs) for source, _, rungs in found if source == "portfolio"]
    assert min(lengths) < 3
    assert all(len(rungs) == 3 for source, _, rungs in found if source in ("default", "plain"))


@each_task
def test_each_recipe_trains(task: str) -> None:
    """An epoch of all of them, cohort by cohort; scores are numbers."""
    frame = mixed(90) if task == "classification" else builtin("diabetes")[:90]
    asked = Settings("t", str(frame.columns[-1]), cv="holdout", keep_all=True)
    cut = cutting.cut(Table(frame, "t"), asked)
    assert cut.schema.task == task
    members = [Member(recipe) for recipe in portfolio.recipes(task, 1, default_metric(task))]
    score = score_of(default_metric(task))
    for group in by_signature(members):
        dataset, preparers = rows.prepare(cut, scaling_of(members[group[0]].recipe))
        shape = rows.shape_of(preparers, cut.outputs)
        cohort = Cohort(tuple(members[i] for i in group), dataset,
                        lambda recipe, shape=shape: network_of(recipe, shape))  # fmt: skip
        training = advance(Training.begin(cohort), cohort.total_steps, score)
        found = [training.outcome(i) for i in range(len(group))]
        assert [outcome.reason for outcome in found] == [None] * len(group)
        weights, statistics = (torch.cat([getattr(o, part) for o in found])
                               for part in ("weights", "statistics"))  # fmt: skip
        scores = validation_scores(cohort, weights, statistics, score)
        assert torch.isfinite(scores).all()
        assert (weights != Training.begin(cohort).state.weights).any(1).all()
