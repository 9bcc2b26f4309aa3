"""The luck of the epoch: known for noise alone, none where folds agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shrinkage.evidence import epochs
from shrinkage.recipe import load
from shrinkage.report.words import epochs_line
from shrinkage.run import opened
from shrinkage.search import rows
from shrinkage.search.contest import finalists
from shrinkage.search.folder import Folder
from shrinkage.store.tables import Store


def test_of_noise_alone_it_is_the_largest_of_so_many() -> None:
    """E max of E = 50 standard normals is 2.249; the epoch that others choose scores 0."""
    random = np.random.default_rng(0)
    found = [epochs.luck(random.normal(size=(5, 50))) for _ in range(400)]
    values = np.array([each.luck for each in found if each])
    assert values.mean() == pytest.approx(2.249, abs=4 * values.std() / 20)
    held = [each.interval[0] <= 2.249 <= each.interval[1] for each in found if each]
    assert np.mean(held) > 0.9


def test_there_is_none_where_folds_agree() -> None:
    curve = -np.square(np.linspace(-1, 2, 40))
    found = epochs.luck(curve + np.arange(4.0)[:, None])
    assert found == epochs.Luck(0.0, (0.0, 0.0), 4)


def test_an_epoch_of_its_own_is_counted_though_it_may_be_merit() -> None:
    curves = np.array([[0.0, 1.0, 0.5], [0.0, 0.5, 1.0]])
    found = epochs.luck(curves)
    assert found is not None
    assert found.luck == 0.5


@pytest.mark.parametrize("curves", [np.zeros((1, 9)), np.zeros((3, 1)), np.full((3, 9), np.nan)])
def test_too_little_says_nothing(curves: np.ndarray) -> None:
    assert epochs.luck(curves) is None


def test_epochs_that_a_fold_did_not_come_to_are_left_out() -> None:
    curves = np.array([[0.1, 0.3, 0.2, 0.9], [0.1, 0.2, 0.3, np.nan]])
    assert epochs.luck(curves) == epochs.luck(curves[:, :3])


def test_only_who_keeps_its_best_epoch_has_luck() -> None:
    default = load("default")
    assert epochs.chooses(default)
    assert not epochs.chooses(default.without("early_stopping"))
    assert not epochs.chooses(default.set({"stop.early_stopping.smoothing": 0.5}))


def test_a_study_says_so(study: Path) -> None:
    result = opened(study).result
    store = Store(Folder(study).database)
    try:
        found = finalists(store, Folder(study), rows.load(Folder(study).work))
    finally:
        store.close()
    winner = found[result["winner"]["trial"]]
    assert winner.epochs is not None
    told = result["optimism"]["epochs"]
    if not epochs.chooses(winner.recipe):
        assert told is None
        return
    expected = epochs.luck(winner.epochs)
    assert expected is not None
    assert told["luck"] == expected.luck


def test_in_words() -> None:
    told = {"epochs": {"luck": 0.0102, "interval": [0.004, 0.0164], "folds": 5}}
    said = epochs_line(told, "log loss")
    assert said is not None
    assert "up to 0.0102 (95 % interval 0.0040 to 0.0164)" in said
    for none in ({}, {"epochs": None}, {"epochs": told["epochs"] | {"luck": 0.0}}):
        assert epochs_line(none, "log loss") is None
