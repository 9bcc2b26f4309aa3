"""What earlier studies buy a new one, on recorded trainings: each table in turn is the new one.

    python benchmarks/transfer.py --json transfer.jsonl [--seeds 5]

The other seven of HPOBench's perceptron tables (`benchmarks/recordings.py`) are earlier studies of
30 random recipes each. Compared: `search.gp` with α cooled, with them and without, at parts of the
time of three mean trainings. Interval: 95 %, tables drawn with replacement, then seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import recorded
from recordings import FAMILIES, TRIALS, Table, family_of, table

from shrinkage.randomness import derive
from shrinkage.search.gp import GPSearch
from shrinkage.search.random import RandomSearch
from shrinkage.search.surrogate import Told

TABLES = [name for name in FAMILIES if family_of(name) == "hpobench"]
PARTS = (0.1, 0.25, 0.5, 1.0)
TIME = 3 / TRIALS["hpobench"]
TRIALS = 30


def earlier(name: str, seed: int) -> list[Told]:
    """What a study of random recipes was told on a table."""
    asked, seed = table(name), derive(seed, f"earlier.{name}")
    noise, found = np.random.default_rng(seed), {}
    rows = recorded.ours(
        RandomSearch(asked.grid, seed), asked.grid.base, lambda: 0.0, recorded.COUNT
    )
    for row, _ in rows:
        one = noise.integers(asked.scores.shape[-1])
        found[row] = Told(tuple(asked.grid.encode(row)), 1.0, float(asked.scores[row.place][one]))
        if len(found) == TRIALS:
            return list(found.values())
    raise AssertionError("random search does not end")


def _prior(name: str) -> Any:
    def make(asked: Table, seed: int) -> GPSearch:
        others = [earlier(other, seed) for other in TABLES if other != name]
        return GPSearch(asked.grid, seed, asked.cost, earlier=others)

    return recorded._ours(make, cost=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--json", type=Path, default=Path("transfer.jsonl"))
    asked = parser.parse_args()
    recorded.METHODS |= {f"prior/{name}": _prior(name) for name in TABLES}
    found, gaps, ends = recorded.known(asked.json), [], []
    at = [int(np.searchsorted(recorded.FINE, part - 1e-9)) for part in PARTS]
    for seed in range(asked.first, asked.first + asked.seeds):
        for name in TABLES:
            for method in ("gp+cost", f"prior/{name}"):
                if (name, method, seed) not in found:
                    each = recorded.searched(name, method, seed, TIME)
                    recorded.append(each, asked.json)
                    found[name, method, seed] = each
    for name in TABLES:
        pair = [[recorded.curve(found[name, method, seed])[at]
                 for seed in range(asked.first, asked.first + asked.seeds)]
                for method in ("gp+cost", f"prior/{name}")]  # fmt: skip
        ends.append(np.mean(pair, 1))
        gaps.append(np.subtract(pair[1], pair[0]))
        print(f"{name:20s} without {ends[-1][0].round(3)}  with {ends[-1][1].round(3)}")
    random = np.random.default_rng(0)
    draws = [recorded.drawn(np.array([gaps]), random)[0] for _ in range(recorded.DRAWN)]
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    without, given = np.mean(ends, 0)
    for part, *values in zip(PARTS, without, given, given - without, low, high, strict=True):
        a, b, gap, least, most = values
        print(f"{part:.0%}: {a:.3f}, with {b:.3f}; {gap:+.3f} ({least:+.3f} to {most:+.3f})")


if __name__ == "__main__":
    main()
