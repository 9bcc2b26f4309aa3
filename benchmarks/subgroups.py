"""Groups where the truth is known: do intervals hold it, and are verdicts right?

    python benchmarks/subgroups.py [--studies 1000] [--metrics NAME ...] [--json FILE]

Each study draws a test part anew: a group of n rows and 800 others, and what two networks say of
them. A network's margin on a row is an offset, plus noise that both share in part; its probability
of the right class is the normal distribution function of the margin, its error in a regression has
heavy tails. Offsets are by network and by group:

    same gain   the winner is better by as much in the group as elsewhere
    hurt        it is worse in the group and better elsewhere
    alike       both err as often everywhere, rarely, and nearly always on the same rows

The first table: how often 95 % intervals hold the truth (which is counted on 1,000,000 rows), over
these three, in %; `naive` is the gain's interval with the plain variance of the differences. Rows
that `evidence.subgroups` would not judge are judged here all the same, to see why it does not.
The second: verdicts by Holm over several groups.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtr
from scipy.stats import beta

from shrinkage import scores
from shrinkage.evidence import subgroups
from shrinkage.evidence.subgroups import Said, compared, verdicts
from shrinkage.paired import Interval

METRICS = (
    "accuracy", "log_loss", "balanced_accuracy", "f1", "roc_auc", "rmse", "mae", "r2",
)  # fmt: skip
SIZES = (10, 20, 50, 200)
OTHERS, TRUTH = 800, 1_000_000
RARE = 0.3
"""Share of class 1."""
ASKED = ("winner", "gain", "gap_winner", "change")


@dataclass(frozen=True)
class Case:
    """group, others: offsets of (plain, winner). shared: correlation of their noise."""

    name: str
    group: tuple[float, float]
    others: tuple[float, float]
    shared: float = 0.8


CASES = (
    Case("same gain", (0.7, 0.9), (1.0, 1.2)),
    Case("hurt", (1.0, 0.7), (1.0, 1.2)),
    Case("alike", (1.7, 1.7), (1.7, 1.7), 0.98),
)


def drawn(
    metric: str, offsets: tuple[float, float], shared: float, n: int, random: np.random.Generator
) -> Said:
    """What both say of n rows."""
    if scores.find(metric).task == "regression":
        target = random.normal(size=n)
        common, *own = random.standard_t(5, size=(3, n)) / np.sqrt(5 / 3)
        noise = [np.sqrt(shared) * common + np.sqrt(1 - shared) * each for each in own]
        return Said(target, *(target + e / (1 + o) for e, o in zip(noise, offsets, strict=True)))
    target = (random.random(n) < RARE).astype(np.int64)
    common, *own = random.normal(size=(3, n))
    outputs = []
    for each, offset in zip(own, offsets, strict=True):
        right = ndtr(offset + np.sqrt(shared) * common + np.sqrt(1 - shared) * each)
        first = np.where(target == 1, 1 - right, right)
        outputs.append(np.stack([first, 1 - first], 1))
    return Said(target, *outputs)


def score(metric: str, output: np.ndarray, target: np.ndarray) -> float:
    value = scores.find(metric).function(torch.from_numpy(output)[None], torch.from_numpy(target))
    return float(scores.goodness(metric, float(value[0])))


@cache
def truth(metric: str, case: Case) -> dict[str, float]:
    random = np.random.default_rng(1)
    found = []
    for offsets in (case.group, case.others):
        said = drawn(metric, offsets, case.shared, TRUTH, random)
        found.append([score(metric, o, said.target) for o in (said.plain, said.winner)])
    (plain, winner), (plain_else, winner_else) = found
    sign = 1 if scores.find(metric).greater_is_better else -1
    gain, elsewhere = winner - plain, winner_else - plain_else
    if case.name == "alike":
        gain = elsewhere = 0.0  # known, and not only counted
    return {
        "winner": sign * winner,
        "gain": gain,
        "gap_winner": winner - winner_else if case.name != "alike" else 0.0,
        "change": gain - elsewhere,
    }


def together(metric: str, parts: list[Said]) -> tuple[Said, np.ndarray]:
    """One test part of several groups, and the group of each row."""
    columns = ([getattr(p, name) for p in parts] for name in ("target", "plain", "winner"))
    codes = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    return Said(*(np.concatenate(each) for each in columns)), codes


def held(metric: str, n: int, studies: int) -> dict:
    """How often each interval held the truth, over the cases; and those that were defined."""
    counts: Counter[str] = Counter()
    its = scores.find(metric)
    for place, case in enumerate(CASES):
        true = truth(metric, case)
        for number in range(studies):
            random = np.random.default_rng((number, place, n))
            parts = [
                drawn(metric, case.group, case.shared, n, random),
                drawn(metric, case.others, case.shared, OTHERS, random),
            ]
            said, codes = together(metric, parts)
            group = compared(its, said, codes, 2)[0]
            if group.gain is None:
                continue
            counts["studies"] += 1
            for name in ASKED:
                found = getattr(group, name)
                low, high = (
                    (found.low, found.high) if isinstance(found, Interval) else found.interval()
                )
                counts[name] += bool(low <= true[name] <= high)
            delta = _plain_difference(metric, parts[0])
            if delta is not None:
                reach = 1.96 * delta.std(ddof=1) / np.sqrt(n)
                counts["naive"] += bool(abs(delta.mean() - true["gain"]) <= reach)
    return {"metric": metric, "rows": n, **counts}


def _plain_difference(metric: str, said: Said) -> np.ndarray | None:
    if metric not in ("accuracy", "log_loss", "mae"):
        return None
    its, y = scores.find(metric), torch.from_numpy(said.target)
    one, other = (
        scores.row_losses(its, torch.from_numpy(o), y).numpy() for o in (said.plain, said.winner)
    )
    return one - other


FAMILIES = {
    "6 groups of 30 to 400 rows, no difference": ((30, 60, 100, 200, 300, 400), None),
    "2 groups of 100 and 400 rows, no difference": ((100, 400), None),
    "12 groups of 25 rows, no difference": ((25,) * 12, None),
    "one of 4 groups is hurt, 60 rows": ((60, 200, 300, 400), 0),
    "one of 4 groups is hurt, 300 rows": ((300, 200, 60, 400), 0),
}
"""Name: (rows of each group, which one the winner hurts: elsewhere it gains)."""

FAMILIES_OF = ("accuracy", "log_loss", "rmse", "roc_auc")


def judged(metric: str, sizes: tuple[int, ...], hurt: int | None, studies: int) -> Counter[str]:
    """How often verdicts were given, right and wrong."""
    counts: Counter[str] = Counter()
    base = Case("", (1.0, 1.0), (1.0, 1.0))
    for number in range(studies):
        random = np.random.default_rng((number, 7, len(sizes)))
        parts = []
        for place, n in enumerate(sizes):
            offsets = base.others if hurt is None else (1.0, 0.6) if place == hurt else (1.0, 1.2)
            parts.append(drawn(metric, offsets, base.shared, n, random))
        said, codes = together(metric, parts)
        found = compared(scores.find(metric), said, codes, len(sizes))
        gains = verdicts({i: g.gain for i, g in enumerate(found) if g.gain})
        same = {1: 0} if len(sizes) == 2 else None
        changes = verdicts({i: g.change for i, g in enumerate(found) if g.change}, same)
        said_of = {i: each.verdict for i, each in gains.items()}
        moved = {i: each.verdict for i, each in changes.items()}
        counts["families"] += 1
        if hurt is None:
            counts["gain, any"] += any(v in ("helps", "hurts") for v in said_of.values())
            counts["gap, any"] += any(v in ("helps", "hurts") for v in moved.values())
            continue
        counts["gain, found"] += said_of.get(hurt) == "hurts"
        counts["gap, found"] += moved.get(hurt) == "hurts"
        wrong = any(v == "hurts" for i, v in said_of.items() if i != hurt)
        counts["gain, wrong sign"] += wrong or said_of.get(hurt) == "helps"
        counts["gap, wrong sign"] += moved.get(hurt) == "helps"
    return counts


def exact(hits: int, of: int) -> str:
    """A share in % with Clopper & Pearson's interval."""
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return f"{100 * hits / of:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--metrics", nargs="+", default=METRICS, choices=METRICS)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    fewest = subgroups.FEWEST, subgroups.FEWEST_OF_CLASS
    subgroups.FEWEST, subgroups.FEWEST_OF_CLASS = 2, 3
    heads = "metric", "rows", "studies", "score", "gain", "gap", "change of the gap", "naive gain"
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    rows = []
    for metric in given.metrics:
        for n in SIZES:
            found = held(metric, n, given.studies)
            rows.append(found)
            of = found["studies"]
            cells = [exact(found[name], of) for name in ASKED if found["studies"]]
            cells.append(exact(found["naive"], of) if "naive" in found else "")
            cells = [scores.find(metric).pretty, str(n), f"{of:,}", *cells]
            print("| " + " | ".join(cells) + " |", flush=True)
    subgroups.FEWEST, subgroups.FEWEST_OF_CLASS = fewest
    print("\n| groups | metric | of families | in % |\n|---|---|---|---|", flush=True)
    for name, (sizes, hurt) in FAMILIES.items():
        for metric in (m for m in given.metrics if m in FAMILIES_OF):
            counts = judged(metric, sizes, hurt, given.studies)
            of = counts.pop("families")
            rows.append({"family": name, "metric": metric, "families": of, **counts})
            for what, hits in counts.items():
                print(f"| {name} | {metric} | {what} | {exact(hits, of)} |", flush=True)
    if given.json is not None:
        known = {"cases": [asdict(c) for c in CASES], "found": rows}
        given.json.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
