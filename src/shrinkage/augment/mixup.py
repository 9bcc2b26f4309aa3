"""Mixup: train on convex combinations of two rows and of their targets.

    x <- lam * x + (1 - lam) * x',   y <- lam * y + (1 - lam) * y',   lam ~ Beta(alpha, alpha)

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", section 2.

Differs from the paper: lam is folded to max(lam, 1 - lam), which leaves the distribution of
mixed pairs as it is (both rows of a pair are exchangeable) and makes alpha = 0 the identity.
A category code cannot be averaged: each cell keeps its own code with probability lam, so the
expected one-hot vector is the mixture. One lam a batch, as in the paper's code; members with
equal seeds share its quantile, so in every batch lam falls as alpha grows.

Helps: few rows, many numeric columns, overconfident networks.
Measured: alpha 1 on 200 rows, 10 columns, two classes, a quarter of the training labels flipped:
log loss 1.3 without, 0.653 with it (difference -0.643, 95 % -0.722 to -0.565, 20 draws).
Does nothing: at batch size 1.
Conflicts: with label smoothing it softens the targets twice, and probabilities end up too even;
cutmix on top makes a row of up to four rows; the focal loss meets mixed rows as hard ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.augment.pairs import blend, mixing_share, rows_at
from shrinkage.batch import Batch, per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class Mixup:
    """alpha: both parameters of the Beta distribution of the mixing share; 0 is the identity."""

    alpha: Annotated[float, Member("[0, inf)", 0.05, 1.0, "log", neutral=0.0)] = 0.0


def mixup(batch: Batch, draws: Draws, alpha: Tensor) -> Batch:
    """Mix every row with a random row of the same batch; alpha: [M]."""
    rows = batch.target.shape[1]
    lam = mixing_share(draws.uniform("mixup.share", (1,))[:, 0], alpha)
    partner = draws.permutation("mixup.partner", rows)

    def mixed(x: Tensor, name: str) -> Tensor:
        other = rows_at(x, partner)
        if x.is_floating_point():
            return blend(x, other, lam)
        keep = draws.uniform(f"mixup.{name}", tuple(x.shape[1:])) < per_member(lam, x)
        return torch.where(keep, x, other)

    return replace(
        batch,
        inputs={name: mixed(x, name) for name, x in batch.inputs.items()},
        target=mixed(batch.target, "target"),
        weight=mixed(batch.weight, "weight"),
    )
