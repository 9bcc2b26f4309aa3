"""What `fit --dry-run` says: true to what fit then does, and nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import TINY, mixed
from shrinkage import run
from shrinkage.augment.mixup import Mixup
from shrinkage.data.source import Table
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch
from shrinkage.search import cost, session
from shrinkage.search.budget import Clock
from shrinkage.search.cost import A, R, S, W, work
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings

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
    assert cost.known(load("default"))
    assert not cost.known(load("default").using(Resnet()))


def test_a_whole_training_is_of_all_epochs() -> None:
    few, many = Recipe(Minibatch(64, 10)), Recipe(Minibatch(64, 30))
    assert cost.whole(many, SHAPE) == 3 * cost.whole(few, SHAPE)


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
        ends = [study.search_deadline]
        for score, number in ((0.5, 2), (0.4, 3), (0.6, 4), (0.7, 5)):
            study.known.hear(number, 2, (study.space.base, 1.0, score), last=True)
            ends.append(study.search_deadline)
    at_first, dear, worse, cheap, middling = ends
    assert dear < at_first < middling < cheap
    assert worse == dear, "a trial that does not lead keeps no time"
