"""The same folds with fewer rows: nested parts of what each fold trains on and watches.

A seed draws one order of each fold's rows; a share of them is its first rows. So a smaller part
lies within a larger one, all recipes of a seed have the same rows, and what other rows would have
taught shows between seeds. Every beginning of an order holds the classes in their shares, one row
of each first. Rows that belong together follow each other: more rows will be more patients, and not
more of each. The rows that judge stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shrinkage.clusters import Clusters, of_clusters
from shrinkage.evidence.design import Design
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import total_steps


def nested(codes: np.ndarray, seed: int, clusters: Clusters = None) -> np.ndarray:
    """An order of rows whose every beginning holds each class in its share, at least one row first.

    codes: [n] class of each row.   clusters: [n], of rows that belong together: they follow each
    other, and shares hold of clusters: the first one may be all of one class. Returns positions
    [n].
    """
    if clusters is not None:
        kinds, places = of_clusters(codes, clusters)
        due = np.argsort(nested(kinds, seed))
        return np.argsort(due[places], kind="stable")
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(codes))
    place = np.empty(len(codes))
    for code in np.unique(codes):
        its = shuffled[codes[shuffled] == code]
        # The i-th of m rows is due after i / m of all; by chance before or after other classes'.
        place[its] = (np.arange(len(its)) + random.random()) / len(its)
        place[its[0]] -= 1.0
    return np.argsort(place, kind="stable")


def part(design: Design, share: float, seed: int) -> Design:
    """The design with this share of each fold's rows, as the seed draws them.

    Its files lie in a folder of its own, below the design's.
    """
    if share == 1:
        return design
    rows = design.rows
    target = rows.target(rows.train)
    codes = target if rows.schema.task == "classification" else np.zeros(len(target), int)

    def first(at: np.ndarray, what: str, number: int) -> np.ndarray:
        order = nested(codes[at], derive(seed, f"worth.{what}", number), rows.clusters_of(at))
        return np.sort(at[order[: max(1, round(share * len(at)))]])

    trained = [first(own, "trained", number) for number, own in enumerate(design.trained)]
    watched = list(design.watched)
    if sets_aside(design):
        watched = [first(own, "watched", number) for number, own in enumerate(design.watched)]
    place = design.problem.folder / f"{share:g}" / f"{seed:016x}"
    place.mkdir(parents=True, exist_ok=True)
    its = replace(design.problem, folder=place)
    return replace(design, problem=its, trained=tuple(trained), watched=tuple(watched))


def sets_aside(design: Design) -> bool:
    """Whether what recipes watch are rows of their own, and not those that judge."""
    return not np.array_equal(design.watched[0], design.judged[0])


def rows_of(design: Design) -> int:
    """Rows that a network has to learn from, those that it watches with them: mean over folds."""
    parts = [design.trained, *([design.watched] if sets_aside(design) else [])]
    return round(sum(len(at) for each in parts for at in each) / len(design.trained))


def trained_on(design: Design) -> int:
    """Rows of an epoch: the smallest fold's."""
    return min(map(len, design.trained))


def as_many_steps(recipe: Recipe, before: int, rows: int) -> Recipe:
    """The recipe on `rows` rows with as many steps as it takes on `before`, in whole epochs."""
    if rows == before:
        return recipe
    steps = total_steps(before, recipe.batch_size, recipe.epochs)
    epochs = -(-steps * min(recipe.batch_size, rows) // rows)
    return recipe.set({"data.minibatch.epochs": epochs})
