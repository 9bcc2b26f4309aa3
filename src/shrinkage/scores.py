"""Metrics by name: what a study is judged by.

    accuracy, balanced_accuracy, log_loss, roc_auc, f1;  rmse, mae, r2, pinball_Q with 0 < Q < 1

and any function of a person's own (`own`). `find` knows them all; the functions themselves
stand in `measures`.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from shrinkage.digest import digest
from shrinkage.errors import BadInput
from shrinkage.measures import (
    absolute,
    accuracy,
    as_classes,
    as_numbers,
    balanced_accuracy,
    balanced_miss,
    f1,
    f1_loss,
    f1_steps,
    log_loss,
    mae,
    miss,
    per_member,
    pinball,
    pinball_loss,
    r2,
    rmse,
    roc_auc,
    square,
    surprise,
    tempered_log_loss,
)

Task = Literal["classification", "regression"]
Function = Callable[[Any, Any], Any]
"""A person's own metric: (target, output) -> one number; see `own`."""
Value = TypeVar("Value", float, Tensor)


@dataclass(frozen=True)
class Metric:
    """A metric by name.

    function: (probability or prediction, target) -> [M] float64.
    pretty: the name in tables that people read.
    rows: (probability [M, n, C] or prediction [M, n], target [M, n]) -> [M, n]; see `row_losses`.
    decides: it looks at the chosen class only, so that a cutoff may be tuned for it.
    uncalibrated: what stands in for it while networks are compared whose probabilities will be
    calibrated; None: the metric itself.
    """

    name: str
    task: Task
    greater_is_better: bool
    function: Callable[[Tensor, Tensor], Tensor]
    pretty: str
    rows: Callable[[Tensor, Tensor], Tensor]
    decides: bool = False
    uncalibrated: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def compares(self) -> Callable[[Tensor, Tensor], Tensor]:
        """What networks are compared by, epochs of one and rungs of many."""
        return self.uncalibrated or self.function

    def on_part(self, output: Tensor, target: Tensor) -> Tensor:
        """Its values [M] on a part of the rows, NaN where it is not defined there.

        So it is where a person's function fails: that was made for all rows, and may not know what
        to do with some of them, such as rows of one class.
        """
        try:
            return self.function(output, target)
        except BadInput:
            return torch.full((len(output),), math.nan, dtype=torch.float64)


Goal = str | Metric
"""What a study is judged by: a metric, or its name."""

_CLASSES, _NUMBERS = "classification", "regression"
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", _CLASSES, True, accuracy, "accuracy", miss, True),
        Metric(
            "balanced_accuracy",
            _CLASSES,
            True,
            balanced_accuracy,
            "balanced accuracy",
            balanced_miss,
            True,
        ),
        Metric(
            "log_loss",
            _CLASSES,
            False,
            log_loss,
            "log loss",
            surprise,
            uncalibrated=tempered_log_loss,
        ),
        Metric("roc_auc", _CLASSES, True, roc_auc, "ROC AUC", surprise),
        Metric("f1", _CLASSES, True, f1, "F1", f1_loss, True),
        Metric("rmse", _NUMBERS, False, rmse, "RMSE", square),
        Metric("mae", _NUMBERS, False, mae, "MAE", absolute),
        Metric("r2", _NUMBERS, True, r2, "R²", square),
    )
}

_DEFAULT = {"classification": "accuracy", "regression": "rmse"}


def default_metric(task: str) -> str:
    """The metric a task is judged by unless a person says otherwise.

    Raises BadInput when there is no such task.
    """
    if task not in _DEFAULT:
        raise BadInput(f"there is no task {task!r}: use one of {', '.join(_DEFAULT)}")
    return _DEFAULT[task]


_BESIDE = {"accuracy": "log_loss", "rmse": "r2", "mae": "rmse", "r2": "rmse"}


def beside(metric: str, task: str) -> str:
    """The metric that is shown beside the one that a study is judged by."""
    return _BESIDE.get(metric, default_metric(task))


def for_task(task: str) -> tuple[Metric, ...]:
    """All metrics of a task, its default first.

    Raises BadInput when there is no such task.
    """
    first = default_metric(task)
    metrics = (metric for metric in METRICS.values() if metric.task == task)
    return tuple(sorted(metrics, key=lambda metric: metric.name != first))


def find(metric: Goal, task: str | None = None) -> Metric:
    """The metric of that name; a metric is its own.

    Raises BadInput, naming the nearest ones, when there is none, or none for the task.
    """
    if isinstance(metric, Metric):
        return metric
    if metric.startswith(OWN):
        raise BadInput(
            f"metric {metric!r} is a function, which a name does not bring back: "
            "give it from Python, with metric=FUNCTION"
        )
    found = METRICS.get(metric) or _quantile_loss(metric)
    if found and task in (None, found.task):
        return found
    known = [one.name for one in (for_task(task) if task else METRICS.values())]
    if found:
        problem = f"metric {metric!r} is for {found.task}, and the task is {task}"
    else:
        near = difflib.get_close_matches(metric.lower(), known, n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        problem = f"there is no metric {metric!r}{hint}"
    more = "" if task == "classification" else ", pinball_Q with 0 < Q < 1"
    raise BadInput(f"{problem}\nuse one of: {', '.join(known)}{more}")


def _quantile_loss(name: str) -> Metric | None:
    """pinball_0.9, or pinball_.9, by its name; Q keeps its digits and loses idle zeros."""
    digits = re.fullmatch(r"pinball_0?(\.\d+)", name)
    if not digits or not 0 < (level := float(digits[1])) < 1:
        return None
    function, rows = partial(pinball, level=level), partial(pinball_loss, level=level)
    pretty = f"quantile loss {level:g}"
    name = f"pinball_0{digits[1].rstrip('0')}"
    return Metric(name, "regression", False, function, pretty, rows)


def quantile_of(metric: Goal) -> float | None:
    """The level of a quantile loss; None for all other metrics."""
    head, _, level = name_of(metric).partition("_")
    return float(level) if head == "pinball" else None


OWN = "function:"
"""How the name of a person's own metric begins."""


def upwards(name: str, plan: Mapping[str, Any]) -> bool:
    """Whether a study's metric is better the larger it is; a function's way is in its plan."""
    if name.startswith(OWN):
        return bool(plan.get("greater_is_better", True))
    return find(name).greater_is_better


def name_of(metric: Goal | Function) -> str:
    """How a metric is called in files."""
    if isinstance(metric, str):
        return metric
    if isinstance(metric, Metric):
        return metric.name
    return OWN + getattr(metric, "__name__", type(metric).__name__)


def pretty_name(name: str) -> str:
    """A metric as people write it, by its name in files."""
    return name.removeprefix(OWN) if name.startswith(OWN) else find(name).pretty


def compared_name(name: str) -> str:
    """What trials of a study that is judged by it are compared by, as people write it."""
    if not name.startswith(OWN) and find(name).uncalibrated is not None:
        return f"calibrated {pretty_name(name)}"
    return pretty_name(name)


def own(function: Function, task: str) -> Metric:
    """A Python function as a metric.

    function: (target [n], output) -> one number; numpy arrays, output probabilities [n, C] of
    the classes in their sorted order, target their codes 0..C-1; or numbers [n]. Larger is
    better unless the function has an attribute `greater_is_better = False`.

    Members whose output is not finite score NaN without a call. Rows cost the log loss, or the
    squared error: what a function makes of one row is not known.
    """
    name = name_of(function)
    better = bool(getattr(function, "greater_is_better", True))
    like = METRICS["log_loss" if task == "classification" else "rmse"]
    pretty = name.removeprefix(OWN)
    return Metric(name, like.task, better, Each(function, pretty), pretty, like.rows)


@dataclass(frozen=True)
class Each:
    """A person's function, called once a member. Its errors become BadInput with its name."""

    of: Function
    name: str

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        target = per_member(target, output.shape[:2])
        values = [self._one(y, o) for y, o in zip(target.cpu(), output.cpu(), strict=True)]
        return torch.tensor(values, dtype=torch.float64, device=output.device)

    def _one(self, target: Tensor, output: Tensor) -> float:
        if not output.isfinite().all():
            return math.nan
        try:
            # copies: what a person's function does to its arguments stays there
            return float(self.of(target.numpy().copy(), output.double().numpy().copy()))
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise BadInput(f"metric={self.name}: the function failed with {problem}") from error


def code_of(metric: Goal | Function) -> str | None:
    """A digest of a person's own function: of what it does, as far as its own code and the values
    that it holds say so; None of a metric that has a name.
    """
    function: Any = metric.function if isinstance(metric, Metric) else metric
    if isinstance(function, Each):
        function = function.of
    elif isinstance(metric, str | Metric):
        return None
    return digest(function)


def blending(metric: Goal) -> Metric:
    """What recipes are chosen by that predict together; it has the metric's rows, or other ones.

        rows' = rows - log clip(p[y], EPS, 1 - EPS)   of metrics that look at the chosen class only

    Such a metric sees a blend only where a row changes sides: on n rows it cannot tell most blends
    apart, and among the few it can, luck does. The log loss sees every blend, on every row.
    """
    found = find(metric)
    if not found.decides:
        return found

    def rows(probability: Tensor, target: Tensor) -> Tensor:
        return found.rows(probability, target) + surprise(probability, target)

    return replace(found, rows=rows)


def goodness(metric: Goal, value: Value) -> Value:
    """The value with the sign that makes larger better: log loss and errors are negated."""
    return value if find(metric).greater_is_better else -value


def step_of(metric: Goal, output: Tensor, target: Tensor) -> float:
    """How far a row's loss moves where it is decided rightly or not, root mean square over rows.

        accuracy            1
        balanced_accuracy   n / (K n_c) of the row's class c
        f1                  2 / (K mean d_c), d as in `row_losses`

    0 of a metric that does not look at decisions.   output: [n, C].   target: [n].
    """
    found = find(metric)
    if not found.decides:
        return 0.0
    if found.function is f1:
        steps = f1_steps(output[None], as_classes(output[None], target))
    else:
        classes = output.shape[-1]
        wrong = torch.nn.functional.one_hot((target + 1) % classes, classes).double()
        steps = row_losses(metric, wrong, target)
    return float(steps.square().mean().sqrt())


def row_losses(metric: Goal, output: Tensor, target: Tensor) -> Tensor:
    """What each row costs: the loss whose mean orders models as the metric does.

        accuracy            1 - hit
        balanced_accuracy   (1 - hit) n / (K n_c) of the row's class c; the mean is 1 - metric
        f1                  1 - F1 - (t_i - F1 d_i) / mean d,  t_i = 2 [hit], d_i = [predicted] +
                            [there]; with many classes their mean; the mean is 1 - metric
        log_loss            -log clip(p[y], EPS, 1 - EPS)
        roc_auc             the log loss: a stand-in, as AUC is a mean over pairs, not rows
        rmse, r2            squared error
        mae                 absolute error
        pinball_Q           max(Q e, (Q - 1) e)
        a function          the log loss or the squared error: a stand-in, too

    Differences of two models' row losses give paired standard errors. `balanced_accuracy`
    takes the class weights from the targets at hand, so the same rows must be given. `f1`, a
    ratio of means, is linearized around its value (the delta method): the mean is exact, the
    standard error is right for many rows.

    output: probability [n, C] or prediction [n].   target: [n].   Returns [n] float64.
    Rows whose output is not a number cost NaN.
    """
    return _each_loss(find(metric), output[None], target)[0]


def mean_losses(metric: Goal, output: Tensor, target: Tensor) -> Tensor:
    """The mean of `row_losses` for each member. output: [M, n, C] or [M, n].  Returns [M]."""
    return _each_loss(find(metric), output, target).mean(1)


def _each_loss(metric: Metric, output: Tensor, target: Tensor) -> Tensor:
    """`row_losses` of each member, [M, n]."""
    if metric.task == "regression":
        return metric.rows(*as_numbers(output, target))
    loss = metric.rows(output, as_classes(output, target))
    return loss.masked_fill(~output.isfinite().all(-1), torch.nan)
