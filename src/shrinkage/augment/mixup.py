"""Mixup: train on convex combinations of two rows and of their targets.

    x <- lam * x + (1 - lam) * x',   y <- lam * y + (1 - lam) * y',   lam ~ Beta(alpha, alpha)

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2.

Differs from the paper: lam is folded to max(lam, 1 - lam), which leaves the distribution of
mixed pairs as it is (both rows of a pair are exchangeable) and makes alpha = 0 the identity.
A category code cannot be averaged: each cell keeps its own code with probability lam, so the
expected one-hot vector is the mixture. One lam a batch, as in the paper's code; members with
equal seeds share its quantile, so their lam grow together with alpha.

Helps: few rows, many numeric columns, overconfident networks.
Does nothing: at batch size 1.
Conflicts: with label smoothing it softens the targets twice; calibration drifts to
underconfidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from scipy.special import betaincinv
from torch import Tensor

from shrinkage.batch import Batch, per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class Mixup:
    """alpha: both parameters of the Beta distribution of the mixing share; 0 is the identity."""

    alpha: Annotated[float, Member("[0, inf)", 0.05, 1.0, "log", neutral=0.0)] = 0.0


def mixing_share(quantile: Tensor, alpha: Tensor) -> Tensor:
    """lam [M] in [0.5, 1]: the folded Beta(alpha, alpha) at this quantile; 1 where alpha is 0."""
    a = alpha.detach().to("cpu", torch.float64).numpy()
    q = quantile.detach().to("cpu", torch.float64).numpy()
    lam = torch.from_numpy(betaincinv(a.clip(min=1e-3), a.clip(min=1e-3), q))
    lam = torch.maximum(lam, 1 - lam).to(alpha)
    return torch.where(alpha > 0, lam, torch.ones_like(lam))


def mixup(batch: Batch, draws: Draws, alpha: Tensor) -> Batch:
    """Mix every row with a random row of the same batch; alpha: [M]."""
    rows = batch.target.shape[1]
    lam = mixing_share(draws.uniform("mixup.share", (1,))[:, 0], alpha)
    partner = draws.permutation("mixup.partner", rows)

    def mixed(x: Tensor, name: str) -> Tensor:
        index = partner.reshape(*partner.shape, *[1] * (x.dim() - 2)).expand_as(x)
        other = torch.gather(x, 1, index)
        share = per_member(lam, x)
        if x.is_floating_point():
            return torch.lerp(other, x, share.to(x.dtype))
        keep = draws.uniform(f"mixup.{name}", tuple(x.shape[1:])) < share
        return torch.where(keep, x, other)

    return replace(
        batch,
        inputs={name: mixed(x, name) for name, x in batch.inputs.items()},
        target=mixed(batch.target, "target"),
        weight=mixed(batch.weight, "weight"),
    )
