"""What it does to an ablation's intervals that the rows which judge have chosen the winner, too.

    python benchmarks/chosen.py [--tables 2000] [--seed 0]

No recipe is better than another in truth. A recipe t costs row i at seed s

    loss = r_t[i] + e_t[i, s],   r, e normal,   e with `noise` times the standard deviation of r

r is what the recipe makes of this row whatever the seed: luck that new seeds do not take away. Of T
recipes one is chosen at one seed, by the study's own rule (`search.choose`); then it is ablated on
the same rows at new seeds. The arm without an ingredient is like the winner in the share `alike` of
the variance of r. "fixed" is the ablation of a recipe that nobody chose. An interval at 95 % should
leave out 0 in 5 of 100 tables; the bias is in standard errors of the effect.
"""

from __future__ import annotations

import argparse

import numpy as np

from shrinkage.evidence import stats
from shrinkage.search.choose import choose

ROWS, GROUPS, ALIKE = 500, 50, 0.5
CASES = [
    (trials, seeds, noise) for trials in (3, 10, 30) for seeds, noise in ((3, 1), (10, 1), (10, 3))
]


def ablated(own: np.ndarray, seeds: int, noise: float, random: np.random.Generator):
    """The estimate of a recipe with r = own [n] against the arm without an ingredient."""
    other = np.sqrt(ALIKE) * own + np.sqrt(1 - ALIKE) * random.normal(size=ROWS)
    losses = [r + noise * random.normal(size=(seeds, ROWS)) for r in (other, own)]
    gain = (losses[0] - losses[1]).reshape(seeds, GROUPS, -1).mean(2)
    return stats.estimate(gain)


def study(trials: int, seeds: int, noise: float, random: np.random.Generator) -> tuple:
    own = random.normal(size=(trials, ROWS))
    at_one_seed = own + noise * random.normal(size=own.shape)
    winner = choose(dict(enumerate(at_one_seed)), 0, None)
    return ablated(own[winner], seeds, noise, random), ablated(own[0], seeds, noise, random)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print("trials  seeds  noise   who      0 left out    bias")
    for place, case in enumerate(CASES):
        random = np.random.default_rng((asked.seed, place))
        found = [study(*case, random) for _ in range(asked.tables)]
        for who, each in zip(("chosen", "fixed"), zip(*found, strict=True), strict=True):
            out = np.mean([not low <= 0 <= high for low, high in (e.interval() for e in each)])
            error = np.sqrt(out * (1 - out) / asked.tables)
            bias = np.mean([e.mean for e in each]) / np.std([e.mean for e in each])
            name = "{:6}  {:5}  {:5}".format(*case)
            print(f"{name}   {who:6}  {out:6.1%} ± {1.96 * error:.1%}  {bias:+.2f}", flush=True)


if __name__ == "__main__":
    main()
