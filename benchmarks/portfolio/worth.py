"""What the portfolio buys a study: as many trials with it as without.

    python benchmarks/portfolio/worth.py FOLDER cells.jsonl studies.jsonl [--trials 24]
        [--seeds 0 1] [--metric log_loss] [--only TABLE ...]

Each table's studies use a portfolio that was chosen without it. A study sees the rows that
`tables` takes outside the test part, a quarter of which is held out and scored once at its end;
three folds of the rest are what it searches on. No study ends by time. Printed: the logarithm of
the winner's held-out loss (log loss, or RMSE) with the portfolio over that without, and of
1 + its wrong rows, in percent: a mean a table over seeds, with an interval over tables. CPU time
is the processes' own, so that a crowded machine does no harm.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from choose import portfolio as chosen
from learn import COUNT, EPOCHS, interval, known, without
from score import FOLDS, HELD, Line, append, read_lines
from tables import tables

from shrinkage.data.schema import infer
from shrinkage.data.source import Table
from shrinkage.recipe import load
from shrinkage.search import baseline, portfolio, session
from shrinkage.search.above import Above
from shrinkage.search.settings import Settings

ENDLESS_S = 1e6


def study(table: Table, seed: int, asked: argparse.Namespace, with_it: bool) -> Line:
    """The winner's scores on the rows held out."""
    epochs = {"data.minibatch.epochs": asked.epochs}
    spaces = resources.files("shrinkage") / "presets" / "spaces"
    regression = infer(table, "target")[0].task == "regression"
    settings = Settings(
        table.name,
        "target",
        metric="auto" if regression else asked.metric,
        budget_s=ENDLESS_S,
        test=HELD,
        cv=str(FOLDS),
        recipe=load("default").set(epochs).to_toml(),
        space=(spaces / "tabular.toml").read_text("utf-8"),
        seed=seed,
        trials=asked.trials,
        keep_all=True,
        refit=False,
        portfolio=with_it,
    )
    began = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        result = session.begin(table, settings, Path(place) / "run", Above(lambda *_: None))
    test = result["scores"]["winner"]["test"]
    default = result["scores"]["default"]["test"]
    loss = "rmse" if regression else "log_loss"
    return {
        "loss": test[loss],
        "default": default[loss],
        "error": test[loss] if regression else 1 - test["accuracy"],
        "rows": result["rows"]["test"],
        "winner": result["winner"]["source"],
        "seconds": round(time.process_time() - began, 1),
    }


def shown(lines: list[Line], metric: str) -> None:
    by_table: dict[str, dict[tuple[int, bool], Line]] = {}
    for line in lines:
        if line["metric"] == metric:
            by_table.setdefault(line["table"], {})[line["seed"], line["portfolio"]] = line
    rows, wins = [], []
    for name, found in by_table.items():
        pairs = [
            (found[seed, True], found[seed, False])
            for seed, with_it in found
            if with_it and (seed, False) in found
        ]
        if not pairs:
            continue
        loss = [np.log(a["loss"] / b["loss"]) for a, b in pairs]
        wrong = [
            np.log((a["error"] + 1 / a["rows"]) / (b["error"] + 1 / b["rows"])) for a, b in pairs
        ]
        dear = [np.log(a["seconds"] / b["seconds"]) for a, b in pairs]
        gone = [np.log(a["loss"] / a["default"]) for a, _ in pairs]
        wins += [a["winner"] for a, _ in pairs]
        rows.append(100 * np.array([np.mean(each) for each in (loss, wrong, dear, gone)]))
        print(f"{name:12s} {len(pairs)} pairs   " + "   ".join(f"{x:+7.1f}" for x in rows[-1]))
    for what, column in zip(
        ("loss", "error", "CPU time", "loss against the default"), np.array(rows).T, strict=True
    ):
        print(f"{what}: {interval(column)} %, {len(column)} tables")
    print({source: wins.count(source) for source in set(wins)}, "win with the portfolio")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("folder", type=Path)
    parser.add_argument("cells", type=Path)
    parser.add_argument("studies", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--metric", default="log_loss")
    parser.add_argument("--only", nargs="*")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    baseline.NAMES = ()  # they are the same in both arms
    recipes, groups, cells = known(asked)
    names = asked.only or [path.name.split(".")[0] for path in sorted(asked.folder.glob("*.csv*"))]
    for seed in asked.seeds:
        for name in names:
            done = {
                (line["table"], line["seed"], line["portfolio"], line["metric"])
                for line in read_lines(asked.studies)
            }
            order = chosen(without(cells, name), groups, COUNT)
            with tempfile.TemporaryDirectory() as place:
                for at, recipe in enumerate(order, 1):
                    (Path(place) / f"{at:02d}.toml").write_text(recipes[recipe].to_toml())
                portfolio.FOLDER = Path(place)
                for with_it in (False, True):
                    if (name, seed, with_it, asked.metric) in done:
                        continue
                    line = study(tables(asked.folder)[name](), seed, asked, with_it)
                    about = {"table": name, "seed": seed, "portfolio": with_it}
                    append(asked.studies, [{**about, "metric": asked.metric, **line}])
    shown(read_lines(asked.studies), asked.metric)


if __name__ == "__main__":
    main()
