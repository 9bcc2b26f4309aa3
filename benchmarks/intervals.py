"""Which interval of a paired difference holds the truth, on networks whose truth can be computed.

    python benchmarks/intervals.py [--tables 400] [--seed 0]

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
rows, the folds' own training rows), `anew` that of the mean truth over tables, `false` the share
that leaves 0 where the truth over tables is 0; `width` is in units of the error of the mean. `same`
is the bias of choosing rates on the rows that judge them, `crossfit` that of `stats.tuned`, both as
a share of the same error.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy import stats as student

from shrinkage.evidence import stats

COLUMNS, HIDDEN, FRESH_ROWS, FRESH_SEEDS, GROUPS = 8, 32, 8000, 60, 50
RATES = (0.5, 1.0, 2.0)


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


CASES = [
    Case("only the seed differs", shared=0.0),
    Case("only the seed differs, rmse", shared=0.0, metric="rmse"),
    Case("half the weights differ", shared=0.5),
    Case("half the weights differ, 800 rows", shared=0.5, rows=800),
    Case("half the weights differ, 3 folds", shared=0.5, folds=3),
    Case("half the weights differ, 4 seeds", shared=0.5, seeds=4),
    Case("more ridge", ridges=(3.0, 0.3)),
    Case("more ridge, rmse", ridges=(3.0, 0.3), metric="rmse"),
    Case("more ridge, 800 rows", ridges=(3.0, 0.3), rows=800),
    Case("more ridge, 800 rows, 3 folds", ridges=(3.0, 0.3), rows=800, folds=3),
    Case("far too much ridge", ridges=(100.0, 3.0)),
    Case("null; one arm has one rate", shared=0.0, rates=(RATES, (1.0, 1.0, 1.0))),
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
    w[:, count:], b[count:] = own.normal(size=(COLUMNS, HIDDEN - count)), own.normal(
        size=HIDDEN - count
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
    case: Case,
    random: np.random.Generator,
    x: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    picks: np.ndarray,
) -> float:
    """The difference of the arms at the picked rates [2, K], on fresh rows and seeds."""
    new_x, new_y = table(random, FRESH_ROWS)
    first, found = int(random.integers(2**40)), np.zeros((2, FRESH_SEEDS, case.folds))
    for arm, s in np.ndindex(2, FRESH_SEEDS):
        for r in np.unique(picks[arm]):
            gamma = case.rates[arm][r]
            h = features(x, first + s, arm, case.shared, gamma)
            at = np.flatnonzero(picks[arm] == r)
            beta = [solved(h[folds != k], y[folds != k], case.ridges[arm]) for k in at]
            output = features(new_x, first + s, arm, case.shared, gamma) @ np.stack(beta, 1)
            found[arm, s, at] = losses(case, output, new_y[:, None]).mean(0)
    return float((goodness(case, found[0]) - goodness(case, found[1])).mean())


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


def study(case: Case, tables: int, seed: int) -> None:
    found, ends = [], []
    for number in range(tables):
        random = np.random.default_rng((seed, number))
        x, y = table(random, case.rows)
        folds = random.permutation(case.rows) % case.folds
        scores = judged(case, random, x, y, folds)
        picks = np.stack([stats.tuned(arm[..., 0]) for arm in scores])
        best = scores[..., 0].mean((2, 3)).argmax(1)
        whole = truth(case, random, x, y, folds, picks)
        same = truth(case, random, x, y, folds, np.repeat(best[:, None], case.folds, 1))
        at = np.arange(case.folds)
        chosen = np.stack([arm[pick, :, at].swapaxes(0, 1) for arm, pick in zip(scores, picks, strict=True)])
        naive = scores[0, best[0]] - scores[1, best[1]]
        mean = float((chosen[0] - chosen[1])[..., 0].mean())
        found.append((mean, whole, float(naive[..., 0].mean()), same))
        ends.append(list(intervals(case, chosen, random).values()))
    mean, whole, naive, same = np.array(found).T
    low, high = np.array(ends).transpose(2, 1, 0)
    spread = (mean - whole).std()
    null = case.ridges[0] == case.ridges[1] and case.shared < 1
    bias = [
        f"{b.mean() / spread:+.2f} ± {1.96 * b.std() / len(b) ** 0.5 / spread:.2f}"
        for b in (naive - same, mean - whole)
    ]
    print(f"{case.name}: truth {whole.mean():+.4f}, error of the mean {spread:.4f}; bias: same {bias[0]}, crossfit {bias[1]}")
    names = ("naive", "seeds", "corrected", "folds", "bootstrap", "crossed")
    for i, name in enumerate(names):
        held = ((low[i] <= whole) & (whole <= high[i])).mean()
        anew = ((low[i] <= whole.mean()) & (whole.mean() <= high[i])).mean()
        false = f"{((low[i] > 0) | (high[i] < 0)).mean():6.1%}" if null else "     -"
        print(f"  {name:10} held {held:6.1%}  anew {anew:6.1%}  false {false}  width {(high[i] - low[i]).mean() / spread:5.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--tables", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for case in CASES:
        study(case, asked.tables, asked.seed)


if __name__ == "__main__":
    main()
