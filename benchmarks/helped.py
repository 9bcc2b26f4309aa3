"""What each ingredient of the default recipe bought on each of many tables.

    python benchmarks/helped.py TABLES [--rows 1000] [--seeds 5] [--json FILE] [--markdown]

TABLES: a folder of tables with a column `target`. Of each, the test part (split seed 0) is left
alone, and of the rest at most so many rows are drawn, by class. The default recipe is ablated on
them as `shrinkage ablate` does it: paired, the learning rate tuned in every arm, judged out of fold
by log loss or RMSE. A line of FILE is a table; tables that are there are not done again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split
from tables import REGRESSION, name_of

from shrinkage.data.source import Table
from shrinkage.engine import local
from shrinkage.engine.task import Problem
from shrinkage.evidence import ablate
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import Studied
from shrinkage.recipe import load
from shrinkage.search import cutting, rows
from shrinkage.search.budget import Clock
from shrinkage.search.settings import Settings
from shrinkage.wording import number

ACROSS = 4
"""Tables beside each other."""

SHOWN = {"helps": "**{}**", "hurts": "**{}**", "equivalent": "{} =", "no evidence": "{}"}


def drawn(path: Path, most: int) -> pd.DataFrame:
    """Development rows of a table, at most so many."""
    frame = pd.read_csv(path)
    kept = train_test_split(frame, test_size=0.2, random_state=0, stratify=_classes(frame, path))[0]
    if len(kept) > most:
        by = _classes(kept, path)
        rare = by is not None and by.value_counts().min() < 2
        given = {"random_state": 0, "stratify": None if rare else by}
        kept = train_test_split(kept, train_size=most, **given)[0]
    return kept.reset_index(drop=True)


def _classes(frame: pd.DataFrame, path: Path) -> pd.Series | None:
    return None if name_of(path) in REGRESSION else frame["target"].astype(str)


def helped(path: Path, asked: argparse.Namespace, workers: int) -> dict[str, Any]:
    """The first table of an ablation of the default recipe."""
    name = name_of(path)
    task = "regression" if name in REGRESSION else "classification"
    metric = "rmse" if task == "regression" else "log_loss"
    settings = Settings(name, "target", task=task, metric=metric, test=0.01, cv=str(asked.folds))
    cut = cutting.cut(Table(drawn(path, asked.rows), name), settings)
    winner, plain = (load(recipe).for_task(task) for recipe in ("default", "plain"))
    shape = rows.shape_of(rows.prepare(cut, "robust")[1], cut.outputs)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        problem = Problem(Path(place), len(cut.folds), shape, task, metric)
        study = Studied(Path(place), cut, problem, winner, plain, 0)
        pool = local.executor(workers)
        clock = Clock(time.monotonic(), 1e6)
        try:
            found = ablate.left_out(
                study, lambda design: Rounds(design, pool, max(1, workers), clock), asked.seeds
            )
        finally:
            local.stop(pool)
        told = ablate.first_table(found, None)
    return {
        "table": name,
        "rows": len(cut.train),
        "metric": metric,
        "seconds": round(time.monotonic() - began, 1),
        **told,
    }


def markdown(lines: list[dict[str, Any]]) -> str:
    """Ingredients down, tables across; effects in % of the score, with intervals."""
    names = [*dict.fromkeys(name for line in lines for name in line["ingredients"]), "placebo"]
    heads = ["", *(f"{line['table']} ({line['rows']:,})" for line in lines)]
    out = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    out.append(f"| score | {' | '.join(number(line['score']) for line in lines)} |")
    for name in names:
        cells = " | ".join(_cell(line, name) for line in lines)
        out.append(f"| {name}{_setting(lines, name)} | {cells} |")
    return "\n".join(out)


def _setting(lines: list[dict[str, Any]], name: str) -> str:
    """What it is set to, and to what it went back where it was not left out."""
    known = (line["ingredients"][name]["setting"] for line in lines if name in line["ingredients"])
    return f" ({said})" if (said := next(known, "")) else ""


def _cell(line: dict[str, Any], name: str) -> str:
    told = line["placebo"] if name == "placebo" else line["ingredients"].get(name)
    if told is None:
        return ""
    if told["effect"] is None:
        return "diverges"
    unit = 100 / abs(line["score"])
    low, high = (f"{unit * end:+.1f}" for end in told["interval"])
    return SHOWN[told["verdict"]].format(f"{unit * told['effect']:+.1f} ({low} to {high})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("tables", type=Path)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--json", type=Path, default=Path("helped.jsonl"))
    parser.add_argument(
        "--markdown", action="store_true", help="print what is there, train nothing"
    )
    asked = parser.parse_args()
    done = (
        [json.loads(line) for line in asked.json.read_text().splitlines()]
        if asked.json.is_file()
        else []
    )
    if not asked.markdown:
        for path in sorted(asked.tables.glob("*.csv*")):
            name = name_of(path)
            if name in {line["table"] for line in done} or (asked.only and name not in asked.only):
                continue
            line = helped(path, asked, local.cores())
            done.append(line)
            with asked.json.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(name, line["seconds"], flush=True)
    done.sort(key=lambda line: line["table"])
    for first in range(0, len(done), ACROSS):
        print("\n" + markdown(done[first : first + ACROSS]))


if __name__ == "__main__":
    main()
