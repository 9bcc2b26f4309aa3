"""What a recipe is worth in rows, from networks to sentences."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evidence.test_ablate import TINY, rounds_of
from shrinkage.engine import scoring
from shrinkage.evidence import ablate, arms, data_worth, subsets
from shrinkage.evidence.ablate import Ablation
from shrinkage.evidence.design import designed
from shrinkage.evidence.studied import Studied, studied
from shrinkage.run import opened

DROPOUT = {"network.dropout.rate": 0.2}


@pytest.fixture
def own(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studied:
    monkeypatch.setattr(data_worth, "FEWEST_ROWS", 16)
    folder = tmp_path / "run"
    shutil.copytree(study, folder)
    found = studied(folder, opened(folder).result)
    return replace(found, winner=found.plain.set({**TINY, **DROPOUT}), plain=found.plain.set(TINY))


def begun(own: Studied, seconds: float = 1e6) -> tuple[Ablation, dict]:
    """An ablation of two seeds, of which only the arms without are made up."""
    plain = arms.as_long(own.plain, own.winner)
    design = designed(own.rows, own.problem, [own.winner, plain], own.folder, own.seed)
    found = Ablation(own, plain, design, [], [], rounds_of(seconds)(design), (11, 12))
    return found, {"ingredients": {}}


def test_the_whole_is_json_and_nothing_is_trained_twice(
    own: Studied, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = data_worth.worth(*begun(own))
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    assert (first["shares"], first["rows"], first["seeds"]) == ([1, 0.5, 0.25], [64, 32, 16], 2)
    assert len(first["curves"]["plain"]["scores"]) == 3
    folder = begun(own)[0].design.problem.folder
    assert not list(folder.glob("*/*/*.safetensors"))  # arrays of smaller parts are not kept
    monkeypatch.setattr(scoring, "run", None)
    assert data_worth.worth(*begun(own)) == first


def test_scores_are_those_of_networks_on_fewer_rows(own: Studied) -> None:
    """By hand: one recipe, one seed, a half of the rows, trained by nobody else's code path."""
    found, told = begun(own)
    data_worth.worth(found, told)
    half = subsets.part(found.design, 0.5, 11)
    path = scoring.path_of(half.problem.folder, own.winner, 11)
    kept = np.load(path)
    folds = [
        replace(fold, train=rows) for fold, rows in zip(own.rows.folds, half.trained, strict=True)
    ]
    alone = replace(own, rows=replace(own.rows, folds=tuple(folds)), folder=own.folder / "alone")
    design = designed(alone.rows, own.problem, [own.winner], alone.folder, own.seed)
    design.prepare("standard")
    scoring.run(scoring.Scoring(design.problem, (own.winner,), 11, design.parts, 50, 1e12))
    again = np.load(scoring.path_of(design.problem.folder, own.winner, 11))
    np.testing.assert_array_equal(kept, again)


def test_an_ingredient_is_read_off_the_winners_curve(own: Studied) -> None:
    """The plain network as "without X": worth the same as the recipe beside the plain network."""
    found, _ = begun(own)
    assert "missing" not in data_worth.worth(found, {"ingredients": {}})
    sizes = list(data_worth._sizes(found.design, data_worth.grids(found), [1.0, 0.5, 0.25]))
    both = {n: data_worth.learned(found, sizes, n, (11, 12)) for n in ("winner", "plain")}
    steep = np.array([0.0, 0.1, 0.25])[:, None, None] + both["winner"] * 1e-3
    behind = steep[0] + 0.05
    found.values["without dropout"] = 1 - behind  # accuracies
    told = {"ingredients": {"dropout": {"verdict": "helps"}, "mlp": {"verdict": "no evidence"}}}
    plain = np.stack([behind, behind + 0.1, behind + 0.25])
    said = data_worth.said(
        found, [1.0, 0.5, 0.25], {"winner": steep, "plain": plain}, (11, 12), told
    )
    assert list(said["ingredients"]) == ["dropout"]
    dropout = said["ingredients"]["dropout"]
    assert dropout["times"] == pytest.approx(said["times"], rel=1e-6)
    assert 1 < dropout["times"] < 2
    assert dropout["interval"][1] == pytest.approx(said["interval"][1], rel=1e-6)


def test_errors_of_a_loss_and_of_a_score(own: Studied) -> None:
    assert data_worth.error(begun(own)[0], np.array([0.9])) == pytest.approx([0.1])
    rmse = replace(own, problem=replace(own.problem, metric="log_loss"))
    found = replace(begun(own)[0], design=replace(begun(own)[0].design, problem=rmse.problem))
    assert data_worth.error(found, np.array([-0.3])) == pytest.approx([0.3])


def test_too_few_rows_are_said(own: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_worth, "FEWEST_ROWS", 32)
    assert "64 training rows a fold are too few" in data_worth.worth(*begun(own))["missing"]


def test_no_time_is_said(own: Studied) -> None:
    assert "time ended first" in data_worth.worth(*begun(own, -1.0))["missing"]


def test_divergence_is_said(own: Studied) -> None:
    found, told = begun(own)
    values = {name: np.full((3, 2, 50), np.nan) for name in ("winner", "plain")}
    said = data_worth.said(found, [1.0, 0.5, 0.25], values, (11, 12), told)
    assert "diverges" in said["missing"]


def test_only_whole_seeds_count(own: Studied, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time ends within the third seed: two count."""
    found, told = begun(own)
    found.seeds = (11, 12, 13)
    real: Callable = scoring.run
    monkeypatch.setattr(scoring, "run", lambda work: None if work.seed == 13 else real(work))
    assert data_worth.worth(found, told)["seeds"] == 2


def test_a_share_of_the_budget_is_kept(own: Studied) -> None:
    rounds = begun(own, 100.0)[0].rounds
    whole = rounds.left
    rounds.share = 0.6
    assert whole - rounds.left == pytest.approx(40, abs=1)


def test_it_comes_before_what_takes_the_rest_of_the_time(own: Studied) -> None:
    told: list[list[str]] = []

    def further(found: Ablation, so_far: dict) -> dict:
        told.append(sorted(found.values))
        return {"worth": 1}

    result = ablate.ablate(own, rounds_of(), 2, None, further)
    assert told == [["placebo", "winner", "without dropout"]]
    assert result["worth"] == 1


def test_regression_is_halved_too(
    regression: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_worth, "FEWEST_ROWS", 16)
    found = studied(regression, opened(regression).result)
    found = replace(found, folder=tmp_path, winner=found.plain.set({**TINY, **DROPOUT}))
    found = replace(found, plain=found.plain.set(TINY))
    said = data_worth.worth(*begun(found))
    curve = said["curves"]["plain"]
    assert curve["scores"][0] == pytest.approx(np.mean(curve["intervals"][0]))  # not 1 - RMSE
    assert all(score > 20 for score in curve["scores"])
