"""Recipes beside each other on a folder of tables, at equal epochs, without a search.

    python benchmarks/recipes.py FOLDER RECIPE [RECIPE ...] [--seeds 0 1 2] [--json cells.json]
    python benchmarks/recipes.py FOLDER RECIPE [RECIPE ...] --test
    python benchmarks/recipes.py FOLDER RECIPE --json cells.json --against other-cells.json

A recipe is a preset's name or a TOML file. Without --test only rows that are not in the test part
(split seed 0) are used, at most --rows of them; a seed cuts them anew, 30 % are held out and
scored, the others are the three folds that networks train and stop on. This is for looking. (Not
the validation rows: early stopping has chosen its epoch there, which flatters recipes whose
scores jump about.) With --test networks train on folds of all rows outside the test part, and
are scored on it: this is for the end.

Errors are error rates, (wrong + 1) / (n + 2), or RMSE; losses are log loss or RMSE.
Printed are means over sets of the logarithm of a recipe's error over the first recipe's, in
percent, with one standard error over sets, and ranks, where ties share the better one. Cells in
--json are not computed again. --against: the same cells found otherwise (without kernels: the
environment's SHRINKAGE_KERNELS=off, or with --precision bfloat16), compared pair by pair.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy import stats

from shrinkage.data.schema import infer
from shrinkage.data.source import Table, read
from shrinkage.data.split import test_split
from shrinkage.engine.arrays import read_as
from shrinkage.engine.task import scaling_of, score_of
from shrinkage.files import write_text
from shrinkage.nets.network import Network
from shrinkage.nets.precision import lowered
from shrinkage.nets.table import TableShape
from shrinkage.population.cohort import Cohort, Member, by_signature, network_of
from shrinkage.population.predict import predict
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe, load
from shrinkage.scores import default_metric
from shrinkage.search import cutting, rows
from shrinkage.search.settings import Settings

Cell = dict[str, float]


def looked_at(table: Table, most: int) -> Table:
    """At most `most` of the rows outside the test part."""
    schema, frame = infer(table, "target")
    train, _ = test_split(frame["target"].to_numpy(), schema.task, 0.2, 0)
    chosen = np.sort(np.random.default_rng(0).permutation(train)[:most])
    return Table(frame.iloc[chosen].reset_index(drop=True), table.name)


def scored(
    cut: rows.Rows, recipes: dict[str, Recipe], seed: int, precision: str
) -> dict[str, Cell]:
    """Error, loss and seconds of each recipe: its networks on the folds predict together."""
    scalings = {scaling_of(recipe) for recipe in recipes.values()}
    prepared = {scaling: rows.prepare(cut, scaling) for scaling in scalings}
    _, whole = rows.prepare_all(cut, "robust")
    target = cut.target(cut.test)
    names = list(recipes)
    found = {}
    for group in by_signature([Member(recipe) for recipe in recipes.values()]):
        began = time.perf_counter()
        dataset, preparers = prepared[scaling_of(recipes[names[group[0]]])]
        shape = rows.shape_of([*preparers, whole], cut.outputs)
        folds = range(len(preparers))
        members = [Member(recipes[names[at]], seed, fold) for at in group for fold in folds]

        def build(recipe: Recipe, shape: TableShape = shape) -> Network:
            return lowered(network_of(recipe, shape), precision)

        cohort = Cohort(tuple(members), dataset, build, "cpu")
        score = score_of(default_metric(cut.schema.task))
        training = advance(Training.begin(cohort), cohort.total_steps, score)
        features = [preparer.transform(cut.test) for preparer in preparers]
        samples = [read_as(f, shape.numbers) for f in features]
        for place, at in enumerate(group):
            outputs = []
            for fold in folds:
                position = place * len(folds) + fold
                outcome = training.outcome(position)
                alone = cohort.select([position])
                (output,) = predict(alone, outcome.weights, outcome.statistics, [samples[fold]])
                outputs.append(output)
            found[names[at]] = _cell(torch.stack(outputs).mean(0).numpy(), target)
        seconds = (time.perf_counter() - began) / len(group)
        for at in group:
            found[names[at]]["seconds"] = seconds
    return found


def _cell(outputs: np.ndarray, target: np.ndarray) -> Cell:
    if outputs.ndim == 1:
        error = float(np.sqrt(np.mean((outputs - target) ** 2)))
        return {"error": error, "loss": error}
    # One more right and one more wrong: a table without errors has a logarithm, too.
    wrong = np.sum(outputs.argmax(1) != target) + 1
    of_true = outputs[np.arange(len(target)), target].clip(1e-7)
    return {
        "error": float(wrong / (len(target) + 2)),
        "loss": float(-np.log(of_true).mean()),
    }


def cells_of(
    path: Path, recipes: dict[str, Recipe], seed: int, most: int, test: bool, precision: str
) -> dict[str, Cell]:
    torch.set_num_threads(1)
    table = read(str(path)) if test else looked_at(read(str(path)), most)
    settings = Settings(table.name, "target")
    if not test:
        settings = replace(settings, test=0.3, cv="3", seed=seed)
    cut = cutting.cut(table, settings)
    fitting = {name: recipe.for_task(cut.schema.task) for name, recipe in recipes.items()}
    return scored(cut, fitting, seed, precision)


def logs(cells: dict[str, Any], sets: list[str], names: list[str], what: str) -> np.ndarray:
    """[sets, recipes]: mean over seeds of the logarithm, against the first recipe."""

    def log(text: str, name: str) -> float:
        found = [cell[what] for key, cell in cells.items() if key.startswith(f"{text} {name} ")]
        return float(np.mean(np.log(found)))

    table = np.array([[log(text, name) for name in names] for text in sets])
    return table - table[:, :1]


def compared(cells: dict[str, Cell], others: dict[str, Cell], sets: list[str]) -> None:
    """Prints the paired differences, theirs minus ours: a mean a set, an interval over sets."""
    keys = sorted(set(cells) & set(others))
    same = sum(cells[key]["error"] == others[key]["error"] for key in keys)
    print(f"{len(keys)} pairs, {same} with equal errors; mean difference, 95 % interval over sets")
    for what in ("error", "loss"):
        means = []
        for name in sets:
            found = [key for key in keys if key.startswith(f"{name} ")]
            if found:
                means.append(np.mean([np.log(others[k][what] / cells[k][what]) for k in found]))
        means = 100 * np.array(means)
        half = stats.t.ppf(0.975, len(means) - 1) * stats.sem(means)
        print(f"log {what}, %: {means.mean():+.2f} ± {half:.2f}   by set: {means.round(1)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("folder", type=Path)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--against", type=Path)
    asked = parser.parse_args()
    recipes = {Path(recipe).stem: load(recipe) for recipe in asked.recipes}
    paths = {path.name.split(".")[0]: path for path in sorted(asked.folder.glob("*.csv*"))}
    sets = [name for name in paths if not asked.only or name in asked.only]
    kept = asked.json is not None and asked.json.exists()
    cells: dict[str, Cell] = json.loads(asked.json.read_text()) if kept else {}
    keys = {name: f"{name} {recipe.hash[:8]} {asked.rows}" for name, recipe in recipes.items()}

    jobs = []
    for seed in asked.seeds:
        for name in sets:
            missing = {
                recipe: recipes[recipe]
                for recipe in recipes
                if f"{name} {keys[recipe]} {seed}" not in cells
            }
            if missing:
                jobs.append((name, seed, missing))
    pool = Parallel(n_jobs=asked.jobs, return_as="generator")
    every = pool(
        delayed(cells_of)(paths[name], missing, seed, asked.rows, asked.test, asked.precision)
        for name, seed, missing in jobs
    )
    for (name, seed, _), found in zip(jobs, every, strict=True):
        cells |= {f"{name} {keys[recipe]} {seed}": cell for recipe, cell in found.items()}
        print(f"{name}, seed {seed}", flush=True)
        if asked.json:
            write_text(asked.json, json.dumps(cells, indent=1))

    wanted = {
        f"{name} {keys[r]} {seed}": cells[f"{name} {keys[r]} {seed}"]
        for name in sets
        for r in recipes
        for seed in asked.seeds
    }
    if asked.against:
        compared(wanted, json.loads(asked.against.read_text()), sets)
        return
    shown = [keys[name] for name in recipes]
    error, loss = (logs(wanted, sets, shown, what) for what in ("error", "loss"))
    ranks = 1 + (error[:, None, :] < error[:, :, None] - 1e-12).sum(2)
    print("| recipe | error, % | loss, % | median rank | mean rank | seconds a set |")
    print("|---|---|---|---|---|---|")
    for at, name in enumerate(recipes):
        means = " | ".join(
            f"{100 * x[:, at].mean():+.1f} ± {100 * x[:, at].std(ddof=1) / len(sets) ** 0.5:.1f}"
            for x in (error, loss)
        )
        seconds = np.mean([c["seconds"] for k, c in wanted.items() if f" {keys[name]} " in k])
        rank = f"{np.median(ranks[:, at]):g} | {ranks[:, at].mean():.2f}"
        print(f"| {name} | {means} | {rank} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
