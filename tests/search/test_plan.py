"""What `fit --dry-run` says: true to what fit then does, and nothing is left behind."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import TINY, mixed
from shrinkage import run
from shrinkage.augment.mixup import Mixup
from shrinkage.data.source import Table
from shrinkage.engine.local import Inline
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.table import TableShape
from shrinkage.population.compiled import knows
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch
from shrinkage.search import asking, cost, outset, session
from shrinkage.search.budget import Clock, affordable
from shrinkage.search.cohort import Cohort
from shrinkage.search.cost import A, R, S, W, work
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings
from shrinkage.search.study import Study
from shrinkage.store.claims import Claims

SHAPE = TableShape(10, (), 3)
VARIED = '[vary]\n"network.mlp.width" = [2, 8, 30]\n'


def work_of(*own: object) -> float:
    return work(Recipe(*own), SHAPE)


def test_work_counts_products_activations_and_weights() -> None:
    found = work_of(Minibatch(batch_size=50), Mlp(width=20, depth=2))
    products, biases = 10 * 20 + 20 * 20 + 20 * 3, 20 + 20 + 3
    assert found == S + 6 * 50 * products + A * 50 * 40 + W * (products + biases)


def test_work_grows_with_rows_and_width() -> None:
    small, wide = work_of(Mlp(width=256)), work_of(Mlp(width=512))
    assert 2 < wide / small < 4
    large = work_of(Minibatch(batch_size=512), Mlp(width=256))
    assert 1.8 < large / small < 2


def test_what_no_kernel_trains_costs_more() -> None:
    known, strange = work_of(Mlp(width=64)), work_of(Mlp(width=64), Mixup(alpha=0.2))
    assert strange == R * known
    assert knows(load("default"))
    assert not knows(load("default").using(Resnet()))


def test_a_whole_training_is_of_all_epochs() -> None:
    few, many = Recipe(Minibatch(64, 10)), Recipe(Minibatch(64, 30))
    assert cost.of_training(many, SHAPE) == 3 * cost.of_training(few, SHAPE)


def test_costs_follow_what_trainings_took() -> None:
    plain, strange = Recipe(Mlp(width=64)), Recipe(Mlp(width=64), Mixup(alpha=0.2))
    costs = cost.Costs(SHAPE)
    before = costs.of(strange) / costs.of(plain)
    costs.learn([strange], 0.5, 30.0)
    assert costs.of(strange) / costs.of(plain) == before, "there is nothing to compare it with"
    costs.learn([plain], 1.0, 10.0)
    # Six times as dear where `before` was expected: with one of each it goes half of the way.
    assert costs.of(strange) / costs.of(plain) == pytest.approx((before * 6) ** 0.5)
    for _ in range(200):
        costs.learn([strange], 1.0, 60.0)
        costs.learn([plain], 1 / 9, 10 / 9)
    assert costs.of(strange) / costs.of(plain) == pytest.approx(6, rel=0.02)
    costs.learn([plain], 1.0, 0.0)
    assert len(costs.logs[True]) == 201, "a rung of no time says nothing"
    costs.learn([plain], 0.0, 5.0)
    assert len(costs.logs[True]) == 201, "nor does one in which nothing was left to train"


def test_seconds_follow_the_pace_of_the_last_trainings() -> None:
    small, large = Recipe(Minibatch(64, 10)), Recipe(Minibatch(64, 30))
    costs = cost.Costs(SHAPE)
    assert costs.seconds(small) is None
    costs.learn([small], 0.5, 4.0)
    assert (costs.seconds(small), costs.seconds(large)) == (pytest.approx(8), pytest.approx(24))
    for _ in range(6):  # four times as fast from here on, as once kernels are compiled
        costs.learn([large], 1 / 3, 2.0)
    assert costs.seconds(large) == pytest.approx(6, rel=0.03)
    costs.learn([large], 1.0, 24.0)
    assert costs.seconds(large) == pytest.approx(12, rel=0.03), "half of it is the last one's"


def test_a_cohort_is_one_training_of_all_its_recipes() -> None:
    small, large = Recipe(Minibatch(64, 10)), Recipe(Minibatch(64, 30))
    costs = cost.Costs(SHAPE)
    costs.learn([small], 1.0, 8.0)
    costs.learn([small, large, large], 0.5, 3.5 * 8)  # 1 + 3 + 3 times a small one's, half of it
    assert costs.seconds(small) == pytest.approx(8)
    costs.learn([small, large, large], 1.0, 7 * 2.0)
    assert costs.seconds(large) == pytest.approx(12), "one cohort, one step towards its pace"


@pytest.mark.parametrize(
    ("seconds", "most", "count"),
    [([1, 1, 1], 9, 3), ([1, 1, 1], 2, 2), ([5, 1], 2, 1), ([5, 1], 5.5, 1), ([], 1, 0)],
)
def test_as_many_of_a_cohort_as_its_first_rung_has_time_for(
    seconds: list[float], most: float, count: int
) -> None:
    assert affordable(seconds, most) == count


def test_a_recipe_that_is_not_compiled_takes_no_other_from_the_compiled_trainer(
    tmp_path: Path,
) -> None:
    """Of three recipes of one signature, one mixes rows up: it is a cohort of its own."""
    asked = Settings("t", "y", budget_s=1e4, recipe=TINY, space=VARIED, cv="2", search="random")
    clock = Clock(time.monotonic(), 1e4)
    with session.prepared(Table(mixed(60), "t"), asked, Folder(tmp_path / "run"), clock) as study:
        study.plan(Inline())
        base = study.space.base
        three = [base.set({"update.adam.lr": rate}) for rate in (0.011, 0.012, 0.013)]
        three[1] = three[1].using(Mixup(alpha=0.3))
        assert len({recipe.signature for recipe in three}) == 1
        first = asking._begin(study, {recipe.hash: recipe for recipe in three})
        assert first is not None
        assert list(first.trials.values()) == [three[0], three[2]]
        (second,) = [c for c in study.known.waiting() if not c.reference and c is not first]
        assert list(second.trials.values()) == [three[1]]
        other = Claims(study.store.database, study.store.id, "other")
        assert other.take(f"cohort {second.number}"), "another machine may train it"
        assert not other.take(f"cohort {first.number}")
        assert asking._begin(study, {recipe.hash: recipe for recipe in three}) is None


@pytest.mark.parametrize("reason", ["cuda", "no kernels"])
def test_without_a_compiled_trainer_recipes_stay_together(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Settings("t", "y", budget_s=1e4, recipe=TINY, space=VARIED, cv="2", search="random")
    clock = Clock(time.monotonic(), 1e4)
    with session.prepared(Table(mixed(60), "t"), asked, Folder(tmp_path / "run"), clock) as study:
        study.plan(Inline())
        both = [study.space.base.set({"update.adam.lr": 0.011})]
        both.append(both[0].using(Mixup(alpha=0.3)))
        if reason == "cuda":
            study.problem = replace(study.problem, device="cuda")
        else:
            monkeypatch.setenv("SHRINKAGE_KERNELS", "off")
        found = asking._begin(study, {recipe.hash: recipe for recipe in both})
        assert found is not None
        assert list(found.trials.values()) == both


def test_dear_recipes_come_fewer_at_a_time_and_none_that_cannot_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the seconds of a whole training are a recipe's width: the base, of width 8, takes 8."""
    space = VARIED + '"update.adam.lr" = { low = 1e-3, high = 1e-1 }\n'
    asked = Settings("t", "y", budget_s=1e4, recipe=TINY, space=space, cv="2", search="random")
    folder, clock = Folder(tmp_path / "run"), Clock(time.monotonic(), 1e4)
    monkeypatch.setattr(asking, "cohort_size", lambda *_: 9)
    monkeypatch.setattr(
        Study, "seconds_of", lambda _, recipe: float(recipe.get("architecture").width)
    )
    with session.prepared(Table(mixed(60), "t"), asked, folder, clock) as study:
        study.plan(Inline())
        study.trial_seconds = 8.0

        def begun(left: float) -> dict[int, int]:
            """By width, the most recipes of the cohorts begun with so many seconds left."""
            end = property(lambda _: time.monotonic() + left)
            monkeypatch.setattr(Study, "search_deadline", end)
            found: dict[int, int] = {}
            for cohort in filter(None, (asking.cohort(study) for _ in range(16))):
                widths = {r.get("architecture").width for r in cohort.trials.values()}
                found[max(widths)] = max(found.get(max(widths), 0), len(cohort.trials))
            return found

        # A ninth of all epochs, and 0.12 of the time that is left, two of the base at the least.
        plenty = begun(1000.0)
        assert set(plenty) == {2, 8, 30}
        assert min(plenty.values()) > 3
        assert begun(100.0)[30] == 3
        scarce = begun(15.5)
        assert scarce[8] == 2 < scarce[2]
        assert 30 not in scarce, "0.7 x 30 seconds are not left"
        assert set(begun(5.0)) == {2}
        assert begun(1.0) == {}


@pytest.mark.parametrize(("trials", "passes"), [(None, 3), (40, 1)])
def test_what_the_training_on_all_rows_leaves_goes_to_the_search(
    trials: int | None, passes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as a base fits that, and as a pass of the search began something."""
    asked = Settings("t", "y", budget_s=1e4, recipe=TINY, space=VARIED, cv="2", trials=trials)
    folder, clock = Folder(tmp_path / "run"), Clock(time.monotonic(), 1e4)
    left, kept = [20.0, 20.0, 4.0], 7.0  # 0.7 of 8 seconds do not fit the last
    done: list[str] = []

    def search(study: Study, *_: object) -> float:
        done.append("search")
        study.known.add(len(done), "random", {len(done): study.space.base})
        return 7.0

    def refit(study: Study, _: object) -> None:
        assert study.clock.kept_s == kept, "the look has its seconds after the last training"
        done.append("refit")
        end = time.monotonic() + left.pop(0)
        monkeypatch.setattr(Study, "search_deadline", property(lambda _: end))

    monkeypatch.setattr(session, "_search", search)
    monkeypatch.setattr(session.refit, "train", refit)
    monkeypatch.setattr(Study, "seconds_of", lambda *_: 8.0)
    with session.prepared(Table(mixed(60), "t"), asked, folder, clock) as study:
        session._train(study, Inline(), lambda _: 0.0)
        assert done == ["search", "refit"] * passes
        left[:], kept = [20.0], 0.0
        monkeypatch.setattr(session, "_search", lambda *_: 0.0)
        session._train(study, Inline(), lambda _: 0.0)
        assert left == [], "a search that found nothing new is not asked again"


def test_the_plan_is_what_fit_does(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(TINY)
    asked = {"recipe": tmp_path / "recipe.toml", "cv": "3", "workers": 0, "trials": 5}
    plan = run.plan(mixed(120), "y", budget="60s", **asked)
    result = run.fit(mixed(120), "y", budget="60s", out=tmp_path / "run", **asked).result  # pyright: ignore
    assert plan.rows == result["rows"]["training"]
    assert plan.folds == result["rows"]["folds"] == 3
    assert plan.epochs == plan.asked == 9
    assert plan.rungs == (1, 3, 9)
    assert plan.recipes_tried == 3 == result["n_trials"] - 2
    assert plan.members == 3 * plan.recipes
    assert plan.refits == 0, "a number of trials asks for no refit"
    assert plan.peak_mb > 100


@pytest.mark.parametrize(("workers", "threads"), [(2, 1), (0, 2)])
def test_steps_are_timed_as_a_study_takes_them(
    workers: int, threads: int, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes have one thread each; where it has none, it has all of this one's."""
    seen, timed = [], outset.timed

    def noted(*asked):
        seen.append(torch.get_num_threads())
        return timed(*asked)

    monkeypatch.setattr(outset, "timed", noted)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run.plan(mixed(60), "y", budget="60s", recipe=tiny, workers=workers)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [threads]


def test_the_budget_is_divided_and_cuts_epochs() -> None:
    long = load("default").set({"data.minibatch.epochs": 100_000})
    plan = run.plan(mixed(400), "y", budget="30s", recipe=long, workers=2)
    assert 1 <= plan.epochs < plan.asked == 100_000
    parts = dict(plan.seconds)
    assert parts.pop("whole budget") == 30
    assert 0 < sum(parts.values()) <= 30
    assert plan.rungs[-1] == plan.epochs


def test_it_prints_and_leaves_nothing(command, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    mixed(120).to_csv("rows.csv", index=False)
    asked = "rows.csv", "--target", "y", "--budget", "30s", "--workers", "0", "--dry-run"
    done = command("fit", *asked)
    assert done.code == 0
    assert "Peak memory" in done.out
    assert "Each cohort" in done.out
    found = json.loads(command("fit", *asked, "--json").out)
    assert found["rows"] == 96
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


BAD = [(["--target", "nothing"], "nothing"), (["--target", "y", "--cv", "many"], "--cv")]


@pytest.mark.parametrize(("more", "words"), BAD, ids=[words for _, words in BAD])
def test_bad_input_is_named(more: list[str], words: str, command, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    mixed(60).to_csv(path, index=False)
    done = command("fit", path, *more, "--dry-run")
    assert done.code == 2
    assert words in done.err


def test_time_is_kept_for_what_the_leading_trial_took(tmp_path: Path) -> None:
    table = Table(mixed(200), "t")
    asked = Settings("t", "y", budget_s=100.0, recipe=TINY, space=VARIED, cv="holdout")
    with session.prepared(table, asked, Folder(tmp_path / "run"), Clock(0.0, 100.0)) as study:
        study.trial_seconds = 1.0
        study.known.seconds.update({2: 2.0, 3: 0.1, 4: 0.2, 5: 0.5})
        study.known.add(0, "random", dict.fromkeys(range(2, 6), study.space.base))
        ends = [study.search_deadline]
        for score, number in ((0.5, 2), (0.4, 3), (0.6, 4), (0.7, 5)):
            study.known.hear(number, 2, (study.space.base, 1.0, score), last=True)
            ends.append(study.search_deadline)
    at_first, dear, worse, cheap, middling = ends
    assert dear < at_first < middling < cheap
    assert worse == dear, "a trial that does not lead keeps no time"


def test_a_space_that_is_used_up_is_not_asked_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Settings("t", "y", budget_s=1e4, recipe=TINY, space=VARIED, cv="2", search="random")
    folder, clock = Folder(tmp_path / "run"), Clock(time.monotonic(), 1e4)
    with session.prepared(Table(mixed(60), "t"), asked, folder, clock) as study:
        study.plan(Inline())
        begun = [asking.cohort(study) for _ in range(9)]
        widths = {r.get("architecture").width for c in begun if c for r in c.trials.values()}
        assert widths == {2, 30}, "8 is the base's"
        numbers: list[None] = []
        ask = type(study.searching).ask
        monkeypatch.setattr(
            type(study.searching), "ask", lambda *given: numbers.append(None) or ask(*given)
        )
        assert asking.cohort(study) is None
        assert not numbers
        study.known._rungs.add((0, 0))  # there is news: it may know more now
        assert asking.cohort(study) is None
        assert len(numbers) == 100
        monkeypatch.setattr(Study, "search_deadline", property(lambda _: time.monotonic() - 1))
        study.known._rungs.add((0, 1))
        assert asking.cohort(study) is None
        assert len(numbers) < 110


RUNG_TIMES = [
    # rung, seconds so far of each that is alive, what the next rung and one whole training take
    (0, (0.0, 0.0), 16 / 9 + 8 * 8 / 9),  # guessed: 8 seconds each
    (1, (1.0, 1.0), 2 / 9 * 18 + 6 / 9 * 9),  # a ninth took one second each
    (1, (1.0, 2.0), 2 / 9 * 27 + 6 / 9 * 9),
    (2, (3.0, 6.0), 6 / 9 * 27),
]


@pytest.mark.parametrize(("rung", "spent", "seconds"), RUNG_TIMES)
def test_a_rung_is_begun_where_it_ends_in_time_and_one_can_go_the_whole_way(
    rung: int,
    spent: tuple[float, ...],
    seconds: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Settings("t", "y", budget_s=1e4, recipe=TINY, space=VARIED, cv="2", search="random")
    folder, clock = Folder(tmp_path / "run"), Clock(time.monotonic(), 1e4)
    monkeypatch.setattr(Study, "seconds_of", lambda *_: 8.0)
    with session.prepared(Table(mixed(60), "t"), asked, folder, clock) as study:
        study.plan(Inline())
        one = study.space.base
        cohort = Cohort(7, "random", {5: one, 6: one, 9: one}, {5, 6}, rung)
        study.known.seconds |= dict(zip((5, 6), spent, strict=True)) | {9: 100.0}
        if rung:
            folder.checkpoint(7, rung - 1).touch()
        needed = seconds if rung else 0.7 * seconds
        for left, begun in ((needed + 0.2, True), (needed - 0.2, False)):
            end = property(lambda _, left=left: time.monotonic() + left)
            monkeypatch.setattr(Study, "search_deadline", end)
            assert asking.fits(study, cohort) is begun
