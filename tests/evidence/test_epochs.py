"""The luck of the epoch: known for noise alone, none where folds agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shrinkage.evidence import epochs, optimism
from shrinkage.recipe import load
from shrinkage.report.words import epochs_line
from shrinkage.run import opened
from shrinkage.search import rows
from shrinkage.search.contest import finalists
from shrinkage.search.folder import Folder
from shrinkage.stopping.early_stopping import EarlyStopping
from shrinkage.store.tables import Store

ONCE = [range(5)]


def test_of_noise_alone_it_is_the_largest_of_so_many() -> None:
    """E max of E = 50 standard normals is 2.249; the epoch that others choose scores 0."""
    random = np.random.default_rng(0)
    found = [epochs.luck(random.normal(size=(5, 50)), ONCE) for _ in range(400)]
    values = np.array([each.luck for each in found if each])
    assert values.mean() == pytest.approx(2.249, abs=4 * values.std() / 20)
    held = [each.interval[0] <= 2.249 <= each.interval[1] for each in found if each]
    assert np.mean(held) > 0.9


def test_of_noise_that_repeats_share_it_is_the_same() -> None:
    """A fold of 20 rows has means of deviation 1/sqrt(20); another repeat's folds hold its rows."""
    random, found = np.random.default_rng(1), []
    for _ in range(400):
        rows = random.normal(size=(100, 50))
        parts = [random.permutation(100).reshape(5, 20) for _ in range(2)]
        scores = np.concatenate([rows[part].mean(1) for part in parts])
        found.append(epochs.luck(scores, [range(5), range(5, 10)]))
    values = np.array([each.luck for each in found])
    truth = 2.249 / 20**0.5
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / 20)
    held = [each.interval[0] <= truth <= each.interval[1] for each in found]
    assert np.mean(held) > 0.9


def test_there_is_none_where_folds_agree() -> None:
    curve = -np.square(np.linspace(-1, 2, 40))
    found = epochs.luck(curve + np.arange(4.0)[:, None], [range(4)])
    assert found == epochs.Luck(0.0, (0.0, 0.0), 4)


def test_an_epoch_of_its_own_is_counted_though_it_may_be_merit() -> None:
    curves = np.array([[0.0, 1.0, 0.5], [0.0, 0.5, 1.0]])
    found = epochs.luck(curves, [range(2)])
    assert found is not None
    assert found.luck == 0.5


@pytest.mark.parametrize("curves", [np.zeros((1, 9)), np.zeros((3, 1)), np.full((3, 9), np.nan)])
def test_too_little_says_nothing(curves: np.ndarray) -> None:
    assert epochs.luck(curves, [range(len(curves))]) is None


def test_epochs_that_a_fold_did_not_come_to_are_left_out() -> None:
    curves = np.array([[0.1, 0.3, 0.2, 0.25], [0.1, 0.2, 0.3, np.nan]])
    assert epochs.luck(curves, [[0, 1]]) == epochs.luck(curves[:, :3], [[0, 1]])
    curves[0, 3] = 0.9  # the one that this fold keeps
    assert epochs.luck(curves, [[0, 1]]) is None


def test_only_who_keeps_its_best_epoch_has_luck() -> None:
    default = load("default")
    assert epochs.chooses(default)
    assert not epochs.chooses(default.without("early_stopping"))
    assert not epochs.chooses(default.set({"stop.early_stopping.smoothing": 0.5}))


def test_a_study_says_so(study: Path) -> None:
    """Of its winner, where that keeps its best epoch."""
    store = Store(Folder(study).database)
    table = rows.load(Folder(study).work)
    try:
        found = finalists(store, Folder(study), table)
    finally:
        store.close()
    winner = opened(study).result["winner"]["trial"]
    assert not epochs.chooses(found[winner].recipe)
    asked = table, "accuracy", 0, 0.9
    told = optimism.of_study(found, *asked)
    assert told is not None
    assert told["epochs"] is None
    curves = dict(zip(found, np.random.default_rng(0).normal(size=(len(found), 3, 9)), strict=True))
    keeping = {
        number: replace(each, recipe=each.recipe.using(EarlyStopping(1e9)), epochs=curves[number])
        for number, each in found.items()
    }
    told, expected = optimism.of_study(keeping, *asked), epochs.luck(curves[winner], [range(3)])
    assert told is not None
    assert expected is not None
    assert told["epochs"] == {
        "luck": expected.luck, "interval": [*expected.interval], "folds": expected.folds
    }  # fmt: skip


def test_in_words() -> None:
    told = {"epochs": {"luck": 0.0102, "interval": [0.004, 0.0164], "folds": 5}}
    said = epochs_line(told, "log loss")
    assert said is not None
    assert "up to 0.0102 (95 % interval 0.0040 to 0.0164)" in said
    for none in ({}, {"epochs": None}, {"epochs": told["epochs"] | {"luck": 0.0}}):
        assert epochs_line(none, "log loss") is None
