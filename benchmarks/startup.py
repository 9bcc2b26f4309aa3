"""How long it takes to begin: medians of --times runs in fresh processes, in seconds.

    python benchmarks/startup.py [--times 5] [--json FILE]

help         `shrinkage --help`
import       `import shrinkage`, and `import torch` beside it
first step   the default recipe's first training step on a table of 1,000 rows, imports included:
             in a first run (nothing compiled: torch's functions train while a process beside
             compiles the kernels), in a run that compiles first, and in a second run
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEP = """
import numpy as np, pandas as pd
from shrinkage.data.source import Table
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.train import Training, advance
from shrinkage.recipe import load
from shrinkage.search import rows
from shrinkage.search.settings import Settings
x = np.random.default_rng(0).normal(size=(1000, 10))
frame = pd.DataFrame(x, columns=list("abcdefghij")).assign(y=(x[:, 0] > 0).astype(str))
cut = rows.cut(Table(frame, "t"), Settings("t", "y", cv="holdout"))
dataset, preparers = rows.prepare(cut, "robust")
shape = rows.shape_of(preparers, cut.outputs)
recipe = load("default").for_task(cut.schema.task)
cohort = Cohort((Member(recipe),), dataset, lambda recipe: network_of(recipe, shape))
advance(Training.begin(cohort), 1, lambda prediction, target: prediction[:, 0, 0])
"""


def seconds(command: list[str], **environment: str) -> float:
    began = time.perf_counter()
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    python = [sys.executable, "-c"]
    step = [*python, STEP]
    seconds(step, SHRINKAGE_KERNELS="wait")  # files into the page cache, kernels compiled

    def fresh(wish: str) -> float:
        """With a folder for kernels that is empty."""
        with tempfile.TemporaryDirectory() as place:
            return seconds(step, SHRINKAGE_KERNELS=wish, SHRINKAGE_KERNELS_FOLDER=place)

    rows = {
        "shrinkage --help": lambda: seconds([sys.executable, "-m", "shrinkage.cli.main", "--help"]),
        "import shrinkage": lambda: seconds([*python, "import shrinkage"]),
        "import torch": lambda: seconds([*python, "import torch"]),
        "first step, first run": lambda: fresh("compiled"),
        "first step, compiling": lambda: fresh("wait"),
        "first step, second run": lambda: seconds(step),
    }
    found: dict[str, list[float]] = {name: [] for name in rows}
    for turn in range(given.times):
        for name, measure in rows.items():
            if name != "first step, compiling" or turn == 0:
                found[name].append(measure())
    print("| | seconds |\n|---|---|")
    for name, times in found.items():
        print(f"| {name} | {statistics.median(times):.2f} |")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
