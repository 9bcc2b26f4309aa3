"""Fewer rows of the same folds: nested, in shares, drawn by the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shrinkage.evidence import subsets
from shrinkage.evidence.design import Design, designed
from shrinkage.evidence.studied import studied
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import total_steps
from shrinkage.run import opened


@pytest.fixture(params=[False, True], ids=["all", "some watched"])
def whole(request: pytest.FixtureRequest, study: Path, tmp_path: Path) -> Design:
    own = studied(study, opened(study).result)
    recipe = own.plain.set({"stop.early_stopping.patience": 9.0}) if request.param else own.plain
    return designed(own.rows, own.problem, [recipe], tmp_path, 0)


def test_every_beginning_holds_the_classes_in_their_shares() -> None:
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [600, 280, 120]))
    order = subsets.nested(codes, 3)
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    for count in (20, 50, 333, 700):
        shares = np.bincount(codes[order[:count]], minlength=3) / count
        np.testing.assert_allclose(shares, [0.6, 0.28, 0.12], atol=2 / count + 1e-9)
    assert (subsets.nested(codes, 4) != order).any()


def test_rare_classes_come_first() -> None:
    codes = np.repeat([0, 1, 2], [500, 2, 1])
    assert set(codes[subsets.nested(codes, 0)[:3]]) == {0, 1, 2}


def test_rows_of_one_class_are_drawn_evenly() -> None:
    """Each row is as likely to be among the first as any other."""
    chosen = np.zeros(40)
    for seed in range(400):
        chosen[subsets.nested(np.zeros(40, int), seed)[:10]] += 1
    assert abs(chosen / 400 - 0.25).max() < 0.1  # 4.6 standard errors


def test_parts_are_nested_and_the_judges_stay(whole: Design) -> None:
    half, quarter = (subsets.part(whole, share, 7) for share in (0.5, 0.25))
    other = subsets.part(whole, 0.5, 8)
    assert subsets.part(whole, 1, 7) is whole
    for k in range(whole.problem.folds):
        for name in ("trained", "watched"):
            sizes = [set(getattr(d, name)[k].tolist()) for d in (quarter, half, whole)]
            assert sizes[0] <= sizes[1] <= sizes[2]
        np.testing.assert_array_equal(half.judged[k], whole.judged[k])
        assert len(half.trained[k]) == round(len(whole.trained[k]) / 2)
        assert set(half.trained[k]).isdisjoint(half.judged[k])
        assert (half.trained[k] != other.trained[k]).any()
    assert half.parts is whole.parts
    assert len({d.problem.folder for d in (whole, half, quarter, other)}) == 4


def test_what_is_watched_shrinks_too(whole: Design) -> None:
    half = subsets.part(whole, 0.5, 7)
    if subsets.sets_aside(whole):
        assert len(half.watched[0]) == round(len(whole.watched[0]) / 2)
        assert set(half.watched[0]).isdisjoint([*half.trained[0], *half.judged[0]])
    else:
        np.testing.assert_array_equal(half.watched[0], half.judged[0])
    # Either way a network learns from what is not judged: 64 rows of 96.
    assert (subsets.rows_of(whole), subsets.rows_of(half)) == (64, 32)


def test_all_rows_take_the_recipe_as_it_is() -> None:
    """Else it would be trained once more, an epoch longer."""
    recipe = load("default")
    for rows in (499, 640, 1150, 2000):
        assert subsets.as_many_steps(recipe, rows, rows) == recipe


@pytest.mark.parametrize(("before", "rows"), [(640, 320), (640, 40), (100, 33), (64, 512)])
@pytest.mark.parametrize("size", [16, 128, 1000])
def test_as_many_steps(before: int, rows: int, size: int) -> None:
    sizes = {"data.minibatch.batch_size": size, "data.minibatch.epochs": 30}
    recipe: Recipe = load("plain").set(sizes)
    longer = subsets.as_many_steps(recipe, before, rows)
    wanted = total_steps(before, size, 30)
    epoch = -(-rows // min(size, rows))
    assert 0 <= total_steps(rows, size, longer.epochs) - wanted <= epoch
    assert longer.set({"data.minibatch.epochs": 30}) == recipe


def test_rows_that_belong_together_follow_each_other() -> None:
    random = np.random.default_rng(0)
    clusters = random.permutation(np.repeat(np.arange(40), random.integers(1, 9, 40)))
    codes = (clusters % 4 == 0).astype(int)  # a quarter of the clusters
    order = subsets.nested(codes, 3, clusters)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(clusters)))
    switches = np.count_nonzero(np.diff(clusters[order]))
    assert switches == 39
    seen = list(dict.fromkeys(clusters[order].tolist()))
    for count in (8, 20, 32):
        assert np.mean(np.array(seen[:count]) % 4 == 0) == pytest.approx(0.25, abs=2 / count)
    alone = subsets.nested(codes, 3, np.arange(len(codes)))
    np.testing.assert_array_equal(alone, subsets.nested(codes, 3))
