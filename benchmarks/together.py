"""Rows that belong together, where the truth is known: do intervals hold it?

    python benchmarks/together.py [--studies 1000] [--clusters 20 50 200] [--json FILE]

Each study draws a test part of so many patients with 1 to 9 rows each, and what two networks say of
them. A network's margin on a row is an offset, plus noise of the patient's and noise of the row's,
of equal size; both networks share most of either. The class is the patient's, a third of whom are
of class 1; the probability of the right class is the normal distribution function of the margin. An
error of a regression is noise of the patient's and heavy-tailed noise of the row's.

Printed: how often 95 % intervals of the winner's score and of its difference to the plain network
hold the truth, in %, where intervals know of the patients (`together`) and where they take all rows
for strangers; the truth is counted on the rows of 100,000 patients.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtr

from shrinkage import scores
from shrinkage.evidence.interval import score
from shrinkage.paired import Answers, difference

METRICS = (
    "accuracy", "log_loss", "balanced_accuracy", "f1", "roc_auc", "rmse", "mae", "r2",
)  # fmt: skip
OFFSETS, SHARED, ILL, TRUTH = (0.7, 1.0), 0.8, 1 / 3, 100_000

Said = tuple[np.ndarray, list[np.ndarray], np.ndarray]


def drawn(metric: scores.Metric, clusters: int, seed: int) -> Said:
    """(target [n], outputs of plain and winner, cluster of each row [n])."""
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(clusters), random.integers(1, 10, clusters))

    def noise(heavy: bool) -> list[np.ndarray]:
        """Of both networks, [n] each."""
        patients, rows = random.normal(size=(3, clusters))[:, of], random.normal(size=(3, len(of)))
        if heavy:
            rows = random.standard_t(5, (3, len(of)))
        mixed = [
            SHARED**0.5 * each[0] + (1 - SHARED) ** 0.5 * each[1:] for each in (patients, rows)
        ]
        return list(mixed[0] + mixed[1])

    if metric.task == "regression":
        target = random.normal(size=clusters)[of] + random.normal(size=len(of))
        return target, [target + e / (1 + o) for e, o in zip(noise(True), OFFSETS, strict=True)], of
    target = (random.random(clusters) < ILL).astype(int)[of]
    outputs = []
    for margin, offset in zip(noise(False), OFFSETS, strict=True):
        right = ndtr(offset + margin)
        one = np.where(target == 1, right, 1 - right)
        outputs.append(np.stack([1 - one, one], 1))
    return target, outputs, of


def measured(metric: scores.Metric, said: Said) -> list[float]:
    """The score of plain and winner."""
    y = torch.from_numpy(said[0])
    return [float(metric.function(torch.from_numpy(o)[None], y)[0]) for o in said[1]]


@cache
def truth(name: str) -> tuple[float, float]:
    """The winner's score, and by how much it is larger than the plain network's."""
    metric = scores.find(name)
    plain, winner = measured(metric, drawn(metric, TRUTH, 2**32 - 1))
    return winner, winner - plain


def held(name: str, clusters: int, studies: int) -> dict[str, float]:
    """Shares of intervals that hold the truth."""
    metric, found = scores.find(name), {}
    for seed in range(studies):
        said = drawn(metric, clusters, seed)
        target, outputs, of = said
        plain, winner = measured(metric, said)
        for who, its in (("together", of), ("strangers", None)):
            before, after = (Answers(metric, output, target, its) for output in outputs)
            known = (
                ("score", score(winner, after)),
                ("difference", difference(winner - plain, after, before)),
            )
            for (what, interval), true in zip(known, truth(name), strict=True):
                key = f"{what}, {who}"
                found.setdefault(key, 0)
                found[key] += interval is not None and interval.low <= true <= interval.high
    return {key: 100 * count / studies for key, count in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--clusters", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = {
        name: {count: held(name, count, asked.studies) for count in asked.clusters}
        for name in METRICS
    }
    heads = list(found[METRICS[0]][asked.clusters[0]])
    print(f"| metric | patients | {' | '.join(heads)} |")
    print("|---" * (2 + len(heads)) + "|")
    for name, by_count in found.items():
        for count, shares in by_count.items():
            print(f"| {name} | {count} | {' | '.join(f'{shares[h]:.1f}' for h in heads)} |")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
