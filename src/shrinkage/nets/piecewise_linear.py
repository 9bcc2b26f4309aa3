"""Piecewise-linear embeddings of numbers: a column becomes ramps between its quantiles.

    r_t(x) = clip((x - q_t) / (q_{t+1} - q_t), 0, 1),   t = 1 .. bins
    e_j    = r(x_j) W_j + b_j

The edges q are quantiles of the training rows. The first ramp goes on below for one bin's
width and the last above, so values beyond the training rows keep some order.

Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep Learning",
section 3.2 (quantile bins).

Helps: targets with thresholds, as trees find them.
Does nothing: with one bin it is a linear map.
Conflicts: many bins on few rows.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Structural, ingredient
from shrinkage.nets.layout import Entry


@ingredient
class PiecewiseLinear:
    """bins: ramps a column. dim: numbers a column."""

    bins: Annotated[int, Structural("[1, 256]", 4, 64, "log")] = 16
    dim: Annotated[int, Structural("[1, 1024]", 2, 16, "log")] = 8


def piecewise_linear_entries(columns: int, bins: int, dim: int) -> tuple[list[Entry], list[Entry]]:
    """(weights, statistics)."""
    weights = [
        Entry("numbers.weight", (columns, bins, dim), "weight", fan=(bins, dim)),
        Entry("numbers.bias", (columns, dim), "bias"),
    ]
    return weights, [Entry("numbers.edges", (columns, bins + 1), "statistic")]


def quantile_edges(x: Tensor, bins: int) -> Tensor:
    """x: training numbers [n, D]. Returns edges [D, bins + 1], not decreasing along a column."""
    shares = torch.linspace(0, 1, bins + 1, dtype=x.dtype, device=x.device)
    return torch.quantile(x, shares, dim=0).T.contiguous()


def embed_piecewise_linear(x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x: [M, B, D]; edges: [M, D, T+1]; weight: [M, D, T, dim]; bias: [M, D, dim].

    Ramps between equal edges are steps. Returns [M, B, D * dim].
    """
    members, rows, columns = x.shape
    low, high = edges[:, :, None, :-1], edges[:, :, None, 1:]
    # Equal edges (a value that fills a whole bin) would divide by zero; a tiny width makes the
    # ramp the step that it is in the limit.
    ramp = (x.transpose(1, 2)[..., None] - low) / (high - low).clamp(min=1e-6)
    below, above = torch.zeros_like(edges[0, 0, :-1]), torch.ones_like(edges[0, 0, :-1])
    below[0].fill_(-1)
    above[-1].fill_(2)
    ramp = torch.minimum(torch.maximum(ramp, below), above).flatten(0, 1)
    vectors = torch.baddbmm(bias.flatten(0, 1)[:, None], ramp, weight.flatten(0, 1))
    return vectors.view(members, columns, rows, -1).transpose(1, 2).reshape(members, rows, -1)
