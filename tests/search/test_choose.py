"""The choice: no gain within its noise wins, and nothing worse than the plain network."""

from __future__ import annotations

import numpy as np
import pytest

from shrinkage.search.choose import choose, gain_of

ROWS = 400
RANDOM = np.random.default_rng(0)
BASE = RANDOM.normal(1.0, 0.5, ROWS)


def shifted(mean: float, noise: float = 0.01) -> np.ndarray:
    """Losses that differ from BASE by exactly this mean, and by noise from row to row."""
    noises = RANDOM.normal(0, noise, ROWS)
    return BASE + mean + noises - noises.mean()


CASES = [
    # trial: losses; who wins. 0 is the default, 1 plain
    ("default alone", {0: BASE}, 0),
    ("a clear gain", {0: BASE, 1: shifted(0.1), 2: shifted(-0.1)}, 2),
    ("a gain within its noise", {0: BASE, 1: shifted(0.1), 2: shifted(-0.02, 1.0)}, 0),
    ("the surer of two gains", {0: BASE, 2: shifted(-0.12, 2.0), 3: shifted(-0.1)}, 3),
    ("the larger of two sure gains", {0: BASE, 2: shifted(-0.2), 3: shifted(-0.1)}, 2),
    ("a loss", {0: BASE, 1: shifted(0.3), 2: shifted(0.1)}, 0),
    ("plain is better than the default", {0: BASE, 1: shifted(-0.1)}, 1),
    ("plain is a little better, within noise", {0: BASE, 1: shifted(-0.005, 1.0)}, 1),
    ("plain is worse", {0: BASE, 1: shifted(0.005, 1.0)}, 0),
    ("plain beats the challenger", {0: BASE, 1: shifted(-0.3, 9.0), 2: shifted(-0.1)}, 1),
    ("no plain network", {0: BASE, 2: shifted(-0.1)}, 2),
]


@pytest.mark.parametrize(("name", "losses", "winner"), CASES, ids=[c[0] for c in CASES])
def test_the_winner(name: str, losses: dict, winner: int) -> None:
    assert choose(losses, 0, 1 if 1 in losses else None) == winner


def test_a_difference_is_paired() -> None:
    gains = RANDOM.normal(0.2, 0.1, ROWS)
    found = gain_of(BASE, BASE - gains)
    assert found.mean == pytest.approx(gains.mean())
    assert found.error == pytest.approx(gains.std(ddof=1) / 20)
    assert found.rows == ROWS
    unpaired = gain_of(BASE, RANDOM.permutation(BASE - gains))
    assert unpaired.error > 5 * found.error


def test_one_row_says_nothing() -> None:
    assert gain_of(np.ones(1), np.zeros(1)).error == float("inf")
    assert choose({0: np.ones(1), 2: np.zeros(1)}, 0, None) == 0


def wins(challengers: int, draws: int, seed: int) -> float:
    """How often the default is left for one of so many recipes that are the default plus noise."""
    random, won = np.random.default_rng(seed), 0
    for _ in range(draws):
        noise = random.normal(0, 0.3, (challengers, ROWS))
        losses = {0: BASE} | {2 + k: BASE + noise[k] for k in range(challengers)}
        won += choose(losses, 0, None) != 0
    return won / draws


def test_of_one_recipe_of_pure_noise_one_in_six_wins() -> None:
    """Its mean gain is above its standard error with probability 0.159, Student's t over 400 rows;
    within four deviations of a share of 2,000."""
    assert wins(1, 2000, seed=1) == pytest.approx(0.159, abs=0.033)


def test_of_many_recipes_of_pure_noise_one_wins_nearly_always() -> None:
    """The rule is for one challenger: of 20, 1 - (1 - 0.159)^20 = 0.97. `optimism` tells of it."""
    assert wins(20, 200, seed=2) == pytest.approx(0.97, abs=0.05)
