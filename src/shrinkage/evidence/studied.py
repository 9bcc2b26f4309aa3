"""A finished study, as evidence needs it: its training rows and folds, its winner's recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shrinkage.engine.task import Problem
from shrinkage.errors import BadInput
from shrinkage.recipe import Recipe, load
from shrinkage.scores import OWN, Function, Metric
from shrinkage.search import rows
from shrinkage.search.aim import aimed
from shrinkage.search.folder import Folder
from shrinkage.search.result import Result
from shrinkage.search.settings import metric_for


@dataclass(frozen=True, eq=False)
class Studied:
    """folder: where evidence keeps what it trains. winner, plain: recipes for the study's task."""

    folder: Path
    rows: rows.Rows
    problem: Problem
    winner: Recipe
    plain: Recipe
    seed: int


def studied(root: Path, result: Result, metric: Function | Metric | None = None) -> Studied:
    """Read a study's work folder.

    result: what its result.json holds. metric: the function that it was judged by, where it was.
    Raises BadInput where something is missing, or the study cannot be taken apart.
    """
    if result.get("start_from"):
        raise BadInput(
            f"{root} starts from a model, whose layers fix what can be taken out; only studies "
            "from random weights are ablated\n(fit without --start-from)"
        )
    name, folder = result["metric"], Folder(root)
    if name.startswith(OWN) and metric is None:
        function = name.removeprefix(OWN)
        raise BadInput(
            f"{root} is judged by the Python function '{function}', which is not stored: "
            f"ablate from Python, with ablate({str(root)!r}, metric={function})"
        )
    table = rows.load(folder.work)
    task = table.schema.task
    problem = Problem(
        folder.work,
        len(table.folds),
        rows.load_shape(folder.work),
        task,
        metric_for(metric or name, task),
        result.get("device", "cpu"),
        precision=result.get("precision", "float32"),
    )
    winner, plain = Recipe.from_toml(result["recipe"], str(folder.result)), load("plain")
    place, seed = root / "evidence", int(result.get("seed", 0))
    winner, plain = (aimed(recipe, task, problem.metric) for recipe in (winner, plain))
    return Studied(place, table, problem, winner, plain, seed)
