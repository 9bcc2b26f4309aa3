"""Metrics: how good predictions are, one value a member.

Notation

    M   members            C   classes
    n   rows               K   classes that occur among the targets of a member

    probability  [M, n, C], rows sum to 1        target  [M, n] or [n] int64, in 0..C-1
    prediction   [M, n]                          target  [M, n] or [n]

Every metric returns [M] float64, whatever it was given. A target [n] is shared by all members.
A member with a NaN among its predictions, or an infinity among its probabilities, scores
NaN: a broken network gets no number.

The definitions are scikit-learn's; where they leave a case open or raise, the metric's
docstring says what happens.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from shrinkage.errors import BadInput

Task = Literal["classification", "regression"]
Value = TypeVar("Value", float, Tensor)

EPS = torch.finfo(torch.float32).eps
"""Probabilities are clipped to [EPS, 1 - EPS] before a logarithm: the networks are float32."""


@dataclass(frozen=True)
class Metric:
    """A metric by name.

    function: (probability or prediction, target) -> [M] float64.
    pretty: the name in tables that people read.
    """

    name: str
    task: Task
    greater_is_better: bool
    function: Callable[[Tensor, Tensor], Tensor]
    pretty: str


def accuracy(probability: Tensor, target: Tensor) -> Tensor:
    """Share of rows whose most probable class is the target; ties go to the lowest class.

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    """
    target = _classes(probability, target)
    return _checked(_hit(probability, target).mean(1), probability)


def balanced_accuracy(probability: Tensor, target: Tensor) -> Tensor:
    """Mean over classes of the share of the class's rows that are recognized.

        1/K sum_c  hits of class c / rows of class c

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    Classes without a row are left out of the mean.
    """
    target = _classes(probability, target)
    hit = _hit(probability, target) * _balance(target, probability.shape[-1])
    return _checked(hit.mean(1), probability)


def log_loss(probability: Tensor, target: Tensor) -> Tensor:
    """Mean negative log probability of the target, in nats.

        -1/n sum_i  log clip(p_i[y_i], EPS, 1 - EPS)

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M].
    EPS is float32's (1.2e-7), for any dtype: a row costs at most 15.9, and a sure and right
    one 1.2e-7. scikit-learn does the same when it is given float32.
    """
    target = _classes(probability, target)
    return _checked(_surprise(probability, target).mean(1), probability)


def roc_auc(probability: Tensor, target: Tensor) -> Tensor:
    """Area under the ROC curve; with more than two classes, one against rest, mean over classes.

        AUC = P(score of a positive row > score of a negative row) + 1/2 P(they are equal)

    computed from mid-ranks (Mann and Whitney). With two classes the score is the
    probability of class 1.

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    A class without a row, or with all of them, has no AUC and is left out of the mean, where
    scikit-learn raises or warns; NaN when no class is left.
    """
    target = _classes(probability, target)
    classes = probability.shape[-1]
    areas = [
        _binary_auc(probability[..., c].double(), target == c)
        for c in ([1] if classes == 2 else range(classes))
    ]
    return _checked(torch.stack(areas).nanmean(0), probability)


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Root mean squared error, in the target's unit.

    prediction: [M, n].   target: [M, n] or [n].   Returns [M].
    """
    prediction, target = _numbers(prediction, target)
    return (prediction - target).square().mean(1).sqrt()


def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, in the target's unit.

    prediction: [M, n].   target: [M, n] or [n].   Returns [M].
    """
    prediction, target = _numbers(prediction, target)
    return (prediction - target).abs().mean(1)


def r2(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the target's variance that is explained.

        1 - sum_i (y_i - f_i)^2 / sum_i (y_i - mean y)^2

    prediction: [M, n].   target: [M, n] or [n].   Returns [M], at most 1; 0 is the mean's.
    A constant target has no variance: 1 when every prediction is right, else 0, as in
    scikit-learn. NaN with fewer than two rows.
    """
    prediction, target = _numbers(prediction, target)
    residual = (prediction - target).square().sum(1)
    constant = (target == target[:, :1]).all(1)
    total = (target - target.mean(1, keepdim=True)).square().sum(1)
    explained = 1 - residual / total
    degenerate = torch.where(residual.isnan(), residual, (residual == 0).double())
    value = torch.where(constant, degenerate, explained)
    return value if target.shape[1] > 1 else torch.full_like(value, torch.nan)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "classification", True, accuracy, "accuracy"),
        Metric("balanced_accuracy", "classification", True, balanced_accuracy, "balanced accuracy"),
        Metric("log_loss", "classification", False, log_loss, "log loss"),
        Metric("roc_auc", "classification", True, roc_auc, "ROC AUC"),
        Metric("rmse", "regression", False, rmse, "RMSE"),
        Metric("mae", "regression", False, mae, "MAE"),
        Metric("r2", "regression", True, r2, "R²"),
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


def for_task(task: str) -> tuple[Metric, ...]:
    """All metrics of a task, its default first.

    Raises BadInput when there is no such task.
    """
    first = default_metric(task)
    metrics = (metric for metric in METRICS.values() if metric.task == task)
    return tuple(sorted(metrics, key=lambda metric: metric.name != first))


def find(name: str, task: str | None = None) -> Metric:
    """The metric of that name.

    Raises BadInput, naming the nearest ones, when there is none, or none for the task.
    """
    if name in METRICS and task in (None, METRICS[name].task):
        return METRICS[name]
    known = [metric.name for metric in (for_task(task) if task else METRICS.values())]
    if name in METRICS:
        problem = f"metric {name!r} is for {METRICS[name].task}, and the task is {task}"
    else:
        near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        problem = f"there is no metric {name!r}{hint}"
    raise BadInput(f"{problem}\nuse one of: {', '.join(known)}")


def goodness(metric: str | Metric, value: Value) -> Value:
    """The value with the sign that makes larger better: log loss and errors are negated."""
    metric = find(metric) if isinstance(metric, str) else metric
    return value if metric.greater_is_better else -value


def row_losses(metric: str | Metric, output: Tensor, target: Tensor) -> Tensor:
    """What each row costs: the loss whose mean orders models as the metric does.

        accuracy            1 - hit
        balanced_accuracy   (1 - hit) n / (K n_c) of the row's class c; the mean is 1 - metric
        log_loss            -log clip(p[y], EPS, 1 - EPS)
        roc_auc             the log loss: a stand-in, as AUC is a mean over pairs, not rows
        rmse, r2            squared error
        mae                 absolute error

    Differences of two models' row losses give paired standard errors. `balanced_accuracy`
    takes the class weights from the targets at hand, so the same rows must be given.

    output: probability [n, C] or prediction [n].   target: [n].   Returns [n] float64.
    Rows whose output is not a number cost NaN.
    """
    name = find(metric).name if isinstance(metric, str) else metric.name
    if METRICS[name].task == "regression":
        prediction, target = _numbers(output[None], target)
        error = (prediction - target)[0]
        return error.abs() if name == "mae" else error.square()
    probability, target = output[None], _classes(output[None], target)
    if name in ("log_loss", "roc_auc"):
        loss = _surprise(probability, target)[0]
    else:
        loss = 1 - _hit(probability, target)[0]
        if name == "balanced_accuracy":
            loss = loss * _balance(target, probability.shape[-1])[0]
    return loss.masked_fill(~output.isfinite().all(-1), torch.nan)


def _hit(probability: Tensor, target: Tensor) -> Tensor:
    """[M, n] float64: 1 where the most probable class is the target."""
    return (probability.argmax(-1) == target).double()


def _balance(target: Tensor, classes: int) -> Tensor:
    """[M, n] float64: n / (K n_c), the weight that lets every class count the same."""
    counts = target.new_zeros(len(target), classes).scatter_add(1, target, torch.ones_like(target))
    present = (counts > 0).sum(1, keepdim=True)
    return target.shape[1] / (present * counts.gather(1, target)).double()


def _surprise(probability: Tensor, target: Tensor) -> Tensor:
    """[M, n] float64: the clipped negative log probability of the target."""
    chosen = probability.gather(-1, target[..., None])[..., 0].double()
    return -chosen.clamp(EPS, 1 - EPS).log()


def _binary_auc(score: Tensor, positive: Tensor) -> Tensor:
    """[M]: the AUC of scores [M, n] for the rows marked [M, n]; NaN without both kinds."""
    ordered = score.sort(1).values
    below = torch.searchsorted(ordered, score.contiguous())
    up_to = torch.searchsorted(ordered, score.contiguous(), right=True)
    mid_rank = (below + up_to + 1).double() / 2
    positives = positive.sum(1).double()
    pairs = positives * (positive.shape[1] - positives)
    wins = (mid_rank * positive).sum(1) - positives * (positives + 1) / 2
    return torch.where(pairs > 0, wins / pairs, torch.nan)


def _classes(probability: Tensor, target: Tensor) -> Tensor:
    """The targets as [M, n]; raises ValueError when shapes or values do not fit."""
    if probability.ndim != 3:
        raise ValueError(f"expected probability [M, n, C], got {tuple(probability.shape)}")
    target = _per_member(target, probability.shape[:2])
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= probability.shape[-1]:
        raise ValueError(
            f"expected targets in 0..{probability.shape[-1] - 1}, got {low}..{high}: "
            "the probabilities have too few columns"
        )
    return target


def _numbers(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions and targets as float64 [M, n]; raises ValueError when shapes do not fit."""
    if prediction.ndim != 2:
        raise ValueError(f"expected prediction [M, n], got {tuple(prediction.shape)}")
    return prediction.double(), _per_member(target, prediction.shape).double()


def _per_member(target: Tensor, shape: torch.Size) -> Tensor:
    if tuple(target.shape) not in (tuple(shape), tuple(shape[1:])):
        raise ValueError(
            f"expected target [M, n] or [n] with M={shape[0]}, n={shape[1]}, "
            f"got {tuple(target.shape)}"
        )
    if 0 in shape:
        raise ValueError(f"there is nothing to score: M={shape[0]}, n={shape[1]}")
    return target.expand(shape)


def _checked(value: Tensor, probability: Tensor) -> Tensor:
    """NaN for the members whose probabilities are not all finite."""
    return value.masked_fill(~probability.isfinite().all(-1).all(-1), torch.nan)
