"""One piece of work: bring a cohort from one rung to the next.

A task is idempotent: it reads a checkpoint (or starts), trains to a step, writes a checkpoint
and the results of its trials, and says what it found. Running it twice gives the same files.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from shrinkage import scores
from shrinkage.catalog import entry_of
from shrinkage.engine import arrays
from shrinkage.engine.start import started
from shrinkage.errors import BadInput
from shrinkage.files import replacing
from shrinkage.nets.network import Network
from shrinkage.nets.precision import lowered
from shrinkage.nets.table import TableShape
from shrinkage.population import checkpoint
from shrinkage.population.cohort import Build, Cohort, Member, network_of
from shrinkage.population.predict import predict
from shrinkage.population.train import Training, advance, validation_scores
from shrinkage.recipe import Recipe

log = logging.getLogger("shrinkage")


@dataclass(frozen=True)
class Problem:
    """What all tasks of a study share, small enough to send: the arrays stay in their files.

    folder: where arrays lie, one file a scaling. shape: columns and outputs of the network.
    start: what networks start from, in place of random weights; see `engine.start`.
    precision: of matrix products: float32, tf32 (on a GPU), or bfloat16 where they are wide.
    """

    folder: Path
    folds: int
    shape: TableShape
    task: str
    metric: scores.Goal
    device: str = "cpu"
    start: Path | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Task:
    """trials: number and recipe of each of the cohort's trials. alive: those still in contest.

    until: the step to reach. before, after: checkpoints to read and to write; before is None at
    the first rung, after at the last.
    results: where trials that end here leave weights and predictions. deadline: when to halt,
    in seconds of time.monotonic().
    """

    problem: Problem
    trials: tuple[tuple[int, Recipe], ...]
    alive: frozenset[int]
    seed: int
    until: int
    before: Path | None
    after: Path | None
    results: Path
    deadline: float


@dataclass(frozen=True)
class RungResult:
    """scores: mean over folds by trial, larger is better.

    reasons: why trials diverged: the first of their members that did, and how many.
    step: where the cohort stands. part: of its whole training, what was done here. halted: the
    deadline came first.
    """

    scores: dict[int, float]
    reasons: dict[int, tuple[str, int]]
    step: int
    part: float
    halted: bool
    seconds: float


def cohort_of(problem: Problem, trials: tuple[tuple[int, Recipe], ...], seed: int) -> Cohort:
    """The cohort of some recipes: every trial has one member a fold, in this order."""
    if problem.device != "cpu":
        torch.set_float32_matmul_precision("high" if problem.precision == "tf32" else "highest")
    recipe = trials[0][1]
    members = tuple(Member(recipe, seed, k) for _, recipe in trials for k in range(problem.folds))
    path = arrays.path_of(problem.folder, scaling_of(recipe))
    shape = problem.shape
    dataset = arrays.read(path, problem.folds, shape.outputs, problem.task, problem.device)
    return Cohort(members, dataset, build_of(problem), problem.device)


def build_of(problem: Problem) -> Build:
    """How the study's recipes become networks."""
    earlier = None if problem.start is None else load_file(problem.start)

    def build(recipe: Recipe) -> Network:
        network = lowered(network_of(recipe, problem.shape), problem.precision)
        return network if earlier is None else started(network, earlier)

    return build


def scaling_of(recipe: Recipe) -> str:
    """How the recipe scales numbers: the name of that ingredient."""
    return entry_of(recipe.get("scaling")).name


def run(task: Task) -> RungResult:
    """Do it. Writes `after` and, for trials at their last step, files in `results`."""
    began = time.perf_counter()
    problem, folds = task.problem, task.problem.folds
    cohort = cohort_of(problem, task.trials, task.seed)
    numbers = [number for number, _ in task.trials]
    training = _resumed(cohort, task.before)
    before = training.state.step
    dropped = {i for i in training.alive if numbers[i // folds] not in task.alive}
    training = training.drop(dropped) if dropped else training

    score = score_of(problem.metric)
    training = advance(training, task.until, score, lambda: time.monotonic() > task.deadline)
    halted = training.short_of(task.until)
    reasons: dict[int, tuple[str, int]] = {}
    for position, outcome in training.left.items():
        if outcome.reason:
            trial = numbers[position // folds]
            first, count = reasons.get(trial, (outcome.reason, 0))
            reasons[trial] = first, count + 1
    living = [n for n in numbers if n in task.alive and n not in reasons]
    found = _scores(training, [numbers.index(n) for n in living], folds, score)
    last = task.after is None
    if (halted or last) and training.state.step > 0:
        for number in living:
            _write(training, numbers.index(number), folds, task.results / f"{number:05d}")
    if task.after is not None and not halted:
        checkpoint.save(training, task.after)
    return RungResult(
        dict(zip(living, found, strict=True)),
        reasons,
        training.state.step if training.alive else cohort.total_steps,
        (training.state.step - before) / cohort.total_steps,
        halted,
        time.perf_counter() - began,
    )


def _resumed(cohort: Cohort, before: Path | None) -> Training:
    """The training where it stopped; from the start where it cannot be read, which gives the same.

    Such a file is damaged, or another version's.
    """
    if before is not None:
        try:
            return checkpoint.load(cohort, before)
        except BadInput as error:
            log.warning("%s; trained from the start", error)
    return Training.begin(cohort)


def score_of(metric: scores.Goal):
    """A score function for training: what the metric compares by, so that larger is better."""
    definition = scores.find(metric)

    def score(prediction: Tensor, target: Tensor) -> Tensor:
        return scores.goodness(definition, definition.compares(prediction, target))

    return score


def _of_trial(
    training: Training, trial: int, folds: int
) -> tuple[Cohort, Tensor, Tensor, Tensor, Tensor]:
    """The members of one trial, as they would predict, with n networks a member.

    Weights [K n, P], statistics [K n, Q], the share of the whole training they have had [K], and
    the curves of it [K, E, 2].
    """
    rows = list(range(trial * folds, (trial + 1) * folds))
    outcomes = [training.outcome(row) for row in rows]
    steps = torch.tensor([outcome.step for outcome in outcomes], dtype=torch.float64)
    weights = torch.cat([outcome.weights for outcome in outcomes])
    statistics = torch.cat([outcome.statistics for outcome in outcomes])
    curves = torch.stack([outcome.curves for outcome in outcomes])
    shares = steps / training.cohort.total_steps
    return training.cohort.select(rows), weights, statistics, shares, curves


def _scores(training: Training, trials: list[int], folds: int, score) -> list[float]:
    found = []
    for trial in trials:
        cohort, weights, statistics, *_ = _of_trial(training, trial, folds)
        found.append(float(validation_scores(cohort, weights, statistics, score).mean()))
    return found


def _write(training: Training, trial: int, folds: int, path: Path) -> None:
    """What a finished trial leaves, by fold: weights, statistics, predictions, curves."""
    cohort, weights, statistics, shares, curves = _of_trial(training, trial, folds)
    samples = [fold.validation for fold in cohort.dataset.folds]
    predictions = predict(cohort, weights, statistics, samples)
    tensors = {"weights": weights.cpu(), "statistics": statistics.cpu(), "shares": shares}
    tensors["curves"] = curves.cpu()
    tensors |= {f"prediction.{k}": p.cpu().contiguous() for k, p in enumerate(predictions)}
    with replacing(path.with_suffix(".safetensors"), sync=False) as temporary:
        save_file(tensors, temporary)
