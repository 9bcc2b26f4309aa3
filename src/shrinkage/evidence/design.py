"""What an ablation trains and judges on: the study's training rows, cut so that no row does both.

Each fold's validation rows judge. Recipes that stop early, or whose rate follows a plateau, look at
validation rows while they train: they get rows set aside from the fold's training part, so that an
epoch that was lucky on the rows that judge is nobody's gain. All arms have the same rows.
Rows that judge are in parts, for rates are chosen on other parts than they are judged on
(`stats.tuned`): the folds of the study's first repeat, or a holdout cut in five.
Test rows are never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from shrinkage import scores
from shrinkage.clusters import count, spread
from shrinkage.data import later
from shrinkage.data.split import Fold, test_split
from shrinkage.engine import arrays, scoring
from shrinkage.engine.scoring import Part
from shrinkage.engine.task import Problem
from shrinkage.errors import BadInput
from shrinkage.population import dataset
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.search.rows import Rows, prepare, repeats_of

FORMAT = 2
"""Of the files; another format's scores are not read."""

GROUPS = 50
"""Groups of rows a jackknife leaves out; more would tell little more of their chance.

They are even within folds and not within classes: how many rows of each class will come is chance,
too, and matters where one arm calls everything one class. Rows that belong together are in one
group."""

PARTS = 5
"""Of a holdout."""

ASIDE = 0.15
"""Share of a fold's training rows that recipes may watch where one of them watches any."""


@dataclass(frozen=True, eq=False)
class Design:
    """problem: of the study, with arrays of its own. parts, groups: as `engine.scoring` has them.

    trained, watched, judged: positions among the training rows, by fold.
    """

    problem: Problem
    rows: Rows
    parts: tuple[Part, ...]
    groups: int
    trained: tuple[np.ndarray, ...]
    watched: tuple[np.ndarray, ...]
    judged: tuple[np.ndarray, ...]

    def prepare(self, scaling: str) -> None:
        """Write the arrays of a scaling when they are first asked for."""
        folder = self.problem.folder
        for path, beside in (
            (scoring.judged_of(folder, scaling), self.judged),
            (arrays.path_of(folder, scaling), self.watched),
        ):
            arrays.write_once(path, partial(self._dataset, scaling, beside))

    def _dataset(self, scaling: str, beside: Iterable[np.ndarray]) -> dataset.Dataset:
        folds = [Fold(train, other) for train, other in zip(self.trained, beside, strict=True)]
        return prepare(self.rows, scaling, folds)[0]


def watches(recipe: Recipe) -> bool:
    """Whether its training looks at validation rows."""
    plateau = recipe.get("plateau")
    return recipe.get("early_stopping") is not None or (
        plateau is not None and plateau.watch == "validation"
    )


def designed(
    rows: Rows,
    problem: Problem,
    recipes: Iterable[Recipe],
    folder: Path,
    seed: int,
    most: int | None = None,
) -> Design:
    """The design for these recipes; its files lie in a folder of its own, below `folder`.

    most: folds, the first ones; None: all.
    """
    aside = any(watches(recipe) for recipe in recipes)
    folds = [rows.folds[k] for k in repeats_of(rows)[0][:most]]
    _check_clusters(rows, folds)
    target = rows.target(rows.train)
    learning = [
        _set_aside(rows, target, fold.train, number, seed)
        if aside
        else (fold.train, fold.validation)
        for number, fold in enumerate(folds)
    ]
    trained, watched = zip(*learning, strict=True)
    judged = tuple(fold.validation for fold in folds)
    group, groups = _groups(rows, judged, len(target), seed)
    parts = tuple(
        Part(k, at, group[judged[k]][at])
        for k, at in _pieces(rows, target, judged, seed)
        # One on which the metric is not defined, such as the AUC of one class, has no say.
        if _defined(rows, problem, target[judged[k]][at])
    )
    if len(parts) < 2:
        raise BadInput(
            f"{scores.find(problem.metric).pretty} is not defined on the validation rows of two "
            "folds, which an ablation needs;\nfit with more rows, fewer folds or another metric"
        )
    about = [FORMAT, aside, ASIDE, groups, PARTS, len(folds), scores.name_of(problem.metric), seed]
    if (own := scores.code_of(problem.metric)) is not None:  # another function of the same name
        about.append(own)
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]
    its = replace(problem, folder=folder / name, folds=len(folds))
    its.folder.mkdir(parents=True, exist_ok=True)
    return Design(its, rows, parts, groups, trained, watched, judged)


def _groups(
    rows: Rows, judged: Sequence[np.ndarray], total: int, seed: int
) -> tuple[np.ndarray, int]:
    """The group [total] of each training row, spread over the folds that judge; how many groups."""
    fold = np.full(total, -1)
    for k, at in enumerate(judged):
        fold[at] = k
    groups = min(GROUPS, count(rows.clusters_of(np.flatnonzero(fold >= 0)), GROUPS))
    clusters = rows.clusters_of(np.arange(total))
    return spread(fold, clusters, groups, _drawn(seed, "groups")), groups


def _pieces(
    rows: Rows, target: np.ndarray, judged: Sequence[np.ndarray], seed: int
) -> list[tuple[int, np.ndarray]]:
    """(fold, places among the rows that it judges): whole folds, or parts of a holdout."""
    if len(judged) > 1:
        return [(k, np.arange(len(at))) for k, at in enumerate(judged)]
    (at,) = judged
    codes = target[at] if rows.schema.task == "classification" else np.zeros(len(at), int)
    clusters = rows.clusters_of(at)
    parts = min(PARTS, max(1, count(clusters, len(at)) // 2))
    part = spread(codes, clusters, parts, _drawn(seed, "parts"))
    return [(0, np.flatnonzero(part == number)) for number in range(parts)]


def _check_clusters(rows: Rows, folds: Sequence[Fold]) -> None:
    """Raises BadInput where rows that belong together leave no chance to be seen.

    A part that judges needs two clusters, for the jackknife leaves one out; a holdout is two parts
    at least. Of the others, some may be set aside.
    """
    if rows.together is None:
        return
    least = 2 if len(folds) > 1 else 4
    for fold in folds:
        judged, trained = (count(rows.clusters_of(at), 0) for at in (fold.validation, fold.train))
        if trained < 2:
            raise BadInput(
                f"an ablation needs two different '{rows.together.column}' to train on in every "
                "fold;\nfit with more of them"
            )
        if judged < least:
            raise BadInput(
                f"an ablation needs {least} different '{rows.together.column}' in every fold that "
                f"judges, and one here has {judged};\n"
                "fit with fewer folds, such as --cv 2, or with more of them"
            )


def _set_aside(
    rows: Rows, target: np.ndarray, at: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of the training rows of a fold: those to train on, and those to watch."""
    times, _ = rows.column(rows.time) if rows.time else (None, None)
    if times is not None:
        inner, outer = later.latest(rows.time, times.iloc[at], ASIDE)
    else:
        draw = derive(seed, "ablation.watched", number) % 2**32
        clusters = rows.clusters_of(at)
        inner, outer = test_split(target[at], rows.schema.task, ASIDE, draw, clusters)
    return at[inner], at[outer]


def _defined(rows: Rows, problem: Problem, target: np.ndarray) -> bool:
    """Whether predictions of these rows can be scored, whatever they are."""
    y = torch.from_numpy(target)
    guess = torch.full((1, len(y)), float(target.mean()), dtype=torch.float64)
    if problem.task == "classification":
        guess = torch.full((1, len(y), rows.outputs), 1 / rows.outputs, dtype=torch.float64)
    return bool(torch.isfinite(scores.find(problem.metric).on_part(guess, y)).all())


def _drawn(seed: int, what: str) -> np.random.Generator:
    return np.random.default_rng(derive(seed, f"ablation.{what}"))
