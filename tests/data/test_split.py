"""Splits: scikit-learn's own rows, every row validated once, whatever the classes."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold, train_test_split

from shrinkage.data import split
from shrinkage.data.schema import infer
from shrinkage.data.source import read
from shrinkage.errors import BadInput

from .shared import FOLDER, need_tables

labels = st.lists(st.integers(0, 6), min_size=5, max_size=60)


@need_tables
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("name", "task"), [("vehicle", "classification"), ("abalone", "regression")]
)
def test_the_test_part_is_the_one_of_the_reference(name: str, task: str, seed: int) -> None:
    table = read(FOLDER / f"{name}.csv.gz")
    raw = table.frame["target"].to_numpy()  # as a person would split, before any schema
    rows = np.arange(len(raw))
    expected = train_test_split(
        rows, test_size=0.2, random_state=seed, stratify=raw if task == "classification" else None
    )
    schema, frame = infer(table, "target", task)
    train, test = split.test_split(frame[schema.target], task, seed=seed)
    np.testing.assert_array_equal(train, expected[0])
    np.testing.assert_array_equal(test, expected[1])


def test_folds_are_those_of_scikit_learn() -> None:
    y = np.repeat(["u", "v", "w"], [50, 30, 20])
    folds = split.inside(y, "classification", 5, seed=3)
    expected = StratifiedKFold(5, shuffle=True, random_state=3).split(y, y)
    for fold, (train, validation) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.validation, validation)
        assert np.unique(y[validation], return_counts=True)[1].tolist() == [10, 6, 4]


@settings(deadline=None)
@given(
    y=labels,
    k=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
    repeats=st.integers(1, 3),
    task=st.sampled_from(["classification", "regression"]),
)
def test_every_row_is_validated_once_a_repeat(
    y: list[int], k: int, seed: int, repeats: int, task: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = split.inside(np.array(y), task, k, seed, repeats)
    assert len(folds) == k * repeats
    for repeat in (
        itertools.batched(folds, k)
        if hasattr(itertools, "batched")
        else [folds[i : i + k] for i in range(0, len(folds), k)]
    ):
        validated = np.concatenate([fold.validation for fold in repeat])
        assert sorted(validated) == list(range(len(y)))
        for fold in repeat:
            assert sorted([*fold.train, *fold.validation]) == list(range(len(y)))


@settings(deadline=None)
@given(
    y=labels, seed=st.integers(0, 2**32 - 1), task=st.sampled_from(["classification", "regression"])
)
def test_a_holdout_keeps_lonely_classes_in_training(y: list[int], seed: int, task: str) -> None:
    (fold,) = split.inside(np.array(y), task, "holdout", seed)
    assert sorted([*fold.train, *fold.validation]) == list(range(len(y)))
    assert len(fold.validation) >= 1
    counts = np.bincount(y)
    usable = int((counts >= 2).sum())
    if task == "classification" and usable:
        assert all(counts[y[i]] >= 2 for i in fold.validation)


def test_a_holdout_is_stratified() -> None:
    y = np.repeat([0, 1], [900, 100])
    (fold,) = split.inside(y, "classification", "holdout")
    assert np.bincount(y[fold.validation]).tolist() == [180, 20]


def test_earlier_repeats_do_not_depend_on_later_ones() -> None:
    y = np.arange(100) % 3
    few = split.inside(y, "classification", 3, seed=5, repeats=1)
    many = split.inside(y, "classification", 3, seed=5, repeats=3)
    for a, b in zip(few, many[:3], strict=True):
        np.testing.assert_array_equal(a.validation, b.validation)
    firsts = [tuple(many[3 * r].validation) for r in range(3)]
    assert len(set(firsts)) == 3


def test_the_kind_of_labels_does_not_matter_inside() -> None:
    y = np.arange(90) % 3
    folds = split.inside(y, "classification", 3)
    for a, b in zip(
        folds, split.inside(np.array(["u", "v", "w"])[y], "classification", 3), strict=True
    ):
        np.testing.assert_array_equal(a.validation, b.validation)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (4, 4),
        (2, 2),
        (20, 5),
        (2_500, 5),
        (2_501, 3),
        (12_000, 3),
        (12_001, "holdout"),
        (10**6, "holdout"),
    ],
)
def test_folds_are_chosen_by_size(n: int, expected: object) -> None:
    assert split.choose(n) == expected
    if n <= 12_001:
        folds = split.inside(np.zeros(n), "regression", "auto")
        assert len(folds) == (1 if expected == "holdout" else expected)


def test_a_test_part_of_many_small_classes_is_not_stratified_but_exists() -> None:
    y = np.repeat(np.arange(10), 2)
    train, test = split.test_split(y, "classification", 0.2)
    assert sorted([*train, *test]) == list(range(20))
    assert len(test) == 4


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, 0.99])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(BadInput, match="share"):
        split.test_split(np.arange(20), "regression", share)


@pytest.mark.parametrize("cv", ["none", 1, 21, 0, "1", 2.5])
def test_an_impossible_number_of_folds_is_refused(cv: object) -> None:
    with pytest.raises(BadInput, match="cv"):
        split.inside(np.arange(20), "regression", cv)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(BadInput, match="seed"):
        split.inside(np.arange(20), "regression", 2, seed)


def clustered(seed: int, count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """(classes, clusters) of a few hundred rows, shuffled; clusters have 1 to 12."""
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(count) * 3, random.integers(1, 13, count))
    order = random.permutation(len(clusters))
    return random.integers(0, 3, len(clusters)), clusters[order]


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("cv", ["holdout", 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_no_split_parts_a_cluster(task: str, cv: str | int, seed: int) -> None:
    y, clusters = clustered(seed)
    pairs = [split.test_split(y, task, 0.25, seed, clusters)]
    folds = split.inside(y, task, cv, seed, 2, clusters)
    pairs += [(fold.train, fold.validation) for fold in folds]
    for one, other in pairs:
        assert not np.intersect1d(clusters[one], clusters[other]).size
        assert sorted([*one, *other]) == list(range(len(y)))
    if cv != "holdout":
        for repeat in (folds[:cv], folds[cv:]):
            assert sorted(np.concatenate([f.validation for f in repeat])) == list(range(len(y)))
    again = split.inside(y, task, cv, seed, 2, clusters)
    for fold, same in zip(folds, again, strict=True):
        np.testing.assert_array_equal(fold.validation, same.validation)
    assert any(
        not np.array_equal(a.validation, b.validation)
        for a, b in zip(folds[: len(folds) // 2], folds[len(folds) // 2 :], strict=True)
    )


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_clusters_have_the_size_and_the_classes_of_all(seed: int) -> None:
    y, clusters = clustered(seed, 60)
    y[np.isin(clusters, np.unique(clusters)[:6])] = 7  # a class that lives in a tenth of them
    _, test = split.test_split(y, "classification", 0.2, seed, clusters)
    assert len(test) == pytest.approx(0.2 * len(y), rel=0.25)
    for fold in split.inside(y, "classification", 3, seed, 1, clusters):
        assert len(fold.validation) == pytest.approx(len(y) / 3, rel=0.25)
        assert (y[fold.validation] == 7).any()


def test_every_fold_has_rows_however_few_the_clusters() -> None:
    clusters = np.repeat([0, 1, 2], [90, 5, 5])
    y = np.repeat(["u", "v"], [90, 10])
    for task in ("classification", "regression"):
        for seed in range(5):
            folds = split.inside(y, task, 3, seed, 1, clusters)
            assert sorted(len(fold.validation) for fold in folds) == [5, 5, 90]
            _, test = split.test_split(y, task, 0.2, seed, clusters)
            assert len(test) in (5, 10)
    with pytest.raises(BadInput, match="from 2 to the 3 groups of rows that belong together"):
        split.inside(y, "classification", 4, 0, 1, clusters)


FOLDS = [
    # rows, clusters, folds
    (300, 2, 2), (300, 3, 2), (300, 4, 2), (300, 7, 3), (300, 60, 5), (300, 200, 5),
    (5000, 40, 5), (5000, 200, 3), (21_000, 15, 5), (21_000, 99, 5), (21_000, 100, 1),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "count", "expected"), FOLDS)
def test_few_clusters_decide_the_folds(rows: int, count: int, expected: int) -> None:
    clusters = np.arange(rows) % count
    folds = split.inside(np.zeros(rows), "regression", "auto", 0, 1, clusters)
    assert len(folds) == expected
    if count >= 4:
        assert min(len(np.unique(clusters[fold.validation])) for fold in folds) >= 2


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("count", [4, 8, 12, 20])
def test_no_fold_is_one_large_cluster(task: str, count: int) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        clusters = np.repeat(
            np.arange(count), np.ceil(8 * random.lognormal(0, 1, count)).astype(int)
        )
        y = random.integers(0, 2, len(clusters))
        for fold in split.inside(y, task, "auto", seed, 1, clusters):
            assert len(np.unique(clusters[fold.validation])) >= 2


def test_few_rows_are_cut_once_unless_asked_twice() -> None:
    assert len(split.inside(np.arange(4), "regression", "auto", 0, 2)) == 4
    assert len(split.inside(np.arange(40), "regression", "auto", 0, 2)) == 10


def test_the_same_folds_are_not_drawn_twice() -> None:
    clusters = np.repeat(np.arange(4), 5)
    with pytest.raises(BadInput, match="4 folds of 4 groups"):
        split.inside(np.zeros(20), "regression", 4, 0, 2, clusters)
    with pytest.raises(BadInput, match="all belong together"):
        split.inside(np.zeros(20), "regression", "auto", 0, 1, np.zeros(20, int))


def test_folds_of_clusters_have_about_as_many_rows() -> None:
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), np.ceil(random.lognormal(3, 1, 40)).astype(int))
    for seed in range(5):
        folds = split.inside(random.normal(size=len(clusters)), "regression", 5, seed, 1, clusters)
        sizes = [len(fold.validation) for fold in folds]
        assert max(sizes) < 1.5 * min(sizes)


def test_many_clusters_are_cut_soon() -> None:
    clusters = np.repeat(np.arange(3000), 2)
    folds = split.inside(np.arange(6000) % 2, "classification", 3, 0, 1, clusters)
    assert [len(fold.validation) for fold in folds] == [2000] * 3
