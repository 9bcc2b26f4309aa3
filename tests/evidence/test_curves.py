"""Learning curves give back what was planted, and intervals of worth hold it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shrinkage.evidence import curves

SHARES = [1.0, 0.5, 0.25, 0.125, 0.0625]


def planted(
    a: float, b: float, c: float, shares: list[float] = SHARES, noise: float = 0.0, seed: int = 0
) -> np.ndarray:
    """[K, 4, 20] errors around a + b x^-c, noise of seeds and of each."""
    random = np.random.default_rng(seed)
    at = a + b * np.array(shares) ** -c
    seeds, both = random.normal(size=(len(at), 4, 1)), random.normal(size=(len(at), 4, 20))
    return at[:, None, None] + noise * (seeds + both)


TRUE = [(0.2, 0.1, 0.5), (0.0, 0.3, 0.2), (0.05, 0.01, 1.2), (2.0, 0.5, 0.7)]


@pytest.mark.parametrize("truth", TRUE, ids=str)
def test_a_curve_without_noise_is_found(truth: tuple[float, float, float]) -> None:
    found = curves.fitted(SHARES, planted(*truth))
    assert (found.a, found.b, found.c) == pytest.approx(truth, rel=1e-3, abs=1e-4)
    assert found.at(0.3) == pytest.approx(truth[0] + truth[1] * 0.3 ** -truth[2], rel=1e-5)


def test_an_error_has_a_least_value() -> None:
    """e = -0.1 + 0.4 x^-0.2 would fall below 0: a is 0 then, and c is larger."""
    y = planted(-0.1, 0.4, 0.2)
    assert curves.fitted(SHARES, y).a == 0
    free = curves.fitted(SHARES, y, -math.inf)
    assert (free.a, free.c) == pytest.approx((-0.1, 0.2), abs=1e-3)


def test_an_error_that_grows_with_rows_is_flat() -> None:
    found = curves.fitted(SHARES, planted(0.2, -0.02, 0.5))
    assert found.b == 0
    np.testing.assert_allclose(found.pulls([1, 0.1]), 0.2)  # the mean of five


def test_three_sizes_do_not_tell_three_numbers() -> None:
    y = planted(0.0, 0.3, 0.3, SHARES[:3])
    found = curves.fitted(SHARES[:3], y)
    assert (found.a, found.b, found.c) == pytest.approx((0, 0.3, 0.3), abs=1e-4)
    free = curves.fitted(SHARES[:3], planted(-1, 0.3, 0.5, SHARES[:3]), -math.inf)
    assert (free.a, free.b, free.c) == pytest.approx((-1, 0.3, 0.5), abs=1e-9)
    with pytest.raises(ValueError, match="three sizes"):
        curves.fitted(SHARES[:2], y[:2])


@pytest.mark.parametrize("count", [3, 4, 5])
def test_pulls_are_slopes_of_the_fit(count: int) -> None:
    """What moves when a measured mean does, by central differences."""
    shares, y = SHARES[:count], planted(0.1, 0.1, 0.5, SHARES[:count])
    y = y + np.array([0.004, -0.003, 0.002, -0.001, 0.003])[:count, None, None]
    at, step = np.array([1, 0.7, 0.3]), 1e-3

    def moved(i: int, by: float) -> np.ndarray:
        up = y.copy()
        up[i] += by
        return curves.fitted(shares, up).at(at)

    slopes = [(moved(i, step) - moved(i, -step)) / (2 * step) for i in range(count)]
    # Residuals bend the fit: the slopes leave that out, as Gauss and Newton do.
    pulls = curves.fitted(shares, y).pulls(at)
    np.testing.assert_allclose(pulls, np.stack(slopes, 1), atol=0.06)


def test_pulls_of_an_exact_curve_are_its_slopes() -> None:
    test_with = planted(0.1, 0.1, 0.5)
    at = np.array([1, 0.7, 0.3, 0.1])
    slopes = []
    for i in range(5):
        up, down = test_with.copy(), test_with.copy()
        up[i] += 1e-4
        down[i] -= 1e-4
        both = [curves.fitted(SHARES, each).at(at) for each in (up, down)]
        slopes.append((both[0] - both[1]) / 2e-4)
    pulls = curves.fitted(SHARES, test_with).pulls(at)
    np.testing.assert_allclose(pulls, np.stack(slopes, 1), atol=2e-3)


def found(winner: np.ndarray, plain: np.ndarray) -> curves.Worth:
    fits = [curves.fitted(SHARES, y) for y in (winner, plain)]
    return curves.worth(fits[0], winner, plain[0], (fits[1], plain))


@pytest.mark.parametrize("k", [0.3, 0.7, 1.0, 1.6, 5.0])
def test_so_many_times_the_rows(k: float) -> None:
    """W with 1/k of the rows is P with all; another unit, or turned round, says the same."""
    winner, plain = planted(0.2, 0.1 * k**-0.5, 0.5), planted(0.2, 0.1, 0.5)
    assert found(winner, plain).times == pytest.approx(k, rel=1e-3)
    assert found(7 * winner, 7 * plain).times == pytest.approx(k, rel=1e-3)
    assert found(plain, winner).times == pytest.approx(1 / k, rel=1e-3)


def test_what_no_size_reaches_stays_open() -> None:
    better, worse = planted(0.1, 0.01, 0.3), planted(0.5, 0.1, 0.3)
    up, down = found(better, worse), found(worse, better)
    assert (up.times, up.low, up.high) == (math.inf, 16, math.inf)
    assert (down.times, down.low, down.high) == (0, 0, 0.0625)
    assert up.to_json() == {
        "times": None,
        "beyond": "most",
        "interval": [16, None],
        "seen": [0.0625, 16],
    }
    fit = curves.fitted(SHARES, better)
    assert curves.worth(fit, better, worse[0]).least == 1.0


def test_noise_alone_is_worth_nothing_sure() -> None:
    """Of 60 tables, whose truth is 1, few intervals leave it out; and they are no wider for it."""
    left_out, ends = 0, []
    for seed in range(60):
        pair = [planted(0.2, 0.1, 0.5, noise=0.01, seed=2 * seed + arm) for arm in (0, 1)]
        its = found(*pair)
        left_out += not its.low <= 1 <= its.high
        ends.append((its.low, its.high))
    assert left_out <= 7  # 3 are expected; more than 7 come by chance once in 100
    low, high = np.median(ends, 0)
    assert 0.6 < low < 1 < high < 1.7


def test_intervals_hold_what_was_planted() -> None:
    held = 0
    for seed in range(60):
        winner = planted(0.2, 0.1 * 2**-0.5, 0.5, noise=0.01, seed=2 * seed)
        plain = planted(0.2, 0.1, 0.5, noise=0.01, seed=2 * seed + 1)
        its = found(winner, plain)
        held += its.low <= 2 <= its.high
        assert its.low <= its.times <= its.high
    assert 53 <= held <= 60


def test_rows_that_all_find_hard_cancel() -> None:
    """Noise of rows is shared by sizes and arms: an interval does not grow with it."""
    winner = planted(0.2, 0.07, 0.5, noise=0.004, seed=1)
    plain = planted(0.2, 0.1, 0.5, noise=0.004, seed=2)
    hard = np.random.default_rng(0).normal(size=20)
    hard -= hard.mean()
    quiet, loud = found(winner, plain), found(winner + hard, plain + hard)
    assert (loud.low, loud.high) == pytest.approx((quiet.low, quiet.high), rel=0.15)
