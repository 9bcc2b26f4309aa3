"""Importance over a search: shares of variance that are known, and what must not change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from shrinkage.dimension import Options, Range
from shrinkage.evidence import importance as measured
from shrinkage.evidence.forest import Features, Tried, lifted
from shrinkage.evidence.importance import Importance, importance
from shrinkage.evidence.isolation import isolated
from shrinkage.space import Space

NUMBERS = """
[vary]
"network.dropout.rate" = { low = 0.0, high = 0.5 }
"update.adam.lr" = { low = 1e-3, high = 1e-1 }
"update.decay.weight_decay" = { low = 1e-3, high = 4.0 }
"loss.label_smoothing.eps" = { low = 0.0, high = 0.2 }
"""
"""Four numbers on three scales."""

Score = Callable[[np.ndarray], np.ndarray]


def uniform(space: Space, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return Features(space).settled(np.random.default_rng(seed).random((count, space.size)))


def tried(space: Space, score: Score, count: int, seed: int = 0) -> list[Tried]:
    """Trials at random points; score takes coordinates [n, d] in which what does not count is 0."""
    points, counts = uniform(space, count, seed)
    values = score(np.where(counts, points, 0.0))
    return [
        Tried(i, tuple(p), tuple(c), ((0, float(v)),))
        for i, (p, c, v) in enumerate(zip(points, counts, values, strict=True))
    ]


def shares(found: Importance) -> dict[str, float]:
    assert found.reason == ""
    return {share.path.split(".")[-1]: share.value for share in found.shares}


@pytest.fixture(autouse=True)
def few_halves(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Intervals cost most of the time; one test is about them."""
    if "interval" not in request.node.name:
        monkeypatch.setattr(measured, "_HALVES", 2)


def ishigami(x: np.ndarray) -> np.ndarray:
    a, b, c = (2 * math.pi * (x[:, i] - 0.5) for i in range(3))
    return np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)


def test_the_function_of_ishigami() -> None:
    """Ishigami & Homma 1990: S = 0.314, 0.442, 0 and 0.244 of the first and the third together."""
    found, _ = importance(Space.from_toml(NUMBERS), tried(SPACE, ishigami, 1500), 0)
    known = shares(found)
    assert known["rate"] == pytest.approx(0.314, abs=0.06)
    assert known["lr"] == pytest.approx(0.442, abs=0.09)
    assert known["weight_decay"] < 0.03
    assert known["eps"] < 0.01
    assert found.pair is not None
    assert set(found.pair.paths) == {"network.dropout.rate", "update.decay.weight_decay"}
    assert 0.15 < found.pair.value < 0.27  # a forest of boxes sees less of what two do together
    assert found.together == pytest.approx(0.244, abs=0.06)
    assert found.explained > 0.8


SPACE = Space.from_toml(NUMBERS)


def test_shares_of_a_sum_are_squares_of_its_weights() -> None:
    weights = np.array([3.0, 2.0, 1.0, 0.0])
    found, _ = importance(SPACE, tried(SPACE, lambda x: x @ weights, 500), 0)
    known = shares(found)
    wanted = np.square(weights) / np.square(weights).sum()
    for name, share in zip(("rate", "lr", "weight_decay", "eps"), wanted, strict=True):
        assert known[name] == pytest.approx(share, abs=0.05)
    assert found.pair is None
    assert found.together < 0.08
    assert found.shares[0].path == "network.dropout.rate"


def test_another_scale_changes_nothing() -> None:
    """A coordinate is uniform on the scale that is searched, whatever values it stands for."""
    other = NUMBERS.replace("high = 1e-1", 'high = 1e-1, scale = "linear"').replace("4.0", "0.5")
    trials = tried(SPACE, lambda x: x[:, 1] + x[:, 2] ** 2, 60)
    one, two = (importance(Space.from_toml(text), trials, 0)[0] for text in (NUMBERS, other))
    assert one.shares == two.shares
    assert SPACE.dimensions != Space.from_toml(other).dimensions


def test_the_order_of_trials_changes_nothing() -> None:
    trials = tried(SPACE, lambda x: x[:, 1] * x[:, 2], 40)
    assert importance(SPACE, trials, 0)[0] == importance(SPACE, trials[::-1], 0)[0]


def test_options_and_off_have_the_mass_that_the_space_gives_them() -> None:
    """y = [normalization is batch_norm] + [smoothing is off]: variances p (1 - p)."""
    space = Space.from_toml(
        '[choose]\nnormalization = ["none", "batch_norm", "layer_norm", "batch_norm"]\n'
        '[vary]\n"loss.label_smoothing.eps" = { off = 0.2 }\n"update.adam.lr" = {}\n'
    )
    norm, off = (space.dimensions[i].over for i in (0, 1))
    assert isinstance(norm, Options)
    assert isinstance(off, Range)

    def score(x: np.ndarray) -> np.ndarray:
        return 1.0 * (x[:, 0] == norm.encode("batch_norm")) + 1.0 * (x[:, 1] < off.off)

    known = shares(importance(space, tried(space, score, 300), 0)[0])
    assert known["normalization"] == pytest.approx(0.25 / 0.41, abs=0.03)
    assert known["eps"] == pytest.approx(0.16 / 0.41, abs=0.03)
    assert known["lr"] < 0.01


def test_a_setting_that_acts_in_half_of_the_space() -> None:
    """y = A W with A = [is a resnet], of chance 1/2, and W uniform on k equal steps of [0, 1]:

    E y² = E W² / 2, so Var y = E W² / 2 - (E W)² / 4; A decides (E W)² / 4 and W Var W / 4 of it.
    """
    space = Space.from_toml(
        '[choose]\narchitecture = ["mlp", "resnet"]\n'
        '[vary]\n"network.resnet.width" = [32, 64, 96, 128]\n"network.mlp.width" = [32, 64]\n'
    )
    places = (np.arange(4) + 0.5) / 4
    first, second = places.mean(), np.square(places).mean()
    variance = second / 2 - first**2 / 4

    def score(x: np.ndarray) -> np.ndarray:
        return x[:, 1]  # 0 where it does not count

    trials = tried(space, score, 200)
    found, _ = importance(space, trials, 0)
    known = {share.path: share for share in found.shares}
    role, width = known["architecture"], known["network.resnet.width"]
    assert role.value == pytest.approx(first**2 / 4 / variance, abs=0.03)
    assert width.value == pytest.approx((second - first**2) / 4 / variance, abs=0.03)
    assert width.counts == pytest.approx(0.5, abs=0.01)
    assert role.counts == 1
    assert known["network.mlp.width"].value < 0.01
    assert found.pair is not None
    assert set(found.pair.paths) == {"architecture", "network.resnet.width"}
    assert found.pair.value == pytest.approx(found.together, abs=0.03)


def noise(x: np.ndarray) -> np.ndarray:
    return np.random.default_rng(5).normal(size=len(x))


@pytest.mark.parametrize(
    ("count", "score", "says"),
    [(14, lambda x: x[:, 0], "14 trials"), (80, noise, "cannot be told from their settings")],
)
def test_where_nothing_can_be_said_there_are_no_numbers(
    count: int, score: Score, says: str
) -> None:
    found, forest = importance(SPACE, tried(SPACE, score, count), 0)
    assert says in found.reason
    assert (found.shares, found.pair, forest) == ((), None, None)
    assert found.to_json()["together"] is None


def at_rungs(trials: Sequence[Tried], levels: Sequence[float]) -> list[Tried]:
    """Trials at three rungs that differ by a constant; two thirds stop at each, the worse ones."""
    scores = [each.rungs[0][1] or 0.0 for each in trials]
    bars = [-math.inf, *(float(np.quantile(scores, share)) for share in (2 / 3, 8 / 9))]
    return [
        replace(each, rungs=tuple((r, s + levels[r]) for r in range(3) if s >= bars[r]))
        for each, s in zip(trials, scores, strict=True)
    ]


def test_what_all_recipes_gain_from_rung_to_rung_is_nobodys() -> None:
    # Eighths of small numbers add without rounding.
    plain = tried(SPACE, lambda x: np.round(x[:, 0] * 64) / 64, 60)
    found = [at_rungs(plain, levels) for levels in ((0.0, 0.0, 0.0), (-4.0, 2.0, 2.5))]
    ys = [lifted(trials, 2)[0] for trials in found]
    assert (ys[1] - ys[0]).tolist() == [2.5] * len(ys[0])
    one, two = (importance(SPACE, trials, 2)[0] for trials in found)
    assert shares(two) == pytest.approx(shares(one), abs=1e-3)  # rounding may break ties anew
    assert shares(two)["rate"] > 0.9
    assert two.whole < two.trials / 4


def test_a_divergence_is_as_bad_as_the_worst_and_no_score_is_much_worse() -> None:
    trials = tried(SPACE, lambda x: x[:, 0], 30)
    wild = [*trials, replace(trials[0], number=30, rungs=((0, None),))]
    wild.append(replace(trials[1], number=31, rungs=((0, -1e6),)))
    y, _, _ = lifted(wild, 0)
    assert y[30] == y[31] == y.min()
    middle = np.median([each.rungs[0][1] or 0.0 for each in trials])
    assert middle - y.min() < 3 * 1.4826 * 0.5
    assert np.isfinite(y).all()


def test_what_counts_only_at_the_end_is_seen() -> None:
    """Early scores follow one setting, late ones another; a rung nobody is dropped at."""
    points, counts = uniform(SPACE, 80, 3)
    trials = [
        Tried(i, tuple(p), tuple(c), ((0, p[0]), (1, p[0]), (2, p[1] + 1)))
        for i, (p, c) in enumerate(zip(points, counts, strict=True))
    ]
    known = shares(importance(SPACE, trials, 2)[0])
    assert known["lr"] > 0.6 > 0.3 > known["rate"]


def test_the_interval_holds_the_share_and_narrows_with_trials() -> None:
    weights = np.array([2.0, 1.0, 0.0, 0.0])
    wide = []
    for count in (30, 240):
        found, _ = importance(
            SPACE, tried(SPACE, lambda x: x @ weights + 0.2 * noise(x), count, 7), 0
        )
        share = next(each for each in found.shares if each.path.endswith("rate"))
        assert share.low < 0.8 < share.high
        wide.append(share.high - share.low)
    assert wide[1] < 0.6 * wide[0]


def test_isolation_is_the_upper_envelope() -> None:
    """y = 1 - |x - 0.3| + z: over x, the best is at z = 1 and the mean at z = 1/2."""

    def score(x: np.ndarray) -> np.ndarray:
        return 1 - np.abs(x[:, 1] - 0.3) + x[:, 0]

    trials = tried(SPACE, score, 600)
    _, forest = importance(SPACE, trials, 0)
    assert forest is not None
    found = isolated(forest, trials, "update.adam.lr")
    x = np.array(found.places)
    assert np.abs(np.array(found.best) - (2 - np.abs(x - 0.3))).max() < 0.15
    assert np.abs(np.array(found.mean) - (1.5 - np.abs(x - 0.3))).max() < 0.09
    assert (np.array(found.best) >= np.array(found.mean)).all()
    assert abs(x[int(np.argmax(found.best))] - 0.3) < 0.1
    assert max(found.best) <= max(each.score for each in found.seen)
    assert [each.score for each in found.seen] == [each.rungs[0][1] for each in trials]
    assert found.values[0] == pytest.approx(1e-3)
    assert found.values[-1] == pytest.approx(1e-1)


def test_isolation_looks_only_where_a_setting_acts() -> None:
    space = Space.from_toml(
        '[choose]\narchitecture = ["mlp", "resnet"]\n'
        '[vary]\n"network.resnet.width" = [32, 64]\n"update.adam.lr" = { }\n'
    )
    trials = tried(space, lambda x: np.where(x[:, 1] > 0, x[:, 2], 5.0), 120)
    _, forest = importance(space, trials, 0)
    assert forest is not None
    found = isolated(forest, trials, "network.resnet.width")
    assert found.values == [32, 64]
    assert max(found.best) <= 1
    assert 0 < len(found.seen) < len(trials)
    assert all(each.score <= 1 for each in found.seen)


def test_bins_of_noise_decide_nothing() -> None:
    """Of k bins of n rows, noise alone shows (k - 1) / (n - 1): here a tenth."""
    random = np.random.default_rng(0)
    found = [
        measured._explained_by(random.normal(size=191), random.integers(20, size=191))
        for _ in range(200)
    ]
    assert np.mean(found) < 0.02
    both = measured._explained_by(np.arange(191) // 10 * 1.0, np.arange(191) // 10)
    assert both == pytest.approx(1)
