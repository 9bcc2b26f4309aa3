"""Does the interval of what a recipe is worth in rows hold the truth, where that is planted?

    python benchmarks/worth_curves.py [--tables 400] [--seed 0] [--cases NAME ...]

No networks: errors are drawn around two known curves, with noise made as that of real ablations: of
rows (shared by all sizes, arms and seeds), of seeds (at each size anew, more at small ones, where
other rows are drawn, too) and of both. The true worth is where the curves say it is. Shown are

    held      share of tables whose 95 % interval holds it, with the binomial's 95 % interval
    sure      share of tables whose interval leaves 1 out; where the truth is 1, that is an error
    times     median of the estimate, and what 95 % of the estimates lie between
    open      share of intervals with an open end: the data do not tell it
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats as student
from scipy.optimize import brentq

from shrinkage.evidence import curves

Error = Callable[[float], float]


def power(a: float, b: float, c: float) -> Error:
    return lambda x: a + b * x**-c


@dataclass(frozen=True)
class Case:
    """winner, plain: error by share of the rows. grows: noise between seeds, by each halving."""

    name: str
    winner: Error
    plain: Error
    seeds: int = 5
    sizes: int = 5
    between_seeds: float = 0.008
    grows: float = 1.3
    of_rows: float = 0.1
    of_both: float = 0.15


PLAIN = power(0.2, 0.1, 0.5)
CASES = [
    Case("equal", PLAIN, PLAIN),
    Case("equal, ten seeds", PLAIN, PLAIN, seeds=10),
    Case("equal, noisy where rows are few", PLAIN, PLAIN, grows=2.0),
    Case("twice", lambda x: PLAIN(2 * x), PLAIN),
    Case("twice, ten seeds", lambda x: PLAIN(2 * x), PLAIN, seeds=10),
    Case("twice, four sizes", lambda x: PLAIN(2 * x), PLAIN, sizes=4),
    Case("twice, three sizes", lambda x: PLAIN(2 * x), PLAIN, sizes=3),
    Case("twice, noisy where rows are few", lambda x: PLAIN(2 * x), PLAIN, grows=2.0),
    Case("four times, another limit", power(0.15, 0.08, 0.4), power(0.21, 0.08, 0.4)),
    Case("0.6 times", lambda x: PLAIN(0.6 * x), PLAIN),
    Case("more than was tried", power(0.1, 0.1, 0.3), power(0.25, 0.1, 0.6)),
    Case("no power law: logarithms", lambda x: 0.3 - 0.03 * np.log(2.5 * x),
         lambda x: 0.3 - 0.03 * np.log(x)),
    Case("no power law: exponentials", lambda x: 0.2 + 0.2 * np.exp(-5 * x),
         lambda x: 0.2 + 0.2 * np.exp(-2 * x)),
]  # fmt: skip


def drawn(case: Case, random: np.random.Generator, shares: list[float]) -> np.ndarray:
    """[2, K, S, J] pseudo-values of the errors of both."""
    groups, found = 50, []
    rows = case.of_rows * random.normal(size=groups)
    for curve in (case.winner, case.plain):
        sizes = []
        for number, share in enumerate(shares):
            seeds = case.between_seeds * case.grows**number * random.normal(size=(case.seeds, 1))
            both = case.of_both * random.normal(size=(case.seeds, groups))
            # Rows that this arm finds hard at this size, whatever the seed.
            own = 0.5 * case.of_rows * random.normal(size=groups)
            sizes.append(curve(share) + rows + own + seeds + both)
        found.append(np.stack(sizes))
    return np.stack(found)


def truth(case: Case, shares: list[float]) -> float:
    """The worth, inf beyond what is seen."""
    least, most = shares[-1], 1 / shares[-1]

    def ahead(k: float) -> float:
        return case.winner(min(1, 1 / k)) - case.plain(min(1, k))

    return float(brentq(ahead, least, most)) if ahead(most) > 0 else np.inf  # pyright: ignore


def study(case: Case, tables: int, seed: int) -> None:
    shares = [0.5**i for i in range(case.sizes)]
    times, found = truth(case, shares), []
    for number in range(tables):
        winner, plain = drawn(case, np.random.default_rng((seed, number)), shares)
        fits = [curves.fitted(shares, y) for y in (winner, plain)]
        found.append(curves.worth(fits[0], winner, plain[0], (fits[1], plain)))
    low, high = (np.array([getattr(each, end) for each in found]) for end in ("low", "high"))
    held = (low <= times) & ((times <= high) | (high >= found[0].most))
    middle = np.clip([each.times for each in found], 0.01, 99)
    ends = np.quantile(middle, (0.025, 0.975))
    opened = np.mean((low == 0) | np.isinf(high))
    ones = np.mean((low > 1) | (high < 1))
    print(
        f"| {case.name} | {case.seeds} | {case.sizes} | {times:.2f} | {rate(held)} | {ones:.0%} | "
        f"{np.median(middle):.2f} ({ends[0]:.2f} to {ends[1]:.2f}) | {opened:.0%} |",
        flush=True,
    )


def rate(held: np.ndarray) -> str:
    span = student.binomtest(int(held.sum()), len(held)).proportion_ci(method="exact")
    return f"{held.mean():.1%} ({span.low:.1%} to {span.high:.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--tables", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", nargs="*")
    asked = parser.parse_args()
    print("| planted | seeds | sizes | worth | held | sure | times | open |")
    print("|" + "---|" * 8)
    for case in CASES:
        if asked.cases is None or case.name in asked.cases:
            study(case, asked.tables, asked.seed)


if __name__ == "__main__":
    main()
