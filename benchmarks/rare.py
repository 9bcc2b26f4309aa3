"""Intervals of test scores where a class is rare: how often do they hold the truth?

    python benchmarks/rare.py [--studies 1000]

Each study draws a test part anew, with the share of class 1 that is told, and what two networks
of different quality say of it: a network's log-odds are its quality times the class, plus noise
that both share in part. The truth is known: balanced accuracy Phi(quality / 2), AUC
Phi(quality / sqrt(2)). Printed: in how many of 100 studies the 95 % interval of a score, and of
the paired difference, holds it. `before` is what the report had until 2026-11-30: as long on both
sides, Student's t over the values of all rows, but Wilson's of the rarest class where nothing is
wrong; of differences of decisions half a row more in the four cells of all rows together.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.stats import norm

from shrinkage import scores
from shrinkage.evidence.interval import flawless, score
from shrinkage.paired import Answers, difference
from shrinkage.uncertainty import Z95, matched, t95

QUALITY, SHARED = (2.0, 3.0), 0.8
CASES = [(100, 0.1), (200, 0.05), (400, 0.05), (1000, 0.02), (200, 0.3)]


def truth(metric: str, quality: float) -> float:
    return float(norm.cdf(quality / (2 if metric == "balanced_accuracy" else np.sqrt(2))))


def study(metric: str, rows: int, share: float, random: np.random.Generator) -> list[Answers]:
    target = (random.random(rows) < share).astype(np.int64)
    common, own = random.normal(size=rows), random.normal(size=(2, rows))
    noise = SHARED * common + np.sqrt(1 - SHARED**2) * own
    odds = np.array(QUALITY)[:, None] * (target - 0.5) + noise
    event = 1 / (1 + np.exp(-odds))
    return [Answers(scores.find(metric), np.stack([1 - p, p], 1), target) for p in event]


def measured(of: Answers) -> float:
    output, target = torch.from_numpy(of.output)[None], torch.from_numpy(of.target)
    return float(of.metric.function(output, target)[0])


def even(value: float, v: np.ndarray) -> tuple[float, float]:
    reach = t95(len(v)) * float(v.std(ddof=1)) / np.sqrt(len(v))
    return value - reach, value + reach


def before_of(value: float, of: Answers) -> tuple[float, float]:
    return flawless(of.metric, value, of.target) or even(value, of.v)


def before_between(value: float, one: Answers, other: Answers) -> tuple[float, float]:
    if not one.metric.decides:
        return even(value, one.v - other.v)
    centre, error = matched(one.v - other.v, one.step * other.step)
    return centre - Z95 * error, centre + Z95 * error


def held(metric: str, rows: int, share: float, studies: int) -> tuple[list[float], int]:
    """(% of studies whose interval holds the truth: score, before; difference, before; studies)."""
    found = []
    bad, good = (truth(metric, each) for each in QUALITY)
    for number in range(studies):
        plain, winner = study(metric, rows, share, np.random.default_rng(number))
        if len(np.unique(plain.target)) < 2:
            continue
        before, after = measured(plain), measured(winner)
        own, less = score(after, winner), difference(after - before, winner, plain)
        assert own is not None
        assert less is not None
        ends = (own.low, own.high), before_of(after, winner)
        more = (less.low, less.high), before_between(after - before, winner, plain)
        found.append(
            [low <= good <= high for low, high in ends]
            + [low <= good - bad <= high for low, high in more]
        )
    return [100 * float(each) for each in np.mean(found, 0)], len(found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=1000)
    given = parser.parse_args()
    heads = "metric", "rows", "of class 1", "studies", "score", "before", "difference", "before"
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    for metric in ("balanced_accuracy", "roc_auc"):
        for rows, share in CASES:
            shares, studies = held(metric, rows, share, given.studies)
            cells = [scores.find(metric).pretty, f"{rows:,}", f"{share:.0%}", f"{studies:,}"]
            cells += [f"{each:.1f}" for each in shares]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
