"""How long it takes to begin: medians of --times runs in fresh processes, in seconds.

    python benchmarks/startup.py [--times 5] [--json FILE]

help         `shrinkage --help`
import       `import shrinkage`, and `import torch` beside it
first step   from the command `shrinkage fit`, on a table of 1,000 rows, until a worker has taken
             its first two training steps, as the run's log says: in a first run, with no kernels
             yet and a process beside that compiles them, and in a second run
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from shrinkage import kernels

_PATIENCE_S = 120.0
SAID = re.compile(r"first steps done ([0-9.]+) s after the start")


def seconds(command: list[str], **environment: str) -> float:
    began = time.perf_counter()
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return time.perf_counter() - began


def first_step(table: Path, **environment: str) -> float:
    """Of a run that is killed when it has said so."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "run"
        command = [sys.executable, "-m", "shrinkage.cli.main", "fit", str(table)]
        command += ["--target", "target", "--out", str(out)]
        env = {**os.environ, **environment}
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
        try:
            log = awaited(
                lambda: (out / "run.log").is_file() and (out / "run.log").read_text(), SAID
            )
        finally:
            run.kill()
            run.wait()
    return float(log[1])


def awaited(read, pattern: re.Pattern) -> re.Match:
    until = time.time() + _PATIENCE_S
    while time.time() < until:
        if found := pattern.search(read() or ""):
            return found
        time.sleep(0.05)
    raise TimeoutError(pattern.pattern)


def first_run(table: Path) -> float:
    """With no kernels; whoever compiles them is waited for, so that nothing else runs beside."""
    with tempfile.TemporaryDirectory() as place:
        found = first_step(table, SHRINKAGE_KERNELS_FOLDER=place)
        done = re.compile("compiled")
        awaited(lambda: " ".join(str(path) for path in Path(place).rglob("compiled")), done)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    python = [sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as place:
        table = Path(place) / "table.csv"
        x = np.random.default_rng(0).normal(size=(1000, 10))
        lines = [",".join([*(f"{value:.6f}" for value in row), str(row[0] > 0)]) for row in x]
        table.write_text("\n".join([",".join([*"abcdefghij", "target"]), *lines]) + "\n")
        if not kernels.available():
            first_run(table)
            subprocess.run([sys.executable, "-m", "shrinkage.engine.compile"], check=True)
        rows = {
            "`shrinkage --help`": lambda: seconds(
                [sys.executable, "-m", "shrinkage.cli.main", "--help"]
            ),
            "`import shrinkage`": lambda: seconds([*python, "import shrinkage"]),
            "`import torch`": lambda: seconds([*python, "import torch"]),
            "first training step of the first run": lambda: first_run(table),
            "first training step of a second run": lambda: first_step(table),
        }
        found: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(given.times):
            for name, measure in rows.items():
                found[name].append(measure())
    print("| | seconds |\n|---|---|")
    for name, times in found.items():
        print(f"| {name} | {statistics.median(times):.2f} |")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
