"""Learning from earlier studies: weights by order, what they buy, and which studies are read."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import postgres
from conftest import mixed, tiny_fit
from search.kills import killed_after
from shrinkage import run
from shrinkage.errors import BadInput
from shrinkage.recipe import Recipe
from shrinkage.search import earlier, proposers, shared, surrogate, transfer
from shrinkage.search.aim import aimed
from shrinkage.search.folder import Folder
from shrinkage.search.gp import FIRST, GPSearch
from shrinkage.search.surrogate import Observation
from shrinkage.space import Space, dimensions_of

SMALL = Space.from_toml(
    """
    [choose]
    activation = ["relu", "gelu", "mish"]
    normalization = ["none", "batch_norm"]
    [vary]
    "update.adam.lr" = { low = 1e-4, high = 1e-1 }
    "network.dropout.rate" = { high = 0.5 }
    "update.decay.weight_decay" = { low = 1e-3, high = 4.0 }
    """
)
AXES = surrogate.ordered(SMALL)


def quality(recipe: Recipe) -> float:
    place = dict(zip([d.path for d in SMALL.dimensions], SMALL.encode(recipe), strict=True))
    away = (place["update.adam.lr"] - 0.8) ** 2 + (place["network.dropout.rate"] - 0.2) ** 2
    return -away - 0.2 * (place["activation"] < 0.5) - 0.1 * (place["normalization"] < 0.5)


def study(seed: int, recipes: int, sign: float = 1.0, noise: float = 0.02) -> list[Observation]:
    random = np.random.default_rng(seed)
    drawn = [SMALL.sample(seed, i)[0] for i in range(recipes)]
    scores = [sign * quality(r) + noise * random.normal() for r in drawn]
    return [Observation(tuple(SMALL.encode(r)), 1.0, s) for r, s in zip(drawn, scores, strict=True)]


# -- weights -----------------------------------------------------------------------------


def test_wrong_pairs_are_those_of_the_definition() -> None:
    random = np.random.default_rng(0)
    y, rung = random.integers(0, 4, 9).astype(float), np.arange(9) % 2.0
    orders = random.integers(0, 5, (3, 9)).astype(float)
    found = transfer.wrong_pairs(*map(torch.from_numpy, (orders, y, rung)))
    for k, a, b in np.ndindex(3, 9, 9):
        pair = rung[a] == rung[b] and y[a] != y[b]
        tie = orders[k, a] == orders[k, b]
        wrong = (orders[k, a] > orders[k, b]) != (y[a] > y[b])
        assert float(found[k, a, b]) == (0.5 if tie else float(wrong)) * pair


def test_what_is_left_out_is_what_a_process_without_the_row_says() -> None:
    x, y = surrogate.rows_of(study(0, 8))
    model = surrogate.model_of(x, y, AXES)
    found = transfer.left_out(model)
    for j in range(len(y)):
        others = torch.arange(len(y)) != j
        without = surrogate.model_of(x[others], y[others], AXES)
        with torch.no_grad():
            mean, _ = surrogate.posterior(without, x[j : j + 1])
        assert float(found[j]) == pytest.approx(float(mean), abs=1e-8)


def weights(studies: list[list[Observation]], own: list[Observation]) -> list[float]:
    model = surrogate.fitted(own, AXES)
    (x,), y = model.train_inputs, model.train_targets
    others = transfer.Earlier.of(studies, AXES)
    return others.weights(x, y, transfer.left_out(model), 0).tolist()


def test_the_study_that_orders_as_the_new_one_gets_the_weight() -> None:
    alike, opposite = study(1, 40), study(2, 40, sign=-1.0)
    good, bad = weights([alike, opposite], study(3, 8))
    assert bad == 0
    assert good > 0.4


def test_studies_of_another_order_get_nothing_however_many_they_are() -> None:
    opposite = [study(seed, 20, sign=-1.0) for seed in range(1, 9)]
    assert weights(opposite, study(20, 12)) == [0.0] * 8


def test_noise_gets_next_to_nothing() -> None:
    noise = [study(seed, 20, sign=0.0, noise=1.0) for seed in range(1, 13)]
    assert sum(weights(noise, study(20, 24))) < 0.1


def test_luck_is_not_enough_among_many() -> None:
    """Ten with two wrong pairs each tie with a perfect order where few rows are drawn, and would
    share those draws with it, ten to one."""
    wrong = torch.zeros(11, 4, 4, dtype=torch.float64)
    for a, b in ((0, 1), (2, 3)):
        wrong[:10, a, b] = wrong[:10, b, a] = 1
    assert transfer.won(wrong, 0).tolist() == [0.0] * 10 + [1.0]


def test_a_share_of_wins_is_split_among_equals() -> None:
    wrong = torch.ones(3, 4, 4, dtype=torch.float64)
    assert transfer.won(wrong, 0).tolist() == pytest.approx([1 / 3] * 3)
    wrong[1] = 0
    assert transfer.won(wrong, 0).tolist() == [0.0, 1.0, 0.0]


def test_the_process_learns_what_lean_leaves() -> None:
    """Expected right beforehand, next to nothing is left; what is left and lean make the scores."""
    own = study(3, 20)
    (model,) = transfer.Earlier.of([study(1, 60, noise=0.0)], AXES).models

    def lean(x: torch.Tensor) -> torch.Tensor:
        return surrogate.expected(model, x)

    x, y = surrogate.rows_of(own)
    left = surrogate.fitted(own, AXES, lean)
    found = surrogate.expected(left, x)
    scale = lean(x).std(correction=0)
    assert float(found.std()) < 0.4 * float(scale)
    torch.testing.assert_close(left.train_targets + lean(x), y * scale, atol=1e-9, rtol=0)
    assert float((found + lean(x) - y * scale).square().mean().sqrt()) < 0.2 * float(scale)


# -- in the search -----------------------------------------------------------------------


def best_of(search: GPSearch, recipes: int) -> float:
    found = []
    for cohort in range(2, 2 + recipes // 3):
        for recipe in search.ask(cohort, 3):
            found.append(quality(recipe))
            search.tell(recipe, 1.0, quality(recipe))
    return max(found)


def made(seed: int, studies: list[list[Observation]]) -> GPSearch:
    search = GPSearch(SMALL, seed, lambda recipe: 1.0, earlier=studies)
    search.tell(SMALL.sample(seed, 99)[0], 1.0, quality(SMALL.sample(seed, 99)[0]))
    return search


def test_earlier_studies_save_the_first_recipes() -> None:
    """What is missing to the best, 0, after six recipes."""
    given = [best_of(made(seed, [study(70 + seed, 40)]), 6) for seed in range(4)]
    without = [best_of(made(seed, []), 6) for seed in range(4)]
    assert np.mean(given) > 0.5 * np.mean(without)


def test_misleading_studies_are_forgotten() -> None:
    misled = [best_of(made(seed, [study(70 + seed, 40, sign=-1.0)]), 24) for seed in range(3)]
    without = [best_of(made(seed, []), 24) for seed in range(3)]
    assert np.mean(misled) > 3 * np.mean(without)


def test_without_earlier_studies_nothing_changes() -> None:
    told = study(5, FIRST + 2)
    searches = [GPSearch(SMALL, 0, lambda recipe: 1.0, earlier=e) for e in ((), [[]])]
    for search in searches:
        search.told += told
    assert searches[0].ask(5, 3) == searches[1].ask(5, 3)


# -- which studies are read --------------------------------------------------------------

SPACE = """
[vary]
"update.adam.lr" = { low = 1e-3, high = 1e-1 }
"network.dropout.rate" = {}
"""


@pytest.fixture(scope="module")
def runs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three studies of few trials: one that fits, one of another space, one of another task."""
    root = tmp_path_factory.mktemp("runs")
    (root / "space.toml").write_text(SPACE)
    asked = {"trials": 6, "cv": "holdout", "search": "random"}
    tiny_fit(mixed(), "y", root / "alike", tiny, space=root / "space.toml", **asked)
    tiny_fit(mixed(), "y", root / "wide", tiny, **asked)
    tiny_fit(mixed(), "a", root / "numbers", tiny, space=root / "space.toml", **asked)
    return root


def test_a_study_learns_from_those_that_fit_and_says_why_not_from_others(
    runs: Path, tiny: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in runs.glob("*/study.db")}
    asked = {"trials": 8, "cv": "holdout", "space": runs / "space.toml"}
    folder = tiny_fit(mixed(seed=1), "y", tmp_path / "new", tiny, prior=runs, **asked)
    assert {path: path.read_bytes() for path in before} == before
    notes = json.loads((folder / "result.json").read_text())["notes"]
    notes = [note for note in notes if note.startswith("--prior")]
    assert sorted(note.partition(": not used: ")[2] for note in notes) == [
        "it is a regression, and this is a classification",
        "its space has other dimensions",
    ]
    (kept,) = earlier.kept(folder / "work" / "prior.json")
    assert Path(kept.place) == (runs / "alike").resolve()
    trials = run.trials_of(runs / "alike")
    told = [(trial.recipe, each.share, each.score) for trial in trials for each in trial.rungs]
    assert sorted(told) == sorted(kept.heard)
    assert {t.source for t in run.trials_of(folder)} == {"default", "plain", "gp"}


def test_points_are_of_the_space_that_is_searched() -> None:
    """With the base as it is trained, here for 39 epochs: its value is one more option."""
    space = Space.from_toml(
        """
        [choose]
        loss = ["squared_error", "huber"]
        [vary]
        "data.minibatch.epochs" = [50, 100, 200]
        """
    )
    cut = {"data.minibatch.epochs": 39}
    planned = replace(space, base=aimed(space.base, "regression", "rmse").set(cut))
    inside = [planned.sample(0, number)[0] for number in range(8)]
    outside = inside[0].set({"data.minibatch.epochs": 77})
    recipes = [*inside, planned.base, outside]
    heard = [(each.to_toml(), 1.0, float(i)) for i, each in enumerate(recipes)]
    found = earlier.points(earlier.EarlierStudy("there", tuple(heard)), planned)
    around = planned.with_base()
    assert found == [(tuple(around.encode(r)), 1.0, float(i)) for i, r in enumerate(recipes[:9])]


def test_networks_that_did_not_start_where_others_did_teach_nothing(
    runs: Path, tmp_path: Path
) -> None:
    asked = {"trials": 4, "cv": "holdout", "budget": "10m", "workers": 0}
    table = mixed(seed=12)
    tuned = run.fit(table, "y", out=tmp_path / "tuned", start_from=runs / "alike", **asked)
    store = shared.opened(Folder(tuned.folder))
    settings = store.study().settings
    store.close()
    space = Space(Recipe.from_toml(settings["recipe"]), dimensions_of(settings["space"]))
    (heard,), _ = earlier.read([str(tuned.folder)], space, "classification")
    trials = run.trials_of(tuned.folder)
    assert {"plain", "fresh"} < {trial.source for trial in trials}
    taught = [t.recipe for t in trials if t.source not in ("plain", "fresh")]
    assert {toml for toml, _, _ in heard.heard} == set(taught)


def test_a_resumed_study_needs_the_earlier_ones_no_more(
    runs: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"trials": 6, "cv": "holdout", "space": runs / "space.toml"}
    prior, folder = Path(shutil.copytree(runs / "alike", tmp_path / "prior")), tmp_path / "new"
    with killed_after(4, monkeypatch):
        tiny_fit(mixed(seed=1), "y", folder, tiny, prior=prior, **asked)
    shutil.rmtree(prior)
    assert not [trial for trial in run.trials_of(folder) if trial.source == "gp"]
    assert run.resume(folder).result["n_trials"] == 6
    assert [trial.source for trial in run.trials_of(folder)][2:] == ["gp"] * 4
    (folder / "work" / "prior.json").unlink()
    with pytest.raises(BadInput, match=r"prior\.json is gone or damaged"):
        earlier.kept(folder / "work" / "prior.json")


BAD = [
    ({"search": "random"}, "--search random does not learn from --prior"),
    ({"search": "optuna"}, "--search optuna does not learn from --prior"),
    ({"prior": "nowhere"}, "nowhere is not a folder"),
    ({"prior": "mysql://host/db"}, "expected postgresql://"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_priors_are_named_and_leave_nothing(
    change: dict, message: str, runs: Path, tiny: Path, tmp_path: Path
) -> None:
    asked = {"trials": 4, "cv": "holdout", "prior": runs} | change
    with pytest.raises(BadInput, match=message):
        tiny_fit(mixed(), "y", tmp_path / "new", tiny, **asked)
    assert not (tmp_path / "new").exists()


def test_a_folder_without_studies_is_no_prior(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no study in it"):
        tiny_fit(mixed(), "y", tmp_path / "new", tiny, trials=4, prior=tmp_path)


def test_studies_on_a_server_are_learned_from_but_not_the_new_one_itself(
    runs: Path, server: str, tiny: Path, tmp_path: Path
) -> None:
    """Two machines join a study that learns from its server; neither keeps the password."""
    url = postgres.database(server)
    postgres.guard(server, "secret")
    name = url.partition("/@")[0].rpartition("@/")[2].partition("?")[0]
    url = postgres.url(server, name, "guarded", "secret")
    asked = {"trials": 6, "cv": "holdout", "space": runs / "space.toml", "store": url}
    tiny_fit(mixed(), "y", tmp_path / "first", tiny, study="first", search="random", **asked)
    tiny_fit(mixed(), "a", tmp_path / "numbers", tiny, study="numbers", search="random", **asked)
    for machine in ("one", "two"):
        folder = tmp_path / machine
        tiny_fit(mixed(seed=1), "y", folder, tiny, study="second", prior=url, **asked)
        (kept,) = earlier.kept(folder / "work" / "prior.json")
        assert kept.place.endswith(", 'first'")
        assert len(kept.heard) >= 6
        notes = json.loads((folder / "result.json").read_text())["notes"]
        (note,) = [note for note in notes if note.startswith("--prior")]
        assert "'numbers': not used: it is a regression" in note
        for path in folder.rglob("*"):
            assert not path.is_file() or b"secret" not in path.read_bytes(), path
    store = shared.opened(Folder(tmp_path / "two"), url)
    assert "secret" not in json.dumps(store.settings())
    assert {trial.source for trial in store.trials()} == {"default", "plain", "gp"}
    store.close()


def test_a_server_without_studies_is_no_prior(url: str, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no study in it"):
        tiny_fit(mixed(), "y", tmp_path / "new", tiny, trials=4, prior=url)


def test_a_prior_asks_for_gp() -> None:
    assert proposers.named("auto", 10.0, 4, prior=True) == "gp"
