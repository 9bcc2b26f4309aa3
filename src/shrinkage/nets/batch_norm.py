"""Batch norm: standardize each unit over the rows of the batch, then scale and shift.

    training:   y = gamma (x - mean_B) / sqrt(var_B + 1e-5) + beta
                running <- (1 - momentum) running + momentum * (mean_B, var_B * B/(B-1))
    inference:  y = gamma (x - running_mean) / sqrt(running_var + 1e-5) + beta

Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2; equals torch's BatchNorm1d.

Helps: deep networks and large rates; its batch noise regularizes.
Measured: momentum 0.1 on 60 rows of three overlapping classes in 20 columns, both beside 8 hidden
layers of 32 sigmoid units: error rate 0.293 without, 0.114 with it (difference -0.179, 95 % -0.241
to -0.116, 20 draws).
Does nothing: it cannot act at batch size 1, which is an error.
Conflicts: the scale of the weights ahead of it is free, so l1, l2 and decay steer the effective
rate instead of the function, and a fixed rho of sam means less as weights grow. dropout, cutout
and mixup act in training only, so its running statistics are of other inputs than inference
sees. Small batches make it noisy, and rows of a batch are no longer independent.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.errors import BadInput
from shrinkage.ingredient import Member, ingredient

EPS = 1e-5


@ingredient
class BatchNorm:
    """momentum: share of the newest batch in the running statistics."""

    momentum: Annotated[float, Member("(0, 1]", 0.01, 0.3, "log")] = 0.1


def batch_norm_train(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, momentum: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """x: [M, B, H]; scale, shift, mean, variance: [M, H]; momentum: [M].

    Returns the output, and the new running mean and variance.
    Raises ValueError at B = 1, where the variance is undefined.
    """
    rows = x.shape[1]
    check_rows(rows)
    # Spelled out, because torch's var_mean along a middle dimension is three times slower.
    batch_mean = x.mean(1)
    centered = x - batch_mean[:, None]
    batch_variance = centered.square().mean(1)
    gain = scale * torch.rsqrt(batch_variance + EPS)
    y = torch.addcmul(shift[:, None], centered, gain[:, None])
    batch = batch_mean.detach(), batch_variance.detach()
    return y, *batch_norm_running(mean, variance, *batch, rows, momentum)


def batch_norm_running(
    mean: Tensor,
    variance: Tensor,
    batch_mean: Tensor,
    batch_variance: Tensor,
    rows: int,
    momentum: Tensor,
) -> tuple[Tensor, Tensor]:
    """The running mean and variance [M, H] after a batch of `rows` rows."""
    share = momentum[:, None]
    unbiased = batch_variance * (rows / (rows - 1))
    return mean.lerp(batch_mean, share), variance.lerp(unbiased, share)


def check_rows(rows: int) -> None:
    """Raises BadInput where a batch has no variance."""
    if rows < 2:
        raise BadInput("batch norm needs at least 2 rows a batch; use layer_norm, or more rows")


def batch_norm_infer(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """The same with running statistics: no row depends on another."""
    gain = scale * torch.rsqrt(variance + EPS)
    return torch.addcmul((shift - mean * gain)[:, None], x, gain[:, None])
