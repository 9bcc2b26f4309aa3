"""A study that starts from a saved model: what it keeps, what is new, and how it goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from conftest import mixed, tiny_fit
from search.kills import killed_after
from shrinkage import run
from shrinkage.catalog import entry_of
from shrinkage.data.schema import infer_like
from shrinkage.data.source import Table
from shrinkage.engine import start
from shrinkage.errors import BadInput, UnseenWarning
from shrinkage.losses.huber import Huber
from shrinkage.losses.pinball import Pinball
from shrinkage.model import Model
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.piecewise_linear import PiecewiseLinear
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.table import TableShape
from shrinkage.optim.layer_rates import LayerRates
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.state import start as begin
from shrinkage.recipe import Recipe
from shrinkage.rows.scaling import Quantile
from shrinkage.scores import default_metric
from shrinkage.search import cutting, origin, refit, rows, standing
from shrinkage.search.contest import DEFAULT, PLAIN, finalists
from shrinkage.search.folder import Folder
from shrinkage.search.settings import Settings
from shrinkage.store.tables import Store
from shrinkage.testing.case import small_table


def table(count: int = 60) -> pd.DataFrame:
    """Other rows of the columns that the study's model knows, for other targets; one is new."""
    frame = mixed(count, seed=5)
    size = frame["a"] + (frame["colour"] == "red")
    frame["z"] = np.array(list("pqrs"))[np.digitize(size, [-0.5, 0.5, 1.5])]
    frame["number"] = 3.5 + size * 2
    frame["extra"] = np.arange(count) % 7 + 0.25
    return frame


def saved(study: Path, number: int, place: Path) -> Path:
    """A model of one trial's networks; its last part of the rows has two of them."""
    folder = Folder(study)
    cut = rows.load(folder.work)
    trial = finalists(Store(folder.database), folder, cut)[number]
    dataset, preparers = rows.prepare(cut, "standard")
    units = [fold.units for fold in dataset.folds]
    shape = rows.shape_of(preparers, cut.outputs)
    own = trial.recipe, shape, trial.weights, trial.statistics, preparers[:2], units[:2]
    Model(*own, [0, 1, 1]).save(place, {})
    return place


@pytest.fixture(scope="module")
def earlier(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(study, DEFAULT, tmp_path_factory.mktemp("earlier") / "model")


def fit_from(model: Path, target: str, out: Path, recipe: object = None, **more: object) -> Path:
    return tiny_fit(
        table(), target, out, recipe, **{"start_from": model, "trials": 2, **more}  # pyright: ignore
    )  # fmt: skip


def arrays_of(folder: Path, trial: int, shape: object) -> dict[str, torch.Tensor]:
    """Weights by name of a finished trial's networks, one a fold."""
    found = run.trials_of(folder)[trial]
    network = network_of(Recipe.from_toml(found.recipe), shape)  # pyright: ignore
    tensors = load_file(folder / "work" / "trials" / f"{trial:05d}.safetensors")
    return network.weights.views(tensors["weights"])


@pytest.fixture(scope="module")
def tuned(earlier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trial 0 trains the head alone."""
    recipe = origin.recipe_for(Model.load(earlier), "classification", "accuracy").using(
        LayerRates(frozen=1.0)
    )
    return fit_from(earlier, "z", tmp_path_factory.mktemp("tuned") / "run", recipe, trials=6)


def test_layers_are_the_earlier_models_and_the_head_is_new(earlier: Path, tuned: Path) -> None:
    old = origin.load(earlier)
    theirs = network_of(old.recipe, old.shape).weights.views(old.weights)
    shape = Model.load(tuned).shape
    assert (shape.numbers, shape.cardinalities) == (old.shape.numbers, old.shape.cardinalities)
    assert (shape.outputs, old.shape.outputs) == (4, 2)
    found = arrays_of(tuned, 0, shape)
    for name, kept in theirs.items():
        if not name.startswith("head."):
            # One seed, so all folds start from one network; frozen, they still have its bits.
            assert torch.equal(found[name], kept[0].expand_as(found[name])), name
    assert found["head.weight"].shape == (3, 8, 4)
    assert not torch.equal(found["head.weight"][0], found["head.weight"][1]), "folds learn"


def test_layers_that_are_not_frozen_to_the_end_move(earlier: Path, tmp_path: Path) -> None:
    folder, old = fit_from(earlier, "z", tmp_path / "run"), origin.load(earlier)
    theirs = network_of(old.recipe, old.shape).weights.views(old.weights)
    found = arrays_of(folder, 0, replace(old.shape, outputs=4))
    for name in ("layer0.weight", "layer0.bias"):
        gap = (found[name] - theirs[name][0]).abs().amax(tuple(range(1, found[name].dim())))
        assert ((gap > 1e-4) & (gap < 0.1)).all(), name


def test_the_plain_network_starts_from_random_weights(study: Path, tmp_path: Path) -> None:
    """From a model whose layers would fit, and whose weights no random start has."""
    place = saved(study, PLAIN, tmp_path / "plain")
    plain = Model.load(place)
    replace(plain, weights=plain.weights + 1).save(place, {})
    folder = fit_from(place, "z", tmp_path / "run", plain.recipe.using(LayerRates(frozen=1.0)))
    shape = replace(plain.shape, outputs=4)
    ends = [float(arrays_of(folder, k, shape)["layer0.weight"].mean()) for k in (DEFAULT, PLAIN)]
    assert ends[0] == pytest.approx(1, abs=0.2)
    assert ends[1] == pytest.approx(0, abs=0.2)


def test_the_same_recipe_from_random_weights_stands_beside(
    study: Path, earlier: Path, tmp_path: Path
) -> None:
    """With steps of nothing, networks end where they start."""
    still = origin.recipe_for(Model.load(earlier), "classification", "accuracy").using(
        Sgd(lr=1e-12)
    )
    asked = {"start_from": earlier, "recipe": still, "trials": 4, "workers": 0, "cv": "3"}
    planned = run.plan(table(), "z", budget="10m", **asked)
    assert planned.recipes_tried == 1, "beside the default, the plain network and this one"
    folder = fit_from(earlier, "z", tmp_path / "run", still, trials=4)
    trials = run.trials_of(folder)
    assert [trial.source for trial in trials] == ["default", "plain", "fresh", "random"]
    assert Recipe.from_toml(trials[2].recipe) == still.without("layer_rates")
    shape = Model.load(folder).shape
    network = network_of(still, shape)
    random = network.weights.views(network.start(0)[None])
    for name, found in arrays_of(folder, 2, shape).items():
        assert torch.allclose(found, random[name].expand_as(found), atol=1e-6), name
    started = arrays_of(folder, 0, shape)["layer0.weight"]
    assert not torch.allclose(started, random["layer0.weight"], atol=0.01)
    with_start, without = (set(run.opened(f).result["scores"]) for f in (folder, study))
    assert with_start - without == {"fresh"}


def test_networks_of_other_seeds_start_from_other_networks(earlier: Path, tmp_path: Path) -> None:
    old, path = origin.load(earlier), tmp_path / "layers.safetensors"
    network = network_of(old.recipe, old.shape)
    start.write(network, old.weights, old.statistics, path)
    ours = start.started(network, load_file(path))
    for seed in (0, 1, 2, 7):
        found = network.weights.views(ours.start(seed)[None])
        fresh = network.weights.views(network.start(seed)[None])
        theirs = network.weights.views(old.weights[seed % 2][None])
        for name, view in found.items():
            expected = fresh if name in ("head.weight", "head.bias") else theirs
            assert torch.equal(view, expected[name]), name
    assert not torch.equal(ours.start(0), ours.start(1))


NETWORKS = [
    (Mlp(width=6, depth=2), BatchNorm(), Periodic(frequencies=3, dim=2)),
    (Mlp(width=6, depth=1), PiecewiseLinear(bins=4, dim=2)),
    (Resnet(width=6, blocks=1), BatchNorm()),
    (Mlp(width=6, depth=1), BatchEnsemble(k=2), BatchNorm()),
]


@pytest.mark.parametrize("own", NETWORKS, ids=lambda own: type(own[-1]).__name__)
def test_statistics_go_along_and_only_the_last_weights_are_new(own: Any, tmp_path: Path) -> None:
    """A network whose every number is distinct, in a study of five classes and not three."""
    recipe, few, more = Recipe(*own), TableShape(4, (3, 5), 3), TableShape(4, (3, 5), 5)
    old, new = network_of(recipe, few), network_of(recipe, more)
    weights = torch.arange(2.0 * old.weights.size).view(2, -1)
    statistics = 0.5 + torch.arange(2.0 * old.statistics.size).view(2, -1)
    path = tmp_path / "layers.safetensors"
    start.write(old, weights, statistics, path)
    dataset = replace(small_table(), outputs=5, dtype=torch.float32)
    arrays = load_file(path)
    members = tuple(Member(recipe.for_task("classification"), seed) for seed in (4, 3))
    cohort = Cohort(
        members, dataset, lambda recipe: start.started(network_of(recipe, more), arrays)
    )
    state = begin(cohort)
    found = new.weights.views(state.weights) | new.statistics.views(state.statistics)
    theirs = old.weights.views(weights) | old.statistics.views(statistics)
    for name, view in found.items():
        if name in ("head.weight", "head.bias"):
            assert view.shape[-1] == 5
            fresh = torch.stack([new.start(m.seed) for m in members])
            assert torch.equal(view, new.weights.views(fresh)[name])
        else:
            assert torch.equal(view, theirs[name]), name


def test_the_result_says_where_it_started(earlier: Path, tuned: Path, study: Path) -> None:
    assert run.opened(tuned).result["start_from"] == str(earlier)
    assert run.opened(study).result["start_from"] is None
    manifest = json.loads((tuned / "model" / "manifest.json").read_text())
    assert manifest["start_from"] == str(earlier)


def test_rows_are_prepared_as_the_earlier_model_prepares_them(earlier: Path) -> None:
    old, frame = origin.load(earlier), table()
    cut = cutting.cut(Table(frame, "t"), Settings("t", "z", cv="3"), old)
    dataset, preparers = rows.prepare(cut, "standard")
    features = cut.train[list(old.schema.used)]
    expected = old.preparers[0].transform(features)
    for fold, part in zip(cut.folds, dataset.folds, strict=True):
        inputs = part.train.inputs
        np.testing.assert_array_equal(inputs["numbers"], expected.numbers[fold.train])
        np.testing.assert_array_equal(inputs["categories"], expected.categories[fold.train])
    assert {preparer.schema.target for preparer in preparers} == {"z"}
    assert any("'extra'" in note and "'y'" in note for note in cut.notes)


@pytest.mark.parametrize("target", ["z", "number"])
def test_a_tuned_model_predicts_in_another_process(
    target: str, earlier: Path, tmp_path: Path
) -> None:
    folder = fit_from(earlier, target, tmp_path / "run")
    shutil.move(folder, tmp_path / "moved")
    table(20).to_csv(tmp_path / "rows.csv", index=False)
    program = [sys.executable, "-m", "shrinkage.cli.main", "predict", tmp_path / "moved"]
    done = subprocess.run(
        [*program, tmp_path / "rows.csv", "-o", tmp_path / "out.csv"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = pd.read_csv(tmp_path / "out.csv")[target]
    with pytest.warns(UnseenWarning, match="3 columns ignored"):
        ours = Model.load(tmp_path / "moved").predict(table(20))
    assert len(theirs) == 20
    pd.testing.assert_series_equal(theirs, pd.Series(ours, name=target), check_dtype=False)


@pytest.mark.parametrize("commit", [0, 5])
def test_a_killed_study_goes_on_without_the_earlier_folder(
    commit: int, earlier: Path, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Path(shutil.copytree(earlier, tmp_path / "earlier"))
    recipe = Recipe.from_toml(run.trials_of(tuned)[0].recipe)
    with killed_after(commit, monkeypatch):
        fit_from(moved, "z", tmp_path / "run", recipe, trials=6)
    shutil.rmtree(moved)
    result, whole = run.resume(tmp_path / "run").result, run.opened(tuned).result
    for name in ("plain", "default", "winner"):
        assert result["scores"][name]["test"] == whole["scores"][name]["test"]
        assert result["scores"][name]["validation"] == whole["scores"][name]["validation"]
    for trial in range(2):
        ours, theirs = (
            load_file(folder / "work" / "trials" / f"{trial:05d}.safetensors")
            for folder in (tmp_path / "run", tuned)
        )
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


def test_networks_on_all_rows_start_there_too(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a recipe that trains its head alone they keep every other layer to the last bit."""
    monkeypatch.setattr(standing, "leading", lambda *_: DEFAULT)
    monkeypatch.setattr(run, "Settings", lambda **own: Settings(**{**own, "refit": True}))
    recipe = origin.recipe_for(Model.load(earlier), "regression", "rmse").using(
        LayerRates(frozen=1.0)
    )
    folder = fit_from(earlier, "number", tmp_path / "run", recipe, cv="2", single=True)
    old, model = origin.load(earlier), Model.load(folder)
    theirs = network_of(old.recipe, old.shape).weights.views(old.weights)
    network = network_of(model.recipe, model.shape)
    (path,) = (folder / "work" / "refit").glob("*.safetensors")
    assert path.stem == "00000-0000"
    found = network.weights.views(load_file(path)["weights"])
    seeds = [refit._seed(0, i) for i in range(refit.MOST_SEEDS)]
    assert len(found["head.weight"]) == len(seeds)
    below = [name for name in theirs if not name.startswith("head.")]
    assert below
    for i, seed in enumerate(seeds):
        for name in below:
            assert torch.equal(found[name][i], theirs[name][seed % len(old.weights)]), name


def test_the_recipe_is_the_models_with_a_loss_that_fits(earlier: Path, regression: Path) -> None:
    for folder, task, loss in (
        (earlier, "regression", "squared_error"),
        (earlier, "classification", "cross_entropy"),
        (regression, "classification", "cross_entropy"),
    ):
        model = Model.load(folder)
        recipe = origin.recipe_for(model, task, default_metric(task))
        assert loss in recipe.to_toml()
        changed = {path for path, _, _ in model.recipe.without("loss").diff(recipe.without("loss"))}
        assert {path.rpartition(".")[0] for path in changed} == {"update.layer_rates"}


def test_the_loss_is_that_of_the_new_metric(regression: Path) -> None:
    """A network trained for the mean predicts no quantile, whatever it started from."""
    model = Model.load(regression)
    quantile = origin.recipe_for(model, "regression", "pinball_0.9")
    assert quantile.get("loss") == Pinball(level=0.9)
    again = origin.recipe_for(replace(model, recipe=quantile), "regression", "rmse")
    assert entry_of(again.get("loss")).name == "squared_error"
    robust = replace(model, recipe=model.recipe.using(Huber()))
    assert origin.recipe_for(robust, "regression", "rmse").get("loss") == Huber()


def test_what_does_not_work_beside_layer_rates_goes_without(earlier: Path) -> None:
    model = Model.load(earlier)
    recipe = model.recipe.using(ScheduleFree())
    assert origin.recipe_for(replace(model, recipe=recipe), "classification", "accuracy") == recipe


def test_a_network_of_one_layer_is_no_start(earlier: Path, tmp_path: Path) -> None:
    model = Model.load(earlier)
    recipe = model.recipe.using(Mlp(depth=0))
    shape = replace(model.shape, cardinalities=())
    size = network_of(recipe, shape).weights.size
    replace(model, recipe=recipe, shape=shape, weights=torch.ones(3, size)).save(tmp_path / "m", {})
    with pytest.raises(BadInput, match="nothing to start from"):
        origin.load(tmp_path / "m")


DAMAGE = [
    ("layers are missing", "start/layers.safetensors", None),
    ("the model is missing", "start/manifest.json", "no model"),
    ("the weights are missing", "start/weights.safetensors", "weights.safetensors is missing"),
]


@pytest.mark.parametrize(("name", "path", "expected"), DAMAGE, ids=[name for name, *_ in DAMAGE])
def test_a_damaged_start_is_named_or_made_good(
    name: str, path: str, expected: str | None, tuned: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tuned, tmp_path / "run"))
    (folder / "work" / path).unlink()
    with pytest.raises(BadInput, match=expected) if expected else nullcontext():
        run.resume(folder, "10s")


REFUSED = [
    (Mlp(width=16, depth=1), "mlp(width=8, depth=1) there, mlp(width=16, depth=1) here"),
    (Mlp(width=8, depth=2), "mlp(width=8, depth=1) there, mlp(width=8, depth=2) here"),
    (Resnet(width=8), "mlp(width=8, depth=1) there, resnet(width=8"),
    (BatchNorm(), "no normalization there, batch_norm"),
    (Periodic(), "no numbers there, periodic"),
    (Quantile(), "standard there, quantile here"),
]


@pytest.mark.parametrize(("other", "expected"), REFUSED, ids=lambda x: type(x).__name__)
def test_a_recipe_of_other_shapes_is_refused(
    other: Any, expected: str, earlier: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as refused:
        fit_from(earlier, "z", tmp_path / "run", Model.load(earlier).recipe.using(other))
    assert expected in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 3
    assert not (tmp_path / "run").exists()


def test_a_space_of_other_shapes_is_refused(earlier: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--space: scaling does not fit"):
        fit_from(earlier, "z", tmp_path / "run", space="tabular")


LIKE = [
    ("a column is missing", lambda f: f.drop(columns="colour"), "z", "'colour'"),
    ("text in a number column", lambda f: f.assign(a="x"), "z", "'a'"),
    ("the target is one of its columns", lambda f: f, "colour", "'colour' is a column"),
    ("no such target", lambda f: f, "zz", "'zz'"),
    ("too few rows", lambda f: f.head(12), "z", "12 usable rows"),
]


@pytest.mark.parametrize(("name", "change", "target", "expected"), LIKE, ids=[c[0] for c in LIKE])
def test_a_table_has_to_have_the_columns(
    name: str, change: object, target: str, expected: str, earlier: Path
) -> None:
    with pytest.raises(BadInput, match=expected):
        infer_like(Model.load(earlier).schema, Table(change(table()), "t"), target)  # pyright: ignore
