"""What a report says, as numbers: everything is read from a study's folder, nothing is trained.

Only the winner's choice is taken from result.json; intervals are of what contenders said of the
test rows, curves of the study's database and its log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from shrinkage import scores
from shrinkage.catalog import entry_of
from shrinkage.clusters import Clusters
from shrinkage.engine import arrays
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput
from shrinkage.evidence import ablation, grouped
from shrinkage.evidence.importance import Importance, of_study
from shrinkage.evidence.interval import score
from shrinkage.evidence.isolation import Isolation, isolated
from shrinkage.files import read_object
from shrinkage.paired import Answers, Interval, difference
from shrinkage.population.cohort import network_of
from shrinkage.recipe import Recipe, load
from shrinkage.report.health import Dead, Layer, dead_units, gradients, layers
from shrinkage.report.suspects import Alone, alone
from shrinkage.report.timeline import Timeline, timeline
from shrinkage.report.words import names
from shrinkage.rows.minibatch import total_steps
from shrinkage.search import rows, said, shared
from shrinkage.search.aim import aimed
from shrinkage.search.contest import DEFAULT
from shrinkage.search.folder import Folder
from shrinkage.search.result import Result, read_result
from shrinkage.store.tables import Trial

ISOLATED, LEAST = 3, 0.01
"""So many settings at most are shown in isolation, and none that decides less."""


@dataclass(frozen=True)
class ScoreLine:
    """One line of the table of scores; all but the names are None where it was not run.

    test: with its interval where what it said of the test rows was kept; None where the metric is
    not defined there.
    gain: its test score less the plain network's, paired over rows. behind: the winner's test
    score less its own.
    """

    name: str
    label: str
    validation: float | None = None
    test: Interval | None = None
    second: float | None = None
    seconds: float | None = None
    gain: Interval | None = None
    behind: Interval | None = None

    @property
    def ran(self) -> bool:
        return self.seconds is not None


@dataclass(frozen=True)
class Point:
    """A rung that a trial finished: its score in the metric's own unit, and when, in seconds."""

    trial: int
    share: float
    second: float
    score: float


@dataclass(frozen=True)
class Errors:
    """What the winner got wrong on the test rows.

    confusion: [C, C] rows by class (down) and by what they were called (across), of a
    classification. predicted, actual: [n], of a regression.
    """

    confusion: np.ndarray | None = None
    predicted: np.ndarray | None = None
    actual: np.ndarray | None = None


@dataclass(frozen=True)
class Inside:
    """The winner's networks on folds. stopped: epochs each was trained for, of `epochs`.

    curves: training loss and validation score [K, E, 2] by epoch, NaN where unknown; None in a
    study of an earlier version.
    """

    networks: int
    weights: int
    layers: list[Layer]
    dead: list[Dead] | None
    stopped: list[float]
    epochs: int
    curves: np.ndarray | None = None


@dataclass(frozen=True)
class Facts:
    """Everything a report shows. folder: as a person would name it in a command.

    epochs_share: of those asked for, as many as the budget allows. changed: (path, default, winner)
    of what the winner's recipe does differently. classes: (label, training rows, test rows) of
    each. target: of the training rows. ablation: what ablation.json holds, None without one.
    subgroups: what is known of groups of test rows, None where nobody asked.
    importance: of searched settings, None where the search had none. isolations: of the foremost.
    winning: the winner's value of each path.
    """

    folder: str
    result: Result
    settings: Mapping[str, Any]
    epochs_share: float
    machine: Mapping[str, Any]
    schema: rows.Schema
    contenders: list[ScoreLine]
    trials: list[Trial]
    points: list[Point]
    timeline: Timeline
    changed: list[tuple[str, Any, Any]]
    classes: list[tuple[str, int, int]]
    target: np.ndarray
    errors: Errors | None
    alone: Alone | None
    inside: Inside | None
    ablation: Mapping[str, Any] | None
    subgroups: Mapping[str, Any] | None
    importance: Importance | None
    isolations: list[Isolation]
    winning: Mapping[str, Any]

    @property
    def winner(self) -> ScoreLine:
        return next(each for each in self.contenders if each.name == "winner")

    @property
    def second(self) -> str:
        """The metric that stands beside the study's own."""
        return scores.beside(self.result["metric"], self.result["task"])


def read(root: Path, url: str | None = None) -> Facts:
    """Raises BadInput where the folder holds no finished study, or a damaged one.

    url: of its server, with the password, where that is to be found nowhere else.
    """
    folder = Folder(root)
    result = read_result(folder)
    with shared.opened(folder, url, read_only=True) as store:
        plan, trials, settings = store.study().plan, store.trials(), store.settings()
    table = rows.load(folder.work)
    target = table.target(table.test)
    outputs = {
        name: output
        for name in result["scores"]
        if (output := said.kept(folder.work, name, len(target))) is not None
    }
    log = timeline(folder.log.read_text("utf-8", errors="replace") if folder.log.exists() else "")
    recipe = Recipe.from_toml(result["recipe"])
    recipes = {trial.number: trial.recipe for trial in trials}
    default = aimed(load("default"), result["task"], result["metric"])
    if DEFAULT in recipes:  # a person's own, or with its epochs cut
        default = Recipe.from_toml(recipes[DEFAULT])
    mattered, isolations = _mattered(settings, trials)
    return Facts(
        folder=str(folder.root),
        result=result,
        settings=settings,
        epochs_share=float((plan or {}).get("epochs_share", 1.0)),
        machine=(read_object(folder.model / "manifest.json") or {}).get("machine", {}),
        schema=table.schema,
        contenders=contenders(result, outputs, target, table.test_clusters),
        trials=trials,
        points=points(trials, log, bool(result["greater_is_better"])),
        timeline=log,
        changed=default.diff(recipe),
        classes=_classes(table),
        target=table.target(table.train),
        errors=errors_of(outputs.get("winner"), target, table.outputs),
        alone=alone(
            table.train,
            table.target(table.train),
            table.schema,
            table.clusters_of(np.arange(len(table.train))),
        ),
        inside=_inside(folder, result, recipe, table.outputs),
        ablation=ablation.of(folder.root, result["recipe_hash"]),
        subgroups=read_object(folder.root / grouped.FILE) or result.get("subgroups"),
        importance=mattered,
        isolations=isolations,
        winning=_winning(recipe),
    )


def contenders(
    result: Result,
    outputs: Mapping[str, np.ndarray],
    target: np.ndarray,
    clusters: Clusters = None,
) -> list[ScoreLine]:
    """The lines of the table of scores, in its order.

    outputs: what each said of the test rows, as far as it was kept.   target, clusters: [n].
    """
    metric = result["metric"]
    second = scores.beside(metric, result["task"])
    # What a person's own function makes of rows is not known here.
    known = None if metric.startswith(scores.OWN) else scores.find(metric)
    ran = {name: row for name, row in result["scores"].items() if row}
    # What a session kept of one that is gone since says nothing.
    kept = {name: output for name, output in outputs.items() if name in ran}
    judged = {name: Answers(known, o, target, clusters) for name, o in kept.items() if known}
    labels, found = names(result), []

    def less(one: str, other: str) -> Interval | None:
        if one == other or one not in judged or other not in judged:
            return None
        both = ran[one]["test"][metric], ran[other]["test"][metric]
        return None if None in both else difference(both[0] - both[1], judged[one], judged[other])

    for name, label in labels.items():
        if name not in ran:
            if name != "single":
                found.append(ScoreLine(name, label))
            continue
        row = ran[name]
        value = row["test"][metric]
        own = None
        if name in judged and value is not None:
            own = score(value, judged[name])
        found.append(
            ScoreLine(
                name,
                label,
                row["validation"][metric],
                None if value is None else own or Interval(value, np.nan, np.nan),
                row["test"].get(second),
                row["seconds"],
                less(name, "plain"),
                less("winner", name),
            )
        )
    return found


def points(trials: list[Trial], log: Timeline, greater_is_better: bool) -> list[Point]:
    """Every finished rung whose score is known, by when it ended; what the log does not hold is
    left."""
    found = []
    for trial in trials:
        for rung in trial.rungs:
            second = log.ended(trial.cohort, rung.number)
            own = rung.in_unit(greater_is_better)
            if own is not None and second is not None:
                found.append(Point(trial.number, rung.share, second, own))
    return sorted(found, key=lambda point: (point.second, point.trial))


def _classes(table: rows.Rows) -> list[tuple[str, int, int]]:
    if table.schema.classes is None:
        return []
    counts = (
        np.bincount(table.target(part), minlength=table.outputs)
        for part in (table.train, table.test)
    )
    labels = (str(label) for label in table.schema.classes)
    return [(label, int(a), int(b)) for label, a, b in zip(labels, *counts, strict=True)]


def errors_of(output: np.ndarray | None, target: np.ndarray, classes: int) -> Errors | None:
    if output is None:
        return None
    if output.ndim == 1:
        return Errors(predicted=output, actual=target)
    called = output.argmax(1)
    counts = np.bincount(target * classes + called, minlength=classes**2)
    return Errors(confusion=counts.reshape(classes, classes))


def _inside(folder: Folder, result: Result, recipe: Recipe, outputs: int) -> Inside | None:
    """None where what the networks were trained on is not there any more."""
    try:
        found = load_file(folder.trial(result["winner"]["trial"]))
        shape = rows.load_shape(folder.work)
        path = arrays.path_of(folder.work, scaling_of(recipe))
        folds = arrays.read(path, result["rows"]["folds"], outputs, result["task"]).folds
    except (OSError, ValueError, SafetensorError, BadInput):
        return None
    network = network_of(recipe, shape)
    weights = found["weights"]
    each = len(weights) // len(folds)
    own = [fold for fold in folds for _ in range(each)]
    samples = [fold.train for fold in own]
    curves = found["curves"].numpy() if "curves" in found else None
    return Inside(
        len(weights),
        network.weights.size,
        layers(network, weights, gradients(network, weights, found["statistics"], own)),
        dead_units(network, recipe, weights, found["statistics"], samples),
        epochs_of(found["shares"].tolist(), min(fold.train.rows for fold in folds), recipe),
        recipe.epochs,
        curves,
    )


def epochs_of(shares: list[float], rows: int, recipe: Recipe) -> list[float]:
    """The whole epochs behind each share of a training; rows: of an epoch.

    An epoch ends with the step that serves its last row, which may be well into the next one.
    """
    size = min(recipe.batch_size, rows)
    total = total_steps(rows, size, recipe.epochs)
    return [float(min(recipe.epochs, round(share * total) * size // rows)) for share in shares]


def _mattered(
    settings: Mapping[str, Any], trials: list[Trial]
) -> tuple[Importance | None, list[Isolation]]:
    """None where the study's space cannot be read any more."""
    try:
        found, forest, tried = of_study(settings, trials)
    except BadInput:
        return None, []
    foremost = [share.path for share in found.shares[:ISOLATED] if share.value >= LEAST]
    return found, [isolated(forest, tried, path) for path in foremost if forest]


def _winning(recipe: Recipe) -> dict[str, Any]:
    roles = {entry_of(own).role: entry_of(own).name for own in recipe.ingredients}
    return {**roles, **recipe.values}
