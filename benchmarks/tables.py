"""Plain, default, winner, linear, gradient boosting on a folder of tables.

    python benchmarks/tables.py DATA --budget 120s --out runs [--only phoneme,car] [--seed 0]

Runs `shrinkage fit` on each table as a person would, one after another, and prints test
scores, ranks among the five (rows that tie share the better rank), and seconds, as a Markdown
table. Rows that are done (a folder
with a result.json) are read, not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

REGRESSION = {"california", "wine_white", "abalone"}
ROWS = ("plain", "default", "winner", "linear", "gradient_boosting")


def run(table: Path, folder: Path, budget: str, seed: int, more: list[str]) -> float:
    """Seconds of the whole command."""
    task = "regression" if name_of(table) in REGRESSION else "classification"
    began = time.time()
    command = [sys.executable, "-m", "shrinkage.cli.main", "fit", str(table)]
    command += ["--target", "target", "--task", task, "--budget", budget]
    command += ["--seed", str(seed), "--out", str(folder), *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.time() - began


def name_of(table: Path) -> str:
    return table.name.split(".")[0]


def losses(result: dict, metric: str) -> list[float]:
    """Test scores of the five, smaller is better."""
    sign = 1 if metric in ("rmse", "log_loss", "mae") else -1
    found = (result["scores"][row] for row in ROWS)
    return [sign * row["test"][metric] if row else float("nan") for row in found]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", default="120s")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=0)
    # Before Python 3.12 argparse gives a last "*" nothing once options stand before it.
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, more = parser.parse_args(sys.argv[1:at]), sys.argv[at + 1 :]
    given.out.mkdir(parents=True, exist_ok=True)
    wanted = set(filter(None, given.only.split(",")))

    print(
        "| set | metric | "
        + " | ".join(ROWS)
        + " | gain on plain ± s.e. | trial, networks on all rows | s |"
    )
    print("|---" * (len(ROWS) + 5) + "|")
    ranks = []
    for table in sorted(given.data.glob("*.csv*")):
        name = name_of(table)
        if wanted and name not in wanted:
            continue
        folder = given.out / name
        if not (folder / "result.json").is_file():
            wall = run(table, folder, given.budget, given.seed, more)
            (folder / "wall.txt").write_text(f"{wall:.1f}")
        result = json.loads((folder / "result.json").read_text())
        metric = result["metric"]
        values = losses(result, metric)
        ranks.append(rankdata(np.round(values, 6), method="min"))
        against, winner = result["against_plain"], result["winner"]
        cells = [
            f"{abs(value):.4f} ({rank:g})" for value, rank in zip(values, ranks[-1], strict=True)
        ]
        gain = f"{against['mean_loss_reduction']:.4f} ± {against['standard_error']:.4f}"
        wall = (folder / "wall.txt").read_text() if (folder / "wall.txt").is_file() else "-"
        print(
            f"| {name} | {metric} | " + " | ".join(cells),
            f"{gain} | {winner['trial']}, {winner['networks_on_all_rows']} | {wall} |",
            sep=" | ",
            flush=True,
        )
    table_of_ranks = np.array(ranks)
    print(
        "\nmedian rank:", dict(zip(ROWS, np.median(table_of_ranks, axis=0).tolist(), strict=True))
    )
    print("mean rank:", dict(zip(ROWS, table_of_ranks.mean(axis=0).round(2).tolist(), strict=True)))


if __name__ == "__main__":
    main()
