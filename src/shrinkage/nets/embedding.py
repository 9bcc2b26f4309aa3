"""Learned embeddings of categories: each value of each column has its own vector.

    e_j = E_j[code_j]  in R^dim,      all columns side by side

Guo & Berkhahn 2016, "Entity Embeddings of Categorical Variables".

Helps: columns with many values; alike values move together.
Conflicts: rare values learn little; decay pulls them to zero, the average.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional

from shrinkage.constants import constant
from shrinkage.ingredient import Structural, ingredient
from shrinkage.nets.layout import Entry


@ingredient
class Embedding:
    """dim: numbers per category value."""

    dim: Annotated[int, Structural("[1, 1024]", 2, 32, "log")] = 8


def embedding_entries(cardinalities: tuple[int, ...], dim: int) -> list[Entry]:
    """One table for all columns; column j starts at row sum(cardinalities[:j])."""
    return [
        Entry("categories.table", (sum(cardinalities), dim), "embedding", start=1.0, spread=True)
    ]


def embed_categories(codes: Tensor, table: Tensor, cardinalities: tuple[int, ...]) -> Tensor:
    """codes: int [M, B, D]; table: [M, sum(cardinalities), dim]. Returns [M, B, D * dim]."""
    members, rows, columns = codes.shape
    starts = constant((0, *accumulate(cardinalities[:-1])), codes.device)
    member = torch.arange(members, device=codes.device)[:, None, None] * table.shape[1]
    vectors = functional.embedding(codes + starts + member, table.flatten(0, 1))
    return vectors.reshape(members, rows, columns * table.shape[2])
