"""Ensembles: shares that help on rows they have not seen, and a model that predicts with them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split

from conftest import mixed, tiny_fit
from shrinkage import run, scores
from shrinkage.calibration import best_temperature, tempered, with_one_wrong
from shrinkage.data.split import Fold
from shrinkage.data.together import Together
from shrinkage.model import Model
from shrinkage.search import calibrate, ensemble
from shrinkage.search.choose import Difference
from shrinkage.search.contest import finalists
from shrinkage.search.ensemble import Blend, of_trials, shares
from shrinkage.search.folder import Folder
from shrinkage.search.rows import Rows, load
from shrinkage.store.tables import Store


def numbers(trials: int, rows: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions [T, n] of a target [n], each with noise of its own."""
    random = np.random.default_rng(seed)
    target = random.normal(size=rows)
    return target + noise * random.normal(size=(trials, rows)), target


def probabilities(trials: int, rows: int, skill: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[T, n, 3] of labels [n], each with noise of its own."""
    random = np.random.default_rng(seed)
    target = random.integers(0, 3, rows)
    logit = skill * np.eye(3)[target] + random.normal(size=(trials, rows, 3))
    odds = np.exp(logit)
    return odds / odds.sum(-1, keepdims=True), target


class Judged(Rows):
    """Rows of which folds and targets are known; `train` are the targets."""

    def target(self, frame: Any) -> np.ndarray:
        return frame


def study_of(
    outputs: np.ndarray, target: np.ndarray, folds: int, repeats: int = 2
) -> tuple[dict, Any]:
    """Trials and rows as `of_trials` takes them."""
    drawn = [np.random.default_rng(r).permutation(len(target)) for r in range(repeats)]
    parts = [part for rows in drawn for part in np.array_split(rows, folds)]
    found = {}
    for number, each in enumerate(outputs):
        own = [each[at] for at in parts]
        found[number] = SimpleNamespace(parts=own, judged=own)
    folds = tuple(Fold(np.setdiff1d(drawn[0], at), at) for at in parts)
    return found, Judged(None, target, None, folds, ())  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", [metric.name for metric in scores.METRICS.values()])
def test_shares_are_a_few_and_sum_to_one(metric: str) -> None:
    classes = scores.find(metric).task == "classification"
    outputs, target = (probabilities if classes else numbers)(20, 300, 1.0, 0)
    found = shares(outputs, target, metric, 0)
    assert found.shape == (20,)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    assert 1 < (found > 0).sum() <= ensemble.LARGEST
    assert np.array_equal(found, shares(outputs, target, metric, 0))


def test_equals_share_alike_and_their_mean_is_better() -> None:
    """Six predictions with independent noise: the mean of all has a sixth of the squared error."""
    outputs, target = numbers(6, 4000, 1.0, 1)
    found = shares(outputs, target, "rmse", 0)
    error = np.mean((found @ outputs - target) ** 2)
    assert error < 1.25 / 6
    assert found.min() > 0.05


def test_one_that_is_right_is_alone() -> None:
    outputs, target = numbers(8, 400, 0.5, 2)
    outputs[0] = target
    expected = np.zeros(8)
    expected[0] = 1
    np.testing.assert_array_equal(shares(outputs, target, "mae", 0), expected)


def test_the_lead_has_a_share_however_poor_it_is() -> None:
    outputs, target = numbers(12, 400, 0.5, 2)
    outputs[0] = -target
    found = shares(outputs, target, "mae", 0)
    assert 0 < found[0] < 0.15
    assert found.sum() == pytest.approx(1)
    assert (found > 0).sum() <= ensemble.LARGEST


@pytest.mark.parametrize(("metric", "like"), [("roc_auc", "log_loss"), ("r2", "rmse")])
def test_shares_are_chosen_by_what_rows_cost(metric: str, like: str) -> None:
    classes = scores.find(metric).task == "classification"
    outputs, target = (probabilities if classes else numbers)(10, 300, 1.0, 4)
    np.testing.assert_array_equal(
        shares(outputs, target, metric, 0), shares(outputs, target, like, 0)
    )


DECIDING = [metric.name for metric in scores.METRICS.values() if metric.decides]


@pytest.mark.parametrize("metric", DECIDING)
def test_a_blend_that_changes_no_decision_is_seen(metric: str) -> None:
    """All decide alike, so the metric is the same for every blend: the log loss tells them apart.

    Row i is foreseen with odds e^{+a} by every second trial and e^{+b} by the others, a and b
    swapped from row to row: blended half and half, no row has the low ones.
    """
    rows, trials = 400, 6
    target = np.arange(rows) % 2
    high = (np.arange(trials)[:, None] + np.arange(rows) // 2) % 2
    right = np.where(high, 0.99, 0.52)
    outputs = np.where(target[:, None] == np.arange(2), right[..., None], 1 - right[..., None])
    found = shares(outputs, target, metric, 0)
    assert found[::2].sum() == pytest.approx(0.5, abs=0.05)
    study, cut = study_of(outputs, target, 4)
    together, gain, _ = of_trials(study, 0, cut, metric, 0)
    assert len(together) > 1
    assert gain is not None
    assert gain.mean == pytest.approx(0, abs=1e-12), "what is told is the metric's"


def test_the_metric_counts_beside_the_log_loss() -> None:
    """Of two partners with the same log loss, the one that decides better has the larger share."""
    rows = 600
    random = np.random.default_rng(6)
    target = random.integers(0, 2, rows)
    lead = np.where(random.random(rows) < 0.7, 0.6, 0.4)
    right = np.full(rows, 0.55)
    # 10 % wrong at 0.45, the others so sure that the mean log loss is that of 0.55 on all rows
    sure = math.exp((math.log(0.55) - 0.1 * math.log(0.45)) / 0.9)
    wrong = np.where(np.arange(rows) % 10 == 0, 0.45, sure)
    of_true = np.stack([lead, right, wrong])
    one_hot = target[:, None] == np.arange(2)
    outputs = np.where(one_hot, of_true[..., None], 1 - of_true[..., None])
    metric = scores.blending("accuracy")
    costs = scores.mean_losses(metric, torch.from_numpy(outputs), torch.from_numpy(target))
    surprise = scores.mean_losses("log_loss", torch.from_numpy(outputs), torch.from_numpy(target))
    assert surprise[1].item() == pytest.approx(surprise[2].item())
    assert costs[2].item() - costs[1].item() == pytest.approx(0.1)
    found = shares(outputs, target, "accuracy", 0)
    assert found[1] > found[2]


def test_many_rows_are_sampled() -> None:
    outputs, target = numbers(3, 9000, 1.0, 3)
    assert shares(outputs, target, "rmse", 0).min() > 0.1


def test_a_gain_is_judged_on_rows_that_chose_nothing() -> None:
    """Nothing predicts the target, and the lead says so: whatever joins it is luck, and a loss."""
    luck, judged = [], []
    for seed in range(6):
        random = np.random.default_rng(seed)
        target = random.normal(size=240)
        outputs = np.concatenate([np.zeros((1, 240)), 0.3 * random.normal(size=(15, 240))])
        found, rows = study_of(outputs, target, 3)
        chosen = shares(outputs, target, "rmse", 0)
        luck.append(np.mean(target**2) - np.mean((chosen @ outputs - target) ** 2))
        gain = of_trials(found, 0, rows, "rmse", 0).gain
        assert gain is not None
        judged.append(gain.mean)
    assert np.mean(luck) > 0.02, "on the rows that chose them they seem to help"
    assert np.mean(judged) < 0.2 * np.mean(luck)


def test_a_true_gain_is_taken_and_measured() -> None:
    outputs, target = probabilities(8, 600, 1.5, 5)
    found, rows = study_of(outputs, target, 5)
    together, gain, _ = of_trials(found, 2, rows, "log_loss", 0)
    assert len(together) > 3
    assert sum(together.values()) == pytest.approx(1)
    first, *others = together
    assert first == 2
    assert [together[t] for t in others] == sorted((together[t] for t in others), reverse=True)
    assert gain is not None
    assert gain.mean > 3 * gain.error
    blended = np.concatenate(ensemble.blended(found, together, [1.0] * len(together)))  # pyright: ignore
    y = np.concatenate([target[fold.validation] for fold in rows.folds])
    own = np.concatenate(found[2].judged)
    surprise = [-np.log(p[np.arange(len(y)), y]).mean() for p in (own, blended)]
    assert surprise[0] - surprise[1] == pytest.approx(gain.mean, rel=0.25)


def test_what_is_validated_has_not_chosen_its_shares() -> None:
    """On luck alone, the gain is that of what is scored in the winner's row."""
    random = np.random.default_rng(0)
    target = random.normal(size=240)
    outputs = np.concatenate([0.1 * np.ones((1, 240)), random.normal(0.2, 0.3, (15, 240))])
    outputs[5:] += 0.2 * target
    found, rows = study_of(outputs, target, 3)
    together, gain, unseen = of_trials(found, 0, rows, "rmse", 0)
    assert len(together) > 1
    assert gain is not None
    assert unseen is not None
    y = np.concatenate([target[fold.validation] for fold in rows.folds])
    own, blended = np.concatenate(found[0].judged), np.concatenate(unseen)
    reached = np.mean((own - y) ** 2) - np.mean((blended - y) ** 2)
    assert reached == pytest.approx(gain.mean, abs=1e-12)


def test_an_ensemble_does_not_validate_worse_than_the_plain_network() -> None:
    """What joins is very sure, and mostly right: for its log loss it is taken, were it not that the
    lead and the plain network decide each row rightly, and both together do not."""
    rows, target = 400, np.arange(400) % 2
    sure = np.where(np.arange(rows) % 10 == 0, 0.05, 0.99)
    of_true = np.stack([np.full(rows, 0.6), np.full(rows, 0.55), sure])
    one_hot = target[:, None] == np.arange(2)
    outputs = np.where(one_hot, of_true[..., None], 1 - of_true[..., None])
    found, cut = study_of(outputs, target, 4)
    assert of_trials(found, 0, cut, "accuracy", 0).shares == {0: 1.0}
    del found[1]
    together, gain, _ = of_trials(found, 0, cut, "accuracy", 0)
    assert len(together) > 1
    assert gain is not None
    assert gain.mean == pytest.approx(-0.1, abs=0.01)


def test_one_row_judges_no_ensemble() -> None:
    outputs, target = numbers(3, 8, 1.0, 2)
    found, rows = study_of(outputs, target, 1)
    for each in found.values():
        each.parts = each.judged = [part[:1] for part in each.parts[:1]]
    first = rows.folds[0]
    rows = replace(rows, folds=(replace(first, validation=first.validation[:1]),))
    assert of_trials(found, 1, rows, "rmse", 0) == Blend({1: 1.0})


def holdout(outputs: np.ndarray, target: np.ndarray) -> tuple[dict, Any]:
    """The same of one fold that has all rows, in an order of its own."""
    found, rows = study_of(outputs, target, 1)
    for each in found.values():
        each.parts = each.judged = each.judged[:1]
    return found, replace(rows, folds=rows.folds[:1])


def test_a_gain_on_a_holdout_is_judged_on_rows_that_chose_nothing() -> None:
    judged = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        target = random.normal(size=240)
        outputs = np.concatenate([np.zeros((1, 240)), 0.3 * random.normal(size=(15, 240))])
        found, rows = holdout(outputs, target)
        gain = of_trials(found, 0, rows, "rmse", 0).gain
        assert gain is not None
        assert gain.rows == 240
        judged.append(gain.mean)
    assert np.mean(judged) < 0.005


def test_a_true_gain_on_a_holdout_is_taken() -> None:
    outputs, target = probabilities(8, 600, 1.5, 5)
    found, rows = holdout(outputs, target)
    together, gain, _ = of_trials(found, 2, rows, "log_loss", 0)
    assert len(together) > 3
    assert gain is not None
    (blended,) = ensemble.blended(found, together, [1.0] * len(together))  # pyright: ignore
    y = target[rows.folds[0].validation]
    surprise = [-np.log(p[np.arange(600), y]).mean() for p in (found[2].judged[0], blended)]
    assert surprise[0] - surprise[1] == pytest.approx(gain.mean, rel=0.25)


@pytest.mark.parametrize(("folds", "repeats"), [(2, 2), (3, 3), (5, 1), (1, 1), (2, 5)])
def test_what_judges_has_chosen_nothing(folds: int, repeats: int) -> None:
    """However often rows are validated: every one is judged, wherever it stands by one group."""
    _, rows = study_of(np.zeros((1, 60)), np.zeros(60), folds, repeats)
    groups = ensemble._judges(rows, 0)
    judged = [
        {int(row) for fold, at in zip(rows.folds, own, strict=True) for row in fold.validation[at]}
        for own in groups
    ]
    assert [len(each) for each in judged] == [20, 20, 20]
    assert set.union(*judged) == set(range(60))
    for k, fold in enumerate(rows.folds):
        places = np.concatenate([own[k] for own in groups])
        assert sorted(places) == list(range(len(fold.validation)))


def test_a_true_gain_is_taken_over_three_repeats() -> None:
    outputs, target = probabilities(8, 600, 1.5, 5)
    found, rows = study_of(outputs, target, 5, 3)
    together, gain, _ = of_trials(found, 2, rows, "log_loss", 0)
    assert len(together) > 3
    assert gain is not None
    assert gain.mean > 3 * gain.error


def test_rows_that_are_validated_again_are_no_more_rows() -> None:
    """What is said of a row is the same each time here."""
    outputs, target = probabilities(8, 600, 1.5, 5)
    errors = []
    for repeats in (1, 3):
        found, rows = study_of(outputs, target, 5, repeats)
        _, gain, _ = of_trials(found, 2, rows, "log_loss", 0)
        assert gain is not None
        assert gain.rows == 600
        errors.append(gain.error)
    assert errors[0] == pytest.approx(errors[1], rel=0.1)


def test_copies_of_the_lead_gain_nothing() -> None:
    outputs, target = numbers(1, 100, 1.0, 6)
    for found, rows in (
        study_of(np.repeat(outputs, 3, 0), target, 3),
        holdout(np.repeat(outputs, 3, 0), target),
    ):
        assert of_trials(found, 1, rows, "rmse", 0).shares == {1: 1.0}


def test_a_study_saves_what_predicts_together(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {1: 0.6, 0: 0.3, 4: 0.1}

    def chosen(_found: object, _lead: int, rows: Rows, *_: object) -> Blend:
        target = rows.target(rows.train)
        right = [np.eye(rows.outputs)[target[fold.validation]] for fold in rows.folds]
        return Blend(parts, Difference(0.1, 0.02, 96), right)

    monkeypatch.setattr(ensemble, "of_trials", chosen)
    table = str(study.parent / "table.csv")
    # Enough trials to the end: the first of a cohort are always among them.
    finished = [t.number for t in run.trials_of(study) if t.status == "finished"]
    parts = dict(zip(finished, (0.6, 0.3, 0.1), strict=False))
    assert len(parts) > 1
    folder = tiny_fit(table, "y", tmp_path / "run", tiny)
    result, model = run.opened(folder).result, Model.load(folder)
    assert [model.share, *(other.share for other in model.others)] == list(parts.values())
    assert result["ensemble"]["shares"] == {str(n): share for n, share in parts.items()}
    assert model.networks == result["ensemble"]["networks"] == 3 * len(parts)
    frame = mixed()
    test = train_test_split(np.arange(120), test_size=0.2, random_state=0, stratify=frame["y"])[1]
    probability = model.predict_proba(frame.iloc[test])
    alone = [m._own(frame.iloc[test], {}) for m in (model, *model.others)]
    blended = tempered(np.tensordot([*parts.values()], alone, 1), model.temperature)
    np.testing.assert_allclose(probability, blended, atol=1e-12)
    assert np.ptp(np.stack(alone), 0).max() > 1e-3, "the recipes differ"
    found = result["scores"]["winner"]["test"]["accuracy"]
    assert found == np.mean(model.predict(frame.iloc[test]) == frame["y"].iloc[test])
    assert result["scores"]["single"]["test"] != result["scores"]["winner"]["test"]
    its = result["scores"]["winner"]["validation"]
    assert its["accuracy"] == 1, "by shares that have not seen the rows"
    assert result["scores"]["single"]["validation"]["accuracy"] < 1


def test_each_recipe_of_an_ensemble_is_tempered_before_it_joins(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the temperature that suits what it says of rows that its networks have not seen."""
    finished = [t.number for t in run.trials_of(study) if t.status == "finished"]
    chosen = Blend(dict(zip(finished, (0.7, 0.3), strict=False)), Difference(0.1, 0.02, 96))
    monkeypatch.setattr(ensemble, "of_trials", lambda *_: chosen)
    # Above 1 it would be left to the mean over networks.
    monkeypatch.setattr(calibrate, "pool_temperature", lambda _one, few, *_: few)
    folder = Folder(tiny_fit(str(study.parent / "table.csv"), "y", tmp_path / "run", tiny))
    cut, model, store = load(folder.work), Model.load(folder.root), Store(folder.database)
    found = finalists(store, folder, cut)
    store.close()
    heats = [found[trial].temperature for trial in chosen.shares]
    for heat, trial in zip(heats, chosen.shares, strict=True):
        y = cut.target(cut.train)[np.concatenate([fold.validation for fold in cut.folds])]
        given = with_one_wrong(np.concatenate(found[trial].parts).astype(float), y)
        assert heat == pytest.approx(best_temperature(*given))
        for part, judged in zip(found[trial].parts, found[trial].judged, strict=True):
            np.testing.assert_allclose(judged, tempered(part.astype(float), heat))
    own = [m.own_temperature for m in (model, *model.others)]
    assert own == pytest.approx(heats)
    assert min(abs(h - 1) for h in heats) > 0.1, "or nothing is tested"
    frame = mixed().drop(columns="y")
    raw = [replace(m, own_temperature=1.0)._own(frame, {}) for m in (model, *model.others)]
    each = [tempered(r, h) for r, h in zip(raw, heats, strict=True)]
    expected = tempered(0.7 * each[0] + 0.3 * each[1], model.temperature)
    np.testing.assert_allclose(model.predict_proba(frame), expected, atol=1e-12)


def test_the_single_recipe_beside_an_ensemble_is_calibrated_as_if_it_had_won(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "_of_all", lambda *_: 2.0)
    table = str(study.parent / "table.csv")
    alone = run.opened(tiny_fit(table, "y", tmp_path / "alone", tiny, single=True)).result
    assert (
        alone["calibration"]["log_loss_test"]["before"]
        != alone["calibration"]["log_loss_test"]["after"]
    )
    lead = alone["winner"]["trial"]
    finished = [t.number for t in run.trials_of(study) if t.status == "finished"]
    other = next(number for number in finished if number != lead)
    chosen = Blend({lead: 0.6, other: 0.4}, Difference(0.1, 0.02, 96))
    monkeypatch.setattr(ensemble, "of_trials", lambda *_: chosen)
    beside = run.opened(tiny_fit(table, "y", tmp_path / "beside", tiny)).result
    assert beside["scores"]["single"]["test"] == alone["scores"]["winner"]["test"]


def test_single_asks_for_one_recipe(
    study: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("asked for an ensemble")

    monkeypatch.setattr(ensemble, "of_trials", never)
    table = str(study.parent / "table.csv")
    folder = tiny_fit(table, "y", tmp_path / "run", tiny, single=True)
    assert run.opened(folder).result["ensemble"] is None
    assert Model.load(folder).others == ()


def test_rows_that_belong_together_are_judged_together() -> None:
    """Copies of rows as clusters choose and gain what the rows do; as strangers they seem surer."""
    outputs, target = numbers(6, 60, 1.0, 3)
    copies = np.repeat(np.arange(60), 4)
    found, rows = study_of(outputs[:, copies], target[copies], 3, 1)
    rows = replace(rows, together=Together("site", copies, None))
    for judges in ensemble._judges(rows, 0):
        its = np.concatenate(
            [copies[fold.validation[at]] for fold, at in zip(rows.folds, judges, strict=True)]
        )
        assert (np.bincount(its)[np.unique(its)] == 4).all()
    together = of_trials(found, 0, rows, "rmse", 0).gain
    strangers = of_trials(found, 0, replace(rows, together=None), "rmse", 0).gain
    assert together is not None
    assert strangers is not None
    assert together.error > 1.7 * strangers.error  # twice, but for which rows chose which shares
    rows = replace(rows, together=Together("site", 0 * copies, None))
    assert of_trials(found, 0, rows, "rmse", 0) == Blend({0: 1.0})
