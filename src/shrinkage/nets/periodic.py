"""Periodic embeddings of numbers: let a smooth network see fine detail of a column.

    e_j = [ x_j ;  cos(2 pi (f_j x_j + p_j)) W_j + b_j ]

with learned frequencies f_j (start: N(0, sigma^2)) and phases p_j (start: N(0, 1) turns, which is
uniform on the circle to 1e-8) of each column, and a linear map of each column's own.

Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep Learning".
Differs from the paper: cosine with a learned phase instead of a sine and cosine pair, and x
itself beside it, as Holzmüller et al. 2024 found better (their PBLD embedding).

Helps: targets that change fast along a column.
Does nothing: on columns that hold few distinct values.
Conflicts: a large sigma fits noise on few rows.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, Structural, ingredient
from shrinkage.nets.layout import Entry


@ingredient
class Periodic:
    """frequencies: cosines a column. dim: numbers a column, x included. sigma: their start."""

    frequencies: Annotated[int, Structural("[1, 1024]", 4, 64, "log")] = 16
    dim: Annotated[int, Structural("[2, 1024]", 3, 16, "log")] = 4
    sigma: Annotated[float, Member("(0, inf)", 0.02, 1.0, "log")] = 0.1


def periodic_entries(columns: int, frequencies: int, dim: int, sigma: float) -> list[Entry]:
    return [
        Entry("numbers.frequency", (columns, frequencies), "norm", start=sigma, spread=True),
        Entry("numbers.phase", (columns, frequencies), "norm", start=1.0, spread=True),
        Entry(
            "numbers.weight",
            (columns, frequencies, dim - 1),
            "weight",
            fan=(frequencies, dim - 1),
        ),
        Entry("numbers.bias", (columns, dim - 1), "bias"),
    ]


def embed_periodic(
    x: Tensor, frequency: Tensor, phase: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    """x: [M, B, D]; frequency, phase: [M, D, K]; weight: [M, D, K, dim-1]; bias: [M, D, dim-1].

    Returns [M, B, D * dim].
    """
    members, rows, columns = x.shape
    # Rows stand last, where the small products of each column and the cosine are fastest.
    values = x.transpose(1, 2)[:, :, None]
    values_and_one = torch.cat([values, torch.ones_like(values)], 2).flatten(0, 1)
    line = torch.stack([frequency, phase], -1).flatten(0, 1) * (2 * math.pi)
    waves = torch.cos(torch.bmm(line, values_and_one))
    weight, bias = weight.flatten(0, 1).transpose(1, 2), bias.flatten(0, 1)[..., None]
    vectors = torch.baddbmm(bias, weight, waves).view(members, columns, -1, rows)
    return torch.cat([values, vectors], 2).flatten(1, 2).transpose(1, 2)
