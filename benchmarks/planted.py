"""Ablations of ingredients whose effect is known: does `shrinkage ablate` find what is there?

    python benchmarks/planted.py FILE [--tables 25] [--seeds 10] [--only NAME]
    python benchmarks/planted.py FILE --report

Every table is drawn anew. The winner's recipe is a small plain network, one ingredient made to act
on such a table (it helps, or it is far too strong and hurts), and ingredients that cannot matter: a
clipping that never clips, an average of one step, a decay of a millionth, a dropout of one unit in
ten thousand. Two more placebos (only the seed differs) stand beside the one that every ablation
has, so that one in three of a table's arms is nothing but noise.

The truth of the planted effect is what the same rows teach fresh seeds, scored on fresh rows of the
same kind, at the rates that were picked. Its own standard error over seeds stands beside it: an
interval that misses a truth by that much is not wrong. All runs through the program's own ablation,
on a table of its own. One JSON line a table; a run that is killed goes on, and several runs' files
may be joined.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as student

from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.data.source import Table
from shrinkage.engine import local, scoring
from shrinkage.engine.scoring import Part
from shrinkage.engine.task import Problem
from shrinkage.evidence import ablate, arms, design, stats
from shrinkage.evidence.rounds import Rounds, Wanted
from shrinkage.evidence.studied import Studied
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.l1 import L1
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm
from shrinkage.optim.decay import Decay
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.search import cutting, rows
from shrinkage.search.budget import Clock
from shrinkage.search.settings import Settings
from shrinkage.stopping.early_stopping import EarlyStopping

FRESH_ROWS, FRESH_SEEDS, PLACEBOS = 10_000, 40, 2
Rng = np.random.Generator
Rows = tuple[np.ndarray, np.ndarray]


def noisy_labels(rng: Rng) -> Callable[[int], Rows]:
    """10 columns, the side of a bent surface, a quarter of the labels flipped."""
    w = rng.normal(size=10)

    def draw(n: int) -> Rows:
        x = rng.normal(size=(n, 10))
        y = x @ w + x[:, 0] * x[:, 1] > 0
        return x, np.where(rng.random(n) < 0.25, ~y, y).astype(int)

    return draw


def unequal_labels(rng: Rng) -> Callable[[int], Rows]:
    """The same with a surface that leaves a third of the rows on one side."""
    w = rng.normal(size=10)
    bar = -0.5 * np.linalg.norm(w)

    def draw(n: int) -> Rows:
        x = rng.normal(size=(n, 10))
        y = x @ w + x[:, 0] * x[:, 1] > bar
        return x, np.where(rng.random(n) < 0.15, ~y, y).astype(int)

    return draw


def irrelevant_columns(rng: Rng) -> Callable[[int], Rows]:
    """203 columns of which 3 matter, a number to predict."""

    def draw(n: int) -> Rows:
        x = rng.normal(size=(n, 203))
        return x, x[:, :3] @ [1.0, -1.0, 0.5] + 0.5 * rng.normal(size=n)

    return draw


def overlapping(rng: Rng) -> Callable[[int], Rows]:
    """Two classes around two centers in 20 columns, a third of them on the wrong side."""
    center = 0.1 * rng.normal(size=20)

    def draw(n: int) -> Rows:
        y = rng.permutation(np.arange(n) % 2)
        return center * (2 * y[:, None] - 1) + rng.normal(size=(n, 20)), y

    return draw


def unbalanced(rng: Rng) -> Callable[[int], Rows]:
    """8 columns, about one row in twelve of the second class, which noise blurs."""
    w = rng.normal(size=8)
    w /= np.linalg.norm(w)

    def draw(n: int) -> Rows:
        x = rng.normal(size=(n, 8))
        return x, (x @ w + 0.6 * rng.normal(size=n) > 1.6).astype(int)

    return draw


@dataclass(frozen=True)
class Planted:
    """sign: of the effect, +1 where it helps. long: epochs; beside: what else both arms have."""

    data: Callable[[Rng], Callable[[int], Rows]]
    instance: Any
    metric: str
    sign: int = 1
    rows: int = 150
    long: int = 30


PLANTED = {
    "label_smoothing": Planted(
        noisy_labels, LabelSmoothing(eps=0.3), "log_loss", rows=300, long=60
    ),
    "decay": Planted(noisy_labels, Decay(weight_decay=60.0), "accuracy", -1, rows=300),
    "decay of unequal classes": Planted(
        unequal_labels, Decay(weight_decay=60.0), "accuracy", -1, rows=600
    ),
    "dropout": Planted(overlapping, Dropout(rate=0.5), "log_loss", rows=160),
    "class_weight": Planted(
        unbalanced, ClassWeight(power=1.0), "balanced_accuracy", rows=400, long=15
    ),
    "early_stopping": Planted(
        noisy_labels, EarlyStopping(patience=1e9), "log_loss", rows=300, long=60
    ),
    "mixup": Planted(overlapping, Mixup(alpha=1.0), "log_loss", rows=160),
    "l1": Planted(irrelevant_columns, L1(weight=0.02), "rmse", rows=150),
}
SMALL = (Mlp(width=16, depth=1), Adam(lr=0.01))
IDLE = (ClipNorm(max_norm=1e6), Ema(decay=1e-6), Decay(weight_decay=1e-6), Dropout(rate=1e-4))


def winner_of(case: Planted) -> tuple[Recipe, Recipe]:
    """The recipe to take apart, and the plain network of its size."""
    plain = Recipe(Minibatch(batch_size=32, epochs=case.long), *SMALL)
    role = arms.entry_of(case.instance).role
    idle = [each for each in IDLE if arms.entry_of(each).role != role]
    task = "regression" if case.metric == "rmse" else "classification"
    return plain.using(*idle, case.instance).for_task(task), plain.for_task(task)


def frame_of(draw: Rows) -> pd.DataFrame:
    x, y = draw
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])]).assign(y=y)


def one(case: Planted, seeds: int, number: int, place: Path) -> dict[str, Any]:
    """One table: its ablation, and the truth of what was planted."""
    began = time.monotonic()
    draw = case.data(np.random.default_rng((7, number)))
    task = "regression" if case.metric == "rmse" else "classification"
    settings = Settings(
        "planted", "y", task, case.metric, cv="5", seed=number, keep_all=True, test=0.05
    )
    cut = cutting.cut(Table(frame_of(draw(round(case.rows / 0.95))), "planted"), settings)
    shape = rows.shape_of(rows.prepare(cut, "standard")[1], cut.outputs)
    problem = Problem(place, len(cut.folds), shape, task, case.metric)
    winner, plain = winner_of(case)
    study = Studied(place, cut, problem, winner, plain, derive(number, "planted"))
    pool, clock = local.executor(0), Clock(time.monotonic(), 1e6)

    def rounds_of(plan: design.Design) -> Rounds:
        return Rounds(plan, pool, 1, clock)

    found = ablate.left_out(study, rounds_of, seeds)
    whole = arms.around(winner, plain).arm(ablate.WINNER, winner)
    names = [f"placebo {i}" for i in range(PLACEBOS)]
    for name in names:
        other = [derive(study.seed, name, i) for i in range(seeds)]
        found.rounds.run([[Wanted(r, seed) for r in whole.recipes] for seed in other], name)
        found.read(replace(whole, name=name), other)
    effects = {n: found.between(ablate.WINNER, f"without {n}") for n in found.names}
    effects |= {n: found.between(ablate.WINNER, n) for n in (ablate.PLACEBO, *names)}
    margin = ablate.first_table(found, None)["margin"]
    told = ablate.judged(effects, margin)
    target = arms.entry_of(case.instance).name
    (switch,) = (s for s in found.switches if s.name == target)
    without = arms.around(winner, plain).arm("", switch.turned_off(winner))
    real = truth(found, frame_of(draw(FRESH_ROWS)), [whole, without])
    return {
        "number": number,
        "planted": target,
        "truth": real[0],
        "truth_error": real[1],
        "margin": margin,
        "told": told,
        "seconds": round(time.monotonic() - began, 1),
    }


def truth(found: ablate.Ablation, fresh: pd.DataFrame, pair: list[arms.Arm]) -> tuple[float, float]:
    """Fresh seeds, trained on the same rows, scored on fresh rows at the rates that were picked.

    Their mean difference and its standard error over seeds.
    """
    own = found.design
    cut = own.rows
    together = pd.concat([cut.train, fresh.astype(cut.train.dtypes)], ignore_index=True)
    new = np.arange(len(cut.train), len(together))
    folds = own.problem.folds
    parts = tuple(Part(k, np.arange(len(new)), np.zeros(len(new), int)) for k in range(folds))
    place = own.problem.folder / "truth"
    place.mkdir(exist_ok=True)
    plan = replace(
        own,
        problem=replace(own.problem, folder=place),
        rows=replace(cut, train=together),
        parts=parts,
        groups=1,
        judged=(new,) * folds,
    )
    rounds = replace(found.rounds, design=plan, running={})
    seeds = [derive(found.study.seed, "planted.truth", i) for i in range(FRESH_SEEDS)]
    picks = [_picks(found, arm) for arm in pair]
    used = [{int(rate) for rate in np.unique(own)} for own in picks]
    some = [[arm.recipes[rate] for rate in own] for arm, own in zip(pair, used, strict=True)]
    rounds.run([[Wanted(r, s) for r in (*some[0], *some[1])] for s in seeds], "truth")
    scores = [
        _at(picks[i], {rate: _scores(place, arm.recipes[rate], seeds) for rate in used[i]})
        for i, arm in enumerate(pair)
    ]
    difference = scores[0] - scores[1]
    return float(difference.mean()), float(difference.std(ddof=1) / len(seeds) ** 0.5)


def _picks(found: ablate.Ablation, arm: arms.Arm) -> np.ndarray:
    """[S, P], as the ablation picked rates for itself."""
    place = found.design.problem.folder
    return stats.tuned(np.stack([_scores(place, recipe, found.seeds) for recipe in arm.recipes]))


def _scores(place: Path, recipe: Recipe, seeds: Sequence[int]) -> np.ndarray:
    """[S, P] on all rows of each part."""
    return np.array([np.load(scoring.path_of(place, recipe, seed)) for seed in seeds])[..., 0]


def _at(picks: np.ndarray, real: dict[int, np.ndarray]) -> np.ndarray:
    """[fresh seeds] mean score of networks at the picked rates; real: [fresh seeds, P] of each."""
    return np.mean([real[rate][:, part] for row in picks for part, rate in enumerate(row)], 0)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.endswith("}"):
            yield json.loads(line)


def share(hits: int, of: int) -> str:
    """With its exact binomial interval (Clopper & Pearson 1934)."""
    low = student.beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = student.beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return f"{hits}/{of} ({low:.1%} to {high:.1%})"


def report(path: Path) -> None:
    every = list(lines(path))
    print("| planted | metric | truth | bias | found | wrong sign | interval holds the truth |")
    print("|---|---|---|---|---|---|---|")
    for name, case in PLANTED.items():
        some = [each for each in every if each["case"] == name]
        if not some:
            continue
        told = [each["told"][each["planted"]] for each in some]
        real = np.array([each["truth"] for each in some])
        right, wrong = ("helps", "hurts")[:: case.sign]
        found, other = (sum(each["verdict"] == said for each in told) for said in (right, wrong))
        held = sum(low <= t <= high for (low, high), t in zip(_ends(told), real, strict=True))
        bias = np.array([each["effect"] for each in told]) - real
        noise = 1.96 * bias.std(ddof=1) / len(bias) ** 0.5
        cells = (
            name,
            case.metric,
            f"{real.mean():+.3f} (sd {real.std(ddof=1):.3f})",
            f"{bias.mean():+.3f} ± {noise:.3f}",
            f"{right} {share(found, len(told))}",
            other,
            share(held, len(told)),
        )
        print(f"| {' | '.join(map(str, cells))} |")
    held, wide = ([_held(each, times) for each in every] for times in (0.0, 1.0))
    print(f"\nAll intervals: {share(sum(held), len(held))}", end="; ")
    print(f"where the truth's own error counts, too: {share(sum(wide), len(wide))}")
    print("\n| null | false verdicts | 95 % interval holds 0 | equivalent |")
    print("|---|---|---|---|")
    nulls: dict[str, list] = {"all": []}
    for each in every:
        for name, told in each["told"].items():
            if name != each["planted"]:
                nulls.setdefault(name.split(" ")[0], []).append(told)
                nulls["all"].append(told)
    for name, some in nulls.items():
        false = sum(told["verdict"] in ("helps", "hurts") for told in some)
        held = sum(low <= 0 <= high for low, high in _ends(some))
        same = sum(told["verdict"] == "equivalent" for told in some)
        told = (share(false, len(some)), share(held, len(some)), f"{same}/{len(some)}")
        print(f"| {name} | {' | '.join(told)} |")


def _held(each: dict[str, Any], times: float) -> bool:
    """Whether the interval holds the truth; times: of the truth's variance that is added to it."""
    told = each["told"][each["planted"]]
    half = np.hypot(
        (told["interval"][1] - told["interval"][0]) / 2, times * 1.96 * each["truth_error"]
    )
    return bool(abs(each["truth"] - np.mean(told["interval"])) <= half)


def _ends(told: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [tuple(each["interval"]) for each in told]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("file", type=Path)
    parser.add_argument("--tables", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", choices=[*PLANTED])
    parser.add_argument("--report", action="store_true")
    asked = parser.parse_args()
    if asked.report:
        report(asked.file)
        return
    os.environ.setdefault("SHRINKAGE_KERNELS", "wait")
    done = {(each["case"], each["number"]) for each in lines(asked.file)}
    for number in range(asked.tables):
        for name, case in PLANTED.items():
            if (name, number) in done or asked.only not in (None, name):
                continue
            with tempfile.TemporaryDirectory() as place:
                found = one(case, asked.seeds, number, Path(place))
            with asked.file.open("a") as file:
                file.write(json.dumps({"case": name, **found}) + "\n")
            print(name, number, found["seconds"], flush=True)


if __name__ == "__main__":
    main()
