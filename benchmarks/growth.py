"""How time and memory grow: each of members, rows, columns, width, classes times two, four, eight.

    python benchmarks/growth.py [--turns 5] [--json FILE]
    python benchmarks/growth.py --fit [TABLE ...] [--budget 40s]

Without --fit: seconds of one epoch of a cohort (perceptron 64x3, batch norm, dropout, AdamW,
batches of 128; 8 members, 4,096 rows, 16 columns, 4 classes unless varied), the minimum of turns
that take all sizes one after the other, and the exponent b of seconds = a * size^b, fitted by least
squares of logarithms. Memory is what the members' buffers hold.

With --fit: the peak memory that `fit --dry-run` says for each table (a path, or a built-in name),
and what `fit` then needs in its largest process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.optim.decay import Decay
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

USUAL = {"members": 8, "rows": 4096, "columns": 16, "width": 64, "classes": 4}
BATCH, FACTORS = 128, (1, 2, 4, 8)


def begun(members: int, rows: int, columns: int, width: int, classes: int) -> Training:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, columns, generator=generator)
    y = torch.randint(classes, (rows,), generator=generator)
    fold = Fold(Sample({"numbers": x}, y), Sample({"numbers": x[:64]}, y[:64]))
    own = Mlp(width=width, depth=3), BatchNorm(), Dropout(rate=0.1), Decay(weight_decay=0.01)
    recipe = Recipe(Minibatch(batch_size=BATCH, epochs=10_000), *own).for_task("classification")
    shape = TableShape(columns, (), classes)
    dataset = Dataset((fold,), classes, "classification")
    each = (Member(recipe),) * members
    return Training.begin(Cohort(each, dataset, lambda recipe: network_of(recipe, shape)))


def epoch(training: Training) -> tuple[Training, float]:
    steps = training.cohort.dataset.rows // BATCH
    began = time.perf_counter()
    training = advance(training, training.state.step + steps, lambda p, y: torch.zeros(len(p)))
    return training, time.perf_counter() - began


def held(training: Training) -> int:
    """Bytes of all that the members' state holds."""
    sizes: list[int] = []
    training.state.map(lambda x: sizes.append(x.numel() * x.element_size()) or x)
    return sum(sizes)


def grown(name: str, turns: int) -> dict[str, list[float]]:
    sizes = [USUAL[name] * factor for factor in FACTORS]
    trainings = [epoch(begun(**USUAL | {name: size}))[0] for size in sizes]
    best = [np.inf] * len(sizes)
    for _ in range(turns):
        for at, training in enumerate(trainings):
            trainings[at], seconds = epoch(training)
            best[at] = min(best[at], seconds)
    memory = [held(training) / 2**20 for training in trainings]
    return {"size": [float(size) for size in sizes], "seconds": best, "megabytes": memory}


def exponent(size: list[float], value: list[float]) -> float:
    return float(np.polyfit(np.log(size), np.log(value), 1)[0])


def peaks(table: str, budget: str) -> tuple[float, float]:
    """Megabytes as planned, and as measured."""
    command = [
        sys.executable,
        "-m",
        "shrinkage.cli.main",
        "fit",
        table,
        "--budget",
        budget,
        "--json",
    ]
    if Path(table).exists():
        command += ["--target", "target"]
    plan, result = (
        json.loads(subprocess.run([*command, *more], capture_output=True, check=True).stdout)
        for more in (["--dry-run"], ["--out", tempfile.mkdtemp() + "/run"])
    )
    return plan["peak_mb"], max(result["peak_memory_mb"].values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--fit", nargs="*")
    parser.add_argument("--budget", default="40s")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict = {}
    if given.fit is not None:
        print("| table | planned, MB | measured, MB | planned / measured |\n|---|---|---|---|")
        for table in given.fit or ["breast_cancer", "digits", "diabetes"]:
            planned, measured = found[table] = peaks(table, given.budget)
            print(f"| {table} | {planned:.0f} | {measured:.0f} | {planned / measured:.2f} |")
    else:
        print("| | sizes | ms an epoch | exponent | MB | exponent |\n|---|---|---|---|---|---|")
        for name in USUAL:
            its = found[name] = grown(name, given.turns)
            cells = [
                ", ".join(f"{size:g}" for size in its["size"]),
                ", ".join(f"{1000 * s:.0f}" for s in its["seconds"]),
                f"{exponent(its['size'], its['seconds']):.2f}",
                ", ".join(f"{m:.2g}" for m in its["megabytes"]),
                f"{exponent(its['size'], its['megabytes']):.2f}",
            ]
            print("|", name, "|", " | ".join(cells), "|", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
