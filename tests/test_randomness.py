"""Counter-based randomness: uniform, normal, independent, and a function of its key alone."""

from __future__ import annotations

import zlib
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shrinkage.randomness import Draws, derive

COUNT = 20_000
KEYS = [(0, "dropout.0", 0), (1, "dropout.0", 0), (2**62, "a", 3), (-5, "input_noise.x", 10**9)]


def _uniform(seed: int, stream: str, step: int, count: int = COUNT) -> np.ndarray:
    return Draws((seed,), step).uniform(stream, (count,))[0].double().numpy()


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_uniforms_are_uniform(key: tuple[int, str, int]) -> None:
    u = _uniform(*key)
    assert u.min() >= 0
    assert u.max() < 1
    assert u.mean() == pytest.approx(1 / 2, abs=4 * sqrt(1 / 12 / COUNT))
    assert u.var() == pytest.approx(1 / 12, abs=4 * sqrt(1 / 180 / COUNT))
    assert stats.kstest(u, "uniform").pvalue > 0.001
    # The lowest of the 24 bits are as good as the highest.
    low = np.bincount((u * 2**24).astype(np.int64) % 16, minlength=16)
    assert stats.chisquare(low).pvalue > 0.001


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_normals_are_normal(key: tuple[int, str, int]) -> None:
    seed, stream, step = key
    z = Draws((seed,), step).normal(stream, (COUNT + 1,))[0].double().numpy()
    assert np.isfinite(z).all()
    assert stats.kstest(z, "norm").pvalue > 0.001
    half = (COUNT + 2) // 2
    pairs = np.corrcoef(z[: half - 1], z[half:])[0, 1]
    assert abs(pairs) < 4 / sqrt(half)


def test_neighbours_in_every_direction_are_uncorrelated() -> None:
    """Seeds, streams, steps and indices that differ by one have nothing to do with each other."""
    rows = [
        *(_uniform(seed, "dropout.0", 0) for seed in range(6)),
        *(_uniform(0, f"dropout.{i}", 0) for i in range(1, 6)),
        *(_uniform(0, "dropout.0", step) for step in range(1, 6)),
        np.roll(_uniform(0, "dropout.0", 0), 1),
        np.roll(_uniform(0, "dropout.0", 0), 128),
    ]
    correlation = np.corrcoef(np.stack(rows))
    np.fill_diagonal(correlation, 0)
    assert abs(correlation).max() < 5 / sqrt(COUNT)


def test_the_first_number_of_many_steps_is_uniform_too() -> None:
    first = [_uniform(7, "mixup.share", step, 1)[0] for step in range(3000)]
    assert stats.kstest(first, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 4 / sqrt(3000)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6),
    st.text(max_size=12),
    st.integers(0, 2**40),
    st.integers(1, 30),
)
def test_a_members_numbers_do_not_depend_on_the_others(
    seeds: list[int], stream: str, step: int, count: int
) -> None:
    together = Draws(tuple(seeds), step)
    for i, seed in enumerate(seeds):
        alone = Draws((seed,), step)
        for kind in ("uniform", "normal"):
            ours, own = (getattr(d, kind)(stream, (count, 2)) for d in (together, alone))
            assert torch.equal(ours[i], own[0])
        ours, own = (d.permutation(stream, count) for d in (together, alone))
        assert torch.equal(ours[i], own[0])


def test_more_numbers_begin_with_the_same_ones() -> None:
    assert (_uniform(3, "s", 2, 100) == _uniform(3, "s", 2, 1000)[:100]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 300), st.integers(0, 2**62), st.integers(0, 1000))
def test_a_permutation_holds_every_position_once(count: int, seed: int, step: int) -> None:
    order = Draws((seed,), step).permutation("order", count)[0]
    assert order.dtype == torch.int64
    assert order.sort().values.tolist() == list(range(count))


def test_permutations_are_equally_likely() -> None:
    """All 24 orders of four rows, over 4,800 epochs."""
    orders = [tuple(Draws((1,), t).permutation("order", 4)[0].tolist()) for t in range(4800)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.001


def test_derived_integers_are_distinct_and_not_negative() -> None:
    found = {derive(seed, s, t) for seed in range(20) for s in "abcde" for t in range(20)}
    assert len(found) == 20 * 5 * 20
    assert min(found) >= 0
    assert max(found) < 2**63


def _splitmix64(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def _lowbias32(x: int) -> int:
    x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
    x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
    return x ^ (x >> 16)


@settings(deadline=None, max_examples=60)
@given(st.integers(-(2**63), 2**63 - 1), st.text(max_size=12), st.integers(0, 2**40))
def test_the_numbers_equal_the_equation_in_whole_numbers(seed: int, stream: str, step: int) -> None:
    """The readable twin, one index at a time; so every machine draws the same."""
    key = _splitmix64(_splitmix64(_splitmix64(seed % 2**64) ^ zlib.crc32(stream.encode())) ^ step)
    words = [_lowbias32((_lowbias32(i ^ key >> 32) + key) % 2**32) for i in range(8)]
    drawn = Draws((seed,), step).uniform(stream, (8,))[0].tolist()
    assert drawn == [word // 256 / 2**24 for word in words]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.text(max_size=12),
    st.integers(0, 2**40),
    st.sampled_from([torch.float64, torch.int64]),
)
def test_a_step_in_a_tensor_draws_the_same_bits(
    seeds: list[int], stream: str, step: int, dtype: torch.dtype
) -> None:
    known, tensor = Draws(tuple(seeds), step), Draws(tuple(seeds), torch.tensor(step, dtype=dtype))
    assert (tensor._words(stream).long() & 0xFFFFFFFF).tolist() == [
        list(words) for words in known.keys(stream)
    ]
    for kind in ("uniform", "normal"):
        ours, theirs = (getattr(draws, kind)(stream, (5,)) for draws in (tensor, known))
        assert torch.equal(ours, theirs)
    assert torch.equal(tensor.permutation(stream, 9), known.permutation(stream, 9))


def test_these_numbers_never_change() -> None:
    """Written down once: a change here changes every result that was ever reproduced."""
    u = Draws((42,), 7).uniform("dropout.0", (4,))[0]
    assert (u * 2**24).tolist() == [7093046, 3294114, 13864109, 2497086]
    assert Draws((42,), 7).permutation("order", 6)[0].tolist() == [4, 5, 2, 0, 1, 3]
