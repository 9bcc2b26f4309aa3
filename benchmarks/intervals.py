"""Which interval of a paired difference holds the truth, on networks whose truth can be computed.

    python benchmarks/intervals.py [--tables 300] [--seed 0] [--cases N ...]

A network is one hidden layer of random weights (its seed), whose last layer is solved: ridge
regression on relu(gamma x W + b). Thousands can be trained, so the truth is known: what fresh seeds
score on 8,000 fresh rows. An arm is a ridge; its "rate" gamma is one of three, chosen by
`stats.tuned`. Every table is drawn anew. Beside `evidence.stats.estimate` ("crossed") stand

    naive       Student's t over all seeds x folds
    seeds       Student's t over seeds, each a mean over folds
    corrected   over seeds x folds, variance times 1/(S K) + test/train (Nadeau & Bengio 2003)
    folds       the same over the means of folds, 1/K + test/train, K - 1 degrees
    bootstrap   percentiles of 200 samples of seeds and of groups of rows (Owen 2007)

`held` is the share of tables whose 95 % interval holds the truth of this table (fresh seeds, fresh
rows, the folds' own training rows, at the rates that were picked), `anew` the share that holds the
mean truth over tables. Arms of a null have the same ridge and differ in random weights: its truth
is 0. `width` is in standard deviations of the error.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy import stats as student

from shrinkage.evidence import stats

COLUMNS, HIDDEN, FRESH_ROWS, FRESH_SEEDS, GROUPS = 8, 32, 4000, 40, 50
RATES = (1.0, 0.5, 2.0)
NAMES = ("naive", "seeds", "corrected", "folds", "bootstrap", "crossed")


@dataclass(frozen=True)
class Case:
    """ridges: of the two arms. shared: part of the random weights that arms with a seed share."""

    name: str
    rows: int = 200
    seeds: int = 10
    folds: int = 5
    ridges: tuple[float, float] = (3.0, 3.0)
    shared: float = 1.0
    metric: str = "accuracy"
    rates: tuple[tuple[float, ...], tuple[float, ...]] = (RATES, RATES)


NULL = {"shared": 0.5}
CASES = [
    Case("null", **NULL),
    Case("null", rows=800, **NULL),
    Case("null", folds=3, **NULL),
    Case("null", seeds=4, **NULL),
    Case("null, rmse", metric="rmse", **NULL),
    Case("null, only the seed differs", shared=0.0),
    Case("null, the second arm has one rate", shared=0.5, rates=(RATES, (1.0, 1.0, 1.0))),
    Case("less ridge", ridges=(0.3, 3.0)),
    Case("less ridge, rmse", ridges=(0.3, 3.0), metric="rmse"),
    Case("less ridge", ridges=(0.3, 3.0), rows=800),
    Case("far too much ridge", ridges=(100.0, 3.0)),
]


def table(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal columns; the sign of a bent function of them, a tenth of it flipped."""
    x = random.normal(size=(rows, COLUMNS)).astype(np.float32)
    y = np.where(x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3]) > 0.4, 1.0, -1.0)
    return x, (y * np.where(random.random(rows) < 0.1, -1, 1)).astype(np.float32)


def features(x: np.ndarray, seed: int, arm: int, shared: float, gamma: float) -> np.ndarray:
    """[n, H] activations; the first part of the hidden units is the same in both arms."""
    common, own = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1 + arm))
    count = round(shared * HIDDEN)
    w, b = common.normal(size=(COLUMNS, HIDDEN)), common.normal(size=HIDDEN)
    w[:, count:], b[count:] = (
        own.normal(size=(COLUMNS, HIDDEN - count)),
        own.normal(size=HIDDEN - count),
    )
    return np.maximum(gamma * x @ w.astype(np.float32) + b.astype(np.float32), 0)


def solved(h: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    return np.linalg.solve(h.T @ h + ridge * np.eye(h.shape[1], dtype=h.dtype), h.T @ y)


def losses(case: Case, output: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (output * y <= 0).astype(float) if case.metric == "accuracy" else (output - y) ** 2.0


def goodness(case: Case, mean_loss: np.ndarray) -> np.ndarray:
    return -mean_loss if case.metric == "accuracy" else -np.sqrt(mean_loss)


def judged(
    case: Case, random: np.random.Generator, x: np.ndarray, y: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """Scores [A, R, S, K, 1 + J]: on a fold's rows, and on those outside each group."""
    first = int(random.integers(2**40))
    loss = np.zeros((2, 3, case.seeds, case.rows))
    for arm, r, s in np.ndindex(2, 3, case.seeds):
        h = features(x, first + s, arm, case.shared, case.rates[arm][r])
        for k in range(case.folds):
            out = folds == k
            beta = solved(h[~out], y[~out], case.ridges[arm])
            loss[arm, r, s, out] = losses(case, h[out] @ beta, y[out])
    group = random.permutation(case.rows) % GROUPS
    kept = np.concatenate([np.ones((1, case.rows)), group != np.arange(GROUPS)[:, None]])
    weight = (folds == np.arange(case.folds)[:, None])[:, None] * kept
    weight = weight / weight.sum(-1, keepdims=True)
    return goodness(case, np.einsum("arsn,kjn->arskj", loss, weight, optimize=True))


def truth(
    case: Case, random: np.random.Generator, x: np.ndarray, y: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    """[A, R, K]: what the arms score at each rate on fresh rows, the mean over fresh seeds."""
    new_x, new_y = table(random, FRESH_ROWS)
    first, found = int(random.integers(2**40)), np.zeros((2, 3, FRESH_SEEDS, case.folds))
    for arm, r, s in np.ndindex(2, 3, FRESH_SEEDS):
        gamma, of = case.rates[arm][r], range(case.folds)
        h = features(x, first + s, arm, case.shared, gamma)
        beta = [solved(h[folds != k], y[folds != k], case.ridges[arm]) for k in of]
        output = features(new_x, first + s, arm, case.shared, gamma) @ np.stack(beta, 1)
        found[arm, r, s] = losses(case, output, new_y[:, None]).mean(0)
    return goodness(case, found).mean(2)


def intervals(case: Case, scores: np.ndarray, random: np.random.Generator) -> dict[str, tuple]:
    """By name: lower and upper end. scores: [A, S, K, 1 + J] at the picked rates."""
    difference = scores[0] - scores[1]
    each = difference[..., 0]  # [S, K]
    mean, ratio = each.mean(), 1 / (case.folds - 1)

    def t(variance: float, degrees: float) -> tuple[float, float]:
        half = student.t.ppf(0.975, degrees) * np.sqrt(variance)
        return mean - half, mean + half

    seeds, folds = each.mean(1), each.mean(0)
    y = stats.pseudo_values(difference.mean(1))
    rows = random.integers(0, len(y), (200, len(y)))
    columns = random.integers(0, y.shape[1], (200, y.shape[1]))
    drawn = y[rows[:, :, None], columns[:, None, :]].mean((1, 2)) + mean - y.mean()
    low, high = np.quantile(drawn, (0.025, 0.975))
    crossed = stats.estimate(y)
    center = mean - crossed.mean
    return {
        "naive": t(each.var(ddof=1) / each.size, each.size - 1),
        "seeds": t(seeds.var(ddof=1) / len(seeds), len(seeds) - 1),
        "corrected": t((1 / each.size + ratio) * each.var(ddof=1), each.size - 1),
        "folds": t((1 / len(folds) + ratio) * folds.var(ddof=1), len(folds) - 1),
        "bootstrap": (low, high),
        "crossed": tuple(end + center for end in crossed.interval()),
    }


RULES = {
    "crossfit": stats.tuned,
    "shared": lambda scores: np.repeat(
        stats.tuned(scores.mean(1, keepdims=True)), scores.shape[1], axis=0
    ),
    "same": lambda scores: np.full(scores.shape[1:], scores.mean((1, 2)).argmax()),
    "fixed": lambda scores: np.zeros(scores.shape[1:], int),
}
"""How rates are picked: by `stats.tuned`; by the other parts at all seeds; by the rows that judge
them; not at all."""


def study(case: Case, tables: int, seed: int) -> None:
    found: dict[str, list] = {rule: [] for rule in RULES}
    null = case.ridges[0] == case.ridges[1]
    for number in range(tables):
        random = np.random.default_rng((seed, number))
        x, y = table(random, case.rows)
        folds = random.permutation(case.rows) % case.folds
        scores = judged(case, random, x, y, folds)
        real = np.zeros((2, 3, case.folds)) if null else truth(case, random, x, y, folds)
        at = np.arange(case.folds)
        for rule, pick in RULES.items():
            picks = [pick(arm[..., 0]) for arm in scores]
            pair = [stats.at_rates(arm, p) for arm, p in zip(scores, picks, strict=True)]
            here, there = (float(of[p, at].mean()) for of, p in zip(real, picks, strict=True))
            mean = float((pair[0] - pair[1])[..., 0].mean())
            ends = intervals(case, np.stack(pair), random)
            found[rule].append([mean, here - there, *np.ravel(list(ends.values()))])
    print(
        f"\n{case.name}: {case.rows} rows, {case.seeds} seeds, {case.folds} folds, {tables} tables"
    )
    for rule, rows in found.items():
        mean, true, *ends = np.array(rows).T
        low, high = np.array(ends[::2]), np.array(ends[1::2])
        spread = (mean - true).std()
        anew = 0.0 if null else true.mean()
        bias, noise = (mean - anew).mean(), 1.96 * mean.std() / tables**0.5
        told = f"truth {true.mean():+.4f}, bias {bias:+.4f} ± {noise:.4f}, sd {mean.std():.4f}"
        print(f"  rates {rule}: {told}")
        for name in NAMES if rule == "crossfit" else NAMES[-1:]:
            i = NAMES.index(name)
            held = ((low[i] <= true) & (true <= high[i])).mean()
            other = ((low[i] <= anew) & (anew <= high[i])).mean()
            width = (high[i] - low[i]).mean() / spread
            print(
                f"    {name:10} held {held:6.1%}  anew {other:6.1%}  width {width:5.2f}", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--tables", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, nargs="*")
    asked = parser.parse_args()
    for number, case in enumerate(CASES):
        if asked.cases is None or number in asked.cases:
            study(case, asked.tables, asked.seed)


if __name__ == "__main__":
    main()
