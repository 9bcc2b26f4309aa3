"""How good predictions are, one value a member: the functions behind the metrics.

Notation

    M   members            C   classes
    n   rows               K   classes that occur among the targets of a member

    probability  [M, n, C], rows sum to 1        target  [M, n] or [n] int64, in 0..C-1
    prediction   [M, n]                          target  [M, n] or [n]

Every function returns [M] float64, whatever it was given. A target [n] is shared by all members.
A member with a NaN among its predictions, or an infinity among its probabilities, scores
NaN: a broken network gets no number.

The definitions are scikit-learn's; where they leave a case open or raise, the docstring says
what happens. Below them stand the losses of single rows, [M, n], which take checked arguments.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPS = torch.finfo(torch.float32).eps
"""Probabilities are clipped to [EPS, 1 - EPS] before a logarithm: the networks are float32."""

HOTTEST = 20.0
"""Temperatures lie in [1/HOTTEST, HOTTEST]: of separable rows the log loss has no minimum."""

_NEWTON, _FLAT = 6, 1e-9


def accuracy(probability: Tensor, target: Tensor) -> Tensor:
    """Share of rows whose most probable class is the target; ties go to the lowest class.

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    """
    target = as_classes(probability, target)
    return _checked(_hit(probability, target).mean(1), probability)


def balanced_accuracy(probability: Tensor, target: Tensor) -> Tensor:
    """Mean over classes of the share of the class's rows that are recognized.

        1/K sum_c  hits of class c / rows of class c

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    Classes without a row are left out of the mean.
    """
    target = as_classes(probability, target)
    hit = _hit(probability, target) * _balance(target, probability.shape[-1])
    return _checked(hit.mean(1), probability)


def log_loss(probability: Tensor, target: Tensor) -> Tensor:
    """Mean negative log probability of the target, in nats.

        -1/n sum_i  log clip(p_i[y_i], EPS, 1 - EPS)

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M].
    EPS is float32's (1.2e-7), for any dtype: a row costs at most 15.9, and a sure and right
    one 1.2e-7. scikit-learn does the same when it is given float32.
    """
    target = as_classes(probability, target)
    return _checked(surprise(probability, target).mean(1), probability)


def tempered_log_loss(probability: Tensor, target: Tensor) -> Tensor:
    """The log loss that is left once each member's probabilities are tempered, in nats.

        min_a  1/n sum_i  log sum_c exp(a z_i[c]) - a z_i[y_i],   z = log p,  a = 1 / temperature

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M].
    a lies within 1/HOTTEST and HOTTEST. As in `calibration.with_one_wrong`, a row of middling
    confidence whose class is the second most probable helps to choose a, and is not scored: rows
    that are all right would sharpen without end. The loss is convex in a: six steps of Newton's
    kind for log a, held to a factor e each, bisection where they leave the known bracket. What is
    left of the way changes the loss by its square.
    """
    target = as_classes(probability, target)
    z = probability.clamp(min=EPS).log()
    middle = z.amax(-1).argsort(stable=True, dim=1)[:, target.shape[1] // 2]
    extra = z[torch.arange(len(z), device=z.device), middle]
    rows = torch.cat([z, extra[:, None]], 1)
    classes = torch.cat([target, extra.topk(2).indices[:, 1:]], 1)
    # Classes first: what follows adds up whole arrays, and never a few numbers side by side.
    rows = (rows - rows.amax(-1, keepdim=True)).movedim(-1, 0).contiguous()
    own = rows.gather(0, classes[None])[0]
    right = own.mean(1, dtype=torch.float64)
    a = torch.ones_like(right)
    low, high = a / HOTTEST, a * HOTTEST
    for _ in range(_NEWTON):
        p = (a[:, None].to(rows) * rows).exp()
        p = p / p.sum(0)
        weighted = p * rows
        expected, square = weighted.sum(0), (weighted * rows).sum(0)
        slope = expected.mean(1, dtype=torch.float64) - right
        curvature = (square - expected.square()).mean(1, dtype=torch.float64)
        low, high = torch.where(slope < 0, a, low), torch.where(slope < 0, high, a)
        step = a * torch.exp(-slope / (a * curvature + slope.abs()).clamp(min=_FLAT))
        a = torch.where((step >= low) & (step <= high), step, (low * high).sqrt())
    scaled = a[:, None].to(rows) * rows
    losses = (scaled.exp().sum(0).log() - a[:, None].to(rows) * own)[:, :-1]
    return _checked(losses.mean(1, dtype=torch.float64), probability)


def roc_auc(probability: Tensor, target: Tensor) -> Tensor:
    """Area under the ROC curve; with more than two classes, one against rest, mean over classes.

        AUC = P(score of a positive row > score of a negative row) + 1/2 P(they are equal)

    computed from mid-ranks (Mann and Whitney). With two classes the score is the
    probability of class 1.

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    A class without a row, or with all of them, has no AUC and is left out of the mean, where
    scikit-learn raises or warns; NaN when no class is left.
    """
    target = as_classes(probability, target)
    classes = probability.shape[-1]
    areas = [
        _binary_auc(probability[..., c].double(), target == c)
        for c in ([1] if classes == 2 else range(classes))
    ]
    return _checked(torch.stack(areas).nanmean(0), probability)


def f1(probability: Tensor, target: Tensor) -> Tensor:
    """F1 of class 1, the second of the sorted classes; with more classes, the mean over classes.

        F1_c = 2 hits_c / (rows predicted as c + rows of class c)

    probability: [M, n, C].   target: [M, n] or [n] int64.   Returns [M], in [0, 1].
    Two classes, class 1 neither there nor predicted: 0. With more, a class that is neither there
    nor predicted is left out of the mean. Both as in scikit-learn, which warns of the first.
    """
    target = as_classes(probability, target)
    classes, predicted = probability.shape[-1], probability.argmax(-1)
    one = torch.ones_like(target)
    hits = _counts(target, (predicted == target).long(), classes)
    named = _counts(predicted, one, classes) + _counts(target, one, classes)
    counted = slice(1, None) if classes == 2 else slice(None)
    value = (2 * hits.double() / named)[:, counted].nanmean(-1)
    return _checked(value.nan_to_num(0.0), probability)


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Root mean squared error, in the target's unit.

    prediction: [M, n].   target: [M, n] or [n].   Returns [M].
    """
    prediction, target = as_numbers(prediction, target)
    return (prediction - target).square().mean(1).sqrt()


def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error, in the target's unit.

    prediction: [M, n].   target: [M, n] or [n].   Returns [M].
    """
    prediction, target = as_numbers(prediction, target)
    return (prediction - target).abs().mean(1)


def r2(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of the target's variance that is explained.

        1 - sum_i (y_i - f_i)^2 / sum_i (y_i - mean y)^2

    prediction: [M, n].   target: [M, n] or [n].   Returns [M], at most 1; 0 is the mean's.
    A constant target has no variance: 1 when every prediction is right, else 0, as in
    scikit-learn. NaN with fewer than two rows.
    """
    prediction, target = as_numbers(prediction, target)
    residual = (prediction - target).square().sum(1)
    constant = (target == target[:, :1]).all(1)
    total = (target - target.mean(1, keepdim=True)).square().sum(1)
    explained = 1 - residual / total
    degenerate = torch.where(residual.isnan(), residual, (residual == 0).double())
    value = torch.where(constant, degenerate, explained)
    return value if target.shape[1] > 1 else torch.full_like(value, torch.nan)


def pinball(prediction: Tensor, target: Tensor, level: float) -> Tensor:
    """Mean quantile loss, in the target's unit; least at each row's `level` quantile.

        1/n sum_i  max(q e_i, (q - 1) e_i),   e_i = y_i - f_i

    prediction: [M, n].   target: [M, n] or [n].   level: q in (0, 1).   Returns [M].
    At q = 1/2 it is half the mean absolute error. Koenker and Bassett 1978.
    """
    return pinball_loss(*as_numbers(prediction, target), level).mean(1)


def _hit(probability: Tensor, target: Tensor) -> Tensor:
    """[M, n] float64: 1 where the most probable class is the target."""
    return (probability.argmax(-1) == target).double()


def _balance(target: Tensor, classes: int) -> Tensor:
    """[M, n] float64: n / (K n_c), the weight that lets every class count the same."""
    counts = _counts(target, torch.ones_like(target), classes)
    present = (counts > 0).sum(1, keepdim=True)
    return target.shape[1] / (present * counts.gather(1, target)).double()


def _counts(codes: Tensor, weights: Tensor, classes: int) -> Tensor:
    """[M, C]: the weights [M, n] of each class's rows, summed. codes: [M, n]."""
    return weights.new_zeros(len(codes), classes).scatter_add(1, codes, weights)


def surprise(probability: Tensor, target: Tensor) -> Tensor:
    """[M, n] float64: the clipped negative log probability of the target."""
    chosen = probability.gather(-1, target[..., None])[..., 0].double()
    return -chosen.clamp(EPS, 1 - EPS).log()


def miss(probability: Tensor, target: Tensor) -> Tensor:
    return 1 - _hit(probability, target)


def balanced_miss(probability: Tensor, target: Tensor) -> Tensor:
    return miss(probability, target) * _balance(target, probability.shape[-1])


def _counted(probability: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """What rows are called [M, n, K] and are [n, K], of the classes that F1 counts: 0 and 1."""
    classes = probability.shape[-1]
    counted = slice(1, None) if classes == 2 else slice(None)
    called, there = (
        torch.nn.functional.one_hot(codes, classes)[..., counted].double()
        for codes in (probability.argmax(-1), target)
    )
    return called, there


def f1_loss(probability: Tensor, target: Tensor) -> Tensor:
    """[M, n] float64: see `scores.row_losses`. Holds an array [M, n, C]."""
    predicted, there = _counted(probability, target)
    hits, named = 2 * predicted * there, predicted + there
    mean = named.mean(1, keepdim=True)
    value = hits.mean(1, keepdim=True) / mean
    loss = 1 - value - (hits - value * named) / mean
    return loss.nanmean(-1).nan_to_num(1.0)


def f1_steps(probability: Tensor, target: Tensor) -> Tensor:
    """[M, n] float64: how far `f1_loss` moves between calling a row its class c and not.

    2 / (K mean d_c), d as in `scores.row_losses`, K classes; 0 where F1 does not count c.
    """
    predicted, there = _counted(probability, target)
    mean = (predicted + there).mean(1, keepdim=True)
    each = torch.where(mean > 0, 2 / mean, 0.0) / (mean > 0).sum(-1, keepdim=True).clamp(min=1)
    return (there * each).sum(-1)


def square(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square()


def absolute(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).abs()


def pinball_loss(prediction: Tensor, target: Tensor, level: float) -> Tensor:
    error = target - prediction
    return torch.maximum(level * error, (level - 1) * error)


def _binary_auc(score: Tensor, positive: Tensor) -> Tensor:
    """[M]: the AUC of scores [M, n] for the rows marked [M, n]; NaN without both kinds."""
    score = score.contiguous()
    ordered = score.sort(1).values
    below = torch.searchsorted(ordered, score)
    up_to = torch.searchsorted(ordered, score, right=True)
    mid_rank = (below + up_to + 1).double() / 2
    positives = positive.sum(1).double()
    pairs = positives * (positive.shape[1] - positives)
    wins = (mid_rank * positive).sum(1) - positives * (positives + 1) / 2
    return torch.where(pairs > 0, wins / pairs, torch.nan)


def as_classes(probability: Tensor, target: Tensor) -> Tensor:
    """The targets as [M, n]; raises ValueError when shapes or values do not fit."""
    if probability.ndim != 3:
        raise ValueError(f"expected probability [M, n, C], got {tuple(probability.shape)}")
    target = per_member(target, probability.shape[:2])
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= probability.shape[-1]:
        raise ValueError(
            f"expected targets in 0..{probability.shape[-1] - 1}, got {low}..{high}: "
            "the probabilities have too few columns"
        )
    return target


def as_numbers(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions and targets as float64 [M, n]; raises ValueError when shapes do not fit."""
    if prediction.ndim != 2:
        raise ValueError(f"expected prediction [M, n], got {tuple(prediction.shape)}")
    return prediction.double(), per_member(target, prediction.shape).double()


def per_member(target: Tensor, shape: torch.Size) -> Tensor:
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
