"""Optuna's TPE behind the seam: what it hears, what it asks, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from conftest import mixed, tiny_fit
from search.kills import killed_after
from shrinkage import run
from shrinkage.recipe import Recipe
from shrinkage.search.halving import RUNGS
from shrinkage.search.optuna import OptunaSearch
from shrinkage.space import Space, load_space

TABULAR = load_space("tabular")
SMALL = Space.from_toml(
    """
    [choose]
    activation = ["relu", "gelu", "mish"]
    normalization = ["none", "batch_norm"]
    schedule = ["cosine", "flat_cosine"]
    [vary]
    "network.mlp.width" = [64, 128, 256]
    "update.adam.lr" = { low = 1e-4, high = 1e-1 }
    "network.dropout.rate" = { high = 0.5, off = 0.2 }
    "update.flat_cosine.flat" = {}
    """
)


def quality(recipe: Recipe) -> float:
    place = dict(zip([d.path for d in SMALL.dimensions], SMALL.encode(recipe), strict=True))
    away = (place["update.adam.lr"] - 0.75) ** 2 + (place["network.dropout.rate"] - 0.6) ** 2
    return -away - 0.2 * (place["activation"] < 0.5) - 0.1 * (place["normalization"] < 0.5)


def taught(space: Space = SMALL, *, seed: int = 0, recipes: int = 24, order: int = 1):
    """A search that heard of random recipes by rungs, as halving leaves them; one diverged late."""
    search = OptunaSearch(space, seed)
    told = []
    for i in range(recipes):
        (recipe,) = space.sample(50 + seed, i)
        rungs = [(rung, share) for rung, share in enumerate(RUNGS) if i % 3**rung == 0]
        told += [
            (recipe, share, None if i == 6 and rung == 1 else float(i)) for rung, share in rungs
        ]
    for each in told[::order]:
        search.tell(*each)
    return search


def test_what_was_told_is_what_optuna_knows() -> None:
    search = taught()
    (new,) = SMALL.sample(7, 7)
    trials = search._study(5, [new]).get_trials()
    states = [trial.state for trial in trials]
    # 24 recipes: every third passes a rung, every ninth the second; the diverged one is pruned.
    assert [states.count(s) for s in (TrialState.COMPLETE, TrialState.PRUNED)] == [3, 21]
    assert states.count(TrialState.RUNNING) == 1
    assert sorted(t.value for t in trials if t.state == TrialState.COMPLETE) == [0.0, 9.0, 18.0]
    pruned = [t.intermediate_values for t in trials if t.state == TrialState.PRUNED]
    assert {len(steps) for steps in pruned} == {0, 1, 2}
    assert [len(steps) for steps in pruned].count(0) == 1
    for trial in trials:
        flat = trial.params["schedule"] == "flat_cosine"
        assert ("update.flat_cosine.flat" in trial.params) is flat


@pytest.mark.parametrize("space", [SMALL, TABULAR], ids=["small", "tabular"])
def test_a_recipe_goes_to_optuna_and_back(space: Space) -> None:
    search = OptunaSearch(space, 0)
    for i in range(30):
        (recipe,) = space.sample(3, i, keep=0.3)
        trial = search._trial(recipe, None)
        assert search._recipe(trial) == recipe


@pytest.mark.parametrize("space", [SMALL, TABULAR], ids=["small", "tabular"])
def test_a_cohort_has_one_signature(space: Space) -> None:
    search = OptunaSearch(space, 0)
    random = np.random.default_rng(0)
    for i in range(16):
        search.tell(space.sample(1, i)[0], 1.0, random.normal())
    signatures = set()
    for cohort in range(2, 8):
        recipes = search.ask(cohort, 5, search.ask(cohort - 1, 2))
        assert len({recipe.signature for recipe in recipes}) == 1
        assert len(set(recipes)) > 3
        signatures.add(recipes[0].signature)
    assert len(signatures) > 1


def test_what_it_asks_depends_on_what_it_heard_and_not_on_when() -> None:
    pending = SMALL.sample(7, 7, 3)
    first, second = taught(), taught(order=-1)
    second.ask(6, 4, pending)
    asked = first.ask(9, 4, pending)
    assert second.ask(9, 4, pending) == asked
    assert second.ask(10, 4, pending) != asked
    second.tell(SMALL.sample(3, 3)[0], 1.0, 99.0)
    assert second.ask(9, 4, pending) != asked


def test_recipes_outside_the_space_are_passed_over() -> None:
    search = taught()
    before = search.ask(5, 3)
    search.tell(Recipe().using(*Recipe.from_toml("[network.tanh]").ingredients), 1.0, 99.0)
    assert search.ask(5, 3) == before


def test_it_learns_where_recipes_are_good() -> None:
    """Its first twelve are random; what it asks later misses little more than a third as much."""
    first, later = [], []
    for seed in range(4):
        search, found = OptunaSearch(SMALL, seed), []
        for cohort in range(2, 14):
            for recipe in search.ask(cohort, 3):
                search.tell(recipe, 1.0, quality(recipe))
                found.append(quality(recipe))
        first += found[:12]
        later += found[12:]
    assert np.mean(later) > 0.6 * np.mean(first)


def test_a_study_asks_it_and_goes_on_with_what_it_heard(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:
    def recipes(folder: Path) -> list[str]:
        return [trial.recipe for trial in run.trials_of(folder)]

    monkeypatch.setattr(
        "shrinkage.search.asking.cohort_size", lambda *asked: 4
    )  # whatever the load
    asked = {"search": "optuna", "trials": 20, "cv": "holdout"}
    whole = tiny_fit(mixed(), "y", tmp_path / "whole", tiny, **asked)
    assert [t.source for t in run.trials_of(whole)] == ["default", "plain", *["optuna"] * 18]
    with killed_after(8, monkeypatch):
        tiny_fit(mixed(), "y", tmp_path / "killed", tiny, **asked)
    assert len(recipes(tmp_path / "killed")) < 20
    run.resume(tmp_path / "killed")
    assert recipes(tmp_path / "killed") == recipes(whole)
