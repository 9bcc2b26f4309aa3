"""Cutout for rows: hide some cells of every row.

    x_j <- nothing   with probability rate, each cell on its own

"Nothing" is 0 for a scaled number, the middle of its column, and code 0 for a category. Where
training rows have rare texts that is their code, and that of unseen ones; in other columns hidden
cells alone have it, as an unseen text is read as the most frequent one there. The code of missing
cells is another one. With a number goes what else a network reads of it: its rank (`ranked`), its
code (`data.codes`), the mark of a missing one; with a date all its parts.

Differs from the paper: single cells instead of a square, since columns have no neighbours. Kept
cells are not scaled up, unlike dropout's: 0 is a value here, not an absence of input.

Sources: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising
Autoencoders", section 2.3, for masked inputs; DeVries & Taylor 2017, "Improved Regularization
of Convolutional Neural Networks with Cutout", for the name.

Helps: many columns that say the same; unseen categories in columns that have rare ones.
Measured: rate 0.4 on 300 whole rows of 12 columns, copies of 4 signals; at test 40 % of the cells
are lost: error rate 0.133 without, 0.104 with it (difference -0.0292, 95 % -0.0346 to -0.0238, 20
draws).
Does nothing: to a number that is 0 already.
Conflicts: batch norm measures rows with hidden cells and then predicts on whole ones; where one
column decides alone it hides the answer. dropout's noise adds to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.augment.cells import EACH, Cells, cell_uniforms
from shrinkage.batch import Batch, per_member
from shrinkage.ingredient import Member, ingredient
from shrinkage.randomness import Draws

NOTHING = 0
"""The middle of a scaled number, and the code of a rare category."""


@ingredient
class Cutout:
    """rate: probability that a cell is hidden in training; 0 is the identity."""

    rate: Annotated[
        float, Member("[0, 1)", 0.01, 0.3, "log", neutral=0.0, unit="share of cells")
    ] = 0.0


def cutout(batch: Batch, draws: Draws, rate: Tensor, cells: Cells = EACH) -> Batch:
    """Hide cells of every input [M, B, ...]; rate: [M]."""
    inputs = dict(batch.inputs)
    for name, u in cell_uniforms(inputs, draws, "cutout", cells).items():
        x = inputs[name]
        inputs[name] = torch.where(u >= per_member(rate, x), x, NOTHING)
    return replace(batch, inputs=inputs)
