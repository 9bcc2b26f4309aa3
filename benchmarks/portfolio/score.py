"""What each candidate is worth on each data set: one JSON line a data set, a seed and a recipe.

A quarter of the rows is held out; the others are three folds, and on two of them a network trains
and stops, so a recipe is scored on rows that have chosen neither its epoch nor itself.

    validation        out of fold            held        on the rows held out

Both are the log loss of single networks at the one temperature that fits the rows out of fold
best, since a study calibrates what it keeps; RMSE where numbers are predicted. `wrong` is the
share of held-out rows that a network gets wrong, in the mean over folds; of numbers, RMSE again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shrinkage.calibration import best_temperature, tempered_losses, with_one_wrong
from shrinkage.data.source import Table
from shrinkage.engine.arrays import read_as
from shrinkage.engine.task import scaling_of, score_of
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.compiled import knows
from shrinkage.population.dataset import Sample
from shrinkage.population.predict import predict
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.scores import default_metric
from shrinkage.search import cutting, rows
from shrinkage.search.settings import Settings

HELD, FOLDS, TRAINED = 0.25, 3, 2
MEMBERS = 24
"""At once; more would not be faster."""

Line = dict[str, Any]
Key = tuple[str, int, str]


def key_of(line: Line) -> Key:
    return line["table"], line["seed"], line["recipe"]


def read_lines(path: Path) -> list[Line]:
    """What is known; a last line that a kill cut short is left out."""
    if not path.exists():
        return []
    whole = [text for text in path.read_text().splitlines(keepends=True) if text.endswith("\n")]
    return [json.loads(text) for text in whole]


def append(path: Path, lines: Iterable[Line]) -> None:
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(json.dumps(line) + "\n" for line in lines).encode())


def cut(table: Table, seed: int) -> rows.Rows:
    asked = Settings(table.name, "target", test=HELD, cv=str(FOLDS), seed=seed, keep_all=True)
    return cutting.cut(table, asked)


def cohorts(recipes: Iterable[Recipe]) -> list[list[Recipe]]:
    """Recipes that train together: of one signature, known to the compiled trainer or not."""
    groups: dict[tuple[str, bool], list[Recipe]] = {}
    for recipe in recipes:
        groups.setdefault((recipe.signature, knows(recipe)), []).append(recipe)
    size = MEMBERS // TRAINED
    return [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]


def scored(table: Table, seed: int, recipes: Iterable[Recipe]) -> Iterator[list[Line]]:
    """Lines of the recipes, a cohort at a time."""
    parts = cut(table, seed)
    task = parts.schema.task
    prepared = {}
    _, whole = rows.prepare_all(parts, "robust")
    target = parts.target(parts.test)
    for group in cohorts(recipes):
        began = time.process_time()
        scaling = scaling_of(group[0])
        if scaling not in prepared:
            prepared[scaling] = rows.prepare(parts, scaling)
        dataset, preparers = prepared[scaling]
        shape = rows.shape_of([*preparers, whole], parts.outputs)
        members = [Member(r.for_task(task), seed, fold) for r in group for fold in range(TRAINED)]
        cohort = Cohort(tuple(members), dataset, lambda r, s=shape: network_of(r, s), "cpu")
        training = advance(
            Training.begin(cohort), cohort.total_steps, score_of(default_metric(task))
        )
        features = [preparer.transform(parts.test) for preparer in preparers[:TRAINED]]
        held = [read_as(f, shape.numbers) for f in features]
        inside = [fold.validation for fold in dataset.folds[:TRAINED]]
        truth = [np.asarray(fold.validation.target) for fold in dataset.folds[:TRAINED]]
        found = []
        for place, recipe in enumerate(group):
            at = range(place * TRAINED, (place + 1) * TRAINED)
            diverged = any(i in training.left and training.left[i].reason for i in at)
            values = None if diverged else _values(training, list(at), inside, truth, held, target)
            found.append(
                {"table": table.name, "seed": seed, "recipe": recipe.hash, **(values or {})}
            )
        seconds = (time.process_time() - began) / len(group)
        yield [line | {"seconds": round(seconds, 3)} for line in found]


def _values(
    training: Training,
    at: list[int],
    inside: list[Sample],
    truth: list[np.ndarray],
    held: list[Sample],
    target: np.ndarray,
) -> Line:
    """Losses of one recipe's networks, one a fold."""
    cohort, outcomes = training.cohort.select(at), [training.outcome(i) for i in at]

    def outputs(samples: list[Sample]) -> list[np.ndarray]:
        weights = torch.cat([outcome.weights for outcome in outcomes])
        statistics = torch.cat([outcome.statistics for outcome in outcomes])
        return [np.asarray(each) for each in predict(cohort, weights, statistics, samples)]

    own, others = outputs(inside), outputs(held)
    if own[0].ndim == 1:
        squares = np.concatenate([(o - y) ** 2 for o, y in zip(own, truth, strict=True)])
        rmse = float(np.sqrt(np.mean([(o - target) ** 2 for o in others])))
        return {"validation": float(np.sqrt(squares.mean())), "held": rmse, "wrong": rmse}
    all_own, all_truth = np.concatenate(own), np.concatenate(truth)
    log_t = float(np.log(best_temperature(*with_one_wrong(all_own, all_truth))))
    losses = [tempered_losses(each, target, log_t).mean() for each in others]
    return {
        "validation": float(tempered_losses(all_own, all_truth, log_t).mean()),
        "held": float(np.mean(losses)),
        "wrong": float(np.mean([each.argmax(1) != target for each in others])),
    }
