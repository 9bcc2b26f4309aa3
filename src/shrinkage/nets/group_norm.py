"""Group norm: standardize each row within groups of its units, then scale and shift.

    y = gamma (x - mean_G) / sqrt(var_G + 1e-5) + beta,    G the unit's group

gamma and beta belong to units. Wu & He 2018, "Group Normalization"; equals torch.nn.GroupNorm
on rows of units.
Differs from the paper: where `groups` does not divide the width, or would leave fewer than two
units a group, the largest number of groups that fits takes its place.

Helps: as layer norm, where units fall into parts of different size.
Does nothing: that layer norm does not, with groups = 1.
Conflicts: many small groups lose what tells rows apart: a group of two units holds only which
of them is larger. Units of a table's network have no order, so groups are arbitrary.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from shrinkage.ingredient import Structural, ingredient

EPS = 1e-5


@ingredient
class GroupNorm:
    """groups: parts into which the units of a layer are cut."""

    groups: Annotated[int, Structural("[1, 65536]", 2, 32, "log", unit="groups")] = 8


def group_norm(x: Tensor, scale: Tensor, shift: Tensor, groups: int) -> Tensor:
    """x: [M, B, H]; scale, shift: [M, H]. Returns [M, B, H]."""
    width = x.shape[-1]
    parts = x.unflatten(-1, (groups_within(groups, width), -1))
    standardized = functional.layer_norm(parts, parts.shape[-1:], eps=EPS).flatten(-2)
    return torch.addcmul(shift[:, None], standardized, scale[:, None])


def groups_within(groups: int, width: int) -> int:
    """The largest divisor of the width that is not above `groups` and leaves two units a group."""
    fitting = range(1, max(1, min(groups, width // 2)) + 1)
    return max(number for number in fitting if width % number == 0)
