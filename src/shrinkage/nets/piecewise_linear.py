"""Piecewise-linear embeddings of numbers: a column becomes ramps between its quantiles.

    r_t(x) = clip((x - q_t) / (q_{t+1} - q_t), 0, 1),   t = 1 .. bins
    e_j    = r(x_j) W_j + b_j

The edges q are quantiles of the training rows, each once: where a value fills whole bins, as in
columns of 0 and 1, there are fewer ramps, and the weights of the others do nothing. The first ramp
goes on below for one bin's width and the last above, so values beyond the training rows keep some
order.

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

_LEAST, _FAR = 1e-6, 1e6
"""In scaled units: edges nearer than the first are one; no row is as far away as the second."""


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
    """x: training numbers [n, D]. Returns edges [D, bins + 1], growing along a column.

    Of equal ones the first is kept: a ramp between them would be a step where rows lie, and noise
    would throw them to and fro. Edges far away stand for the others.
    """
    shares = torch.linspace(0, 1, bins + 1, dtype=x.dtype, device=x.device)
    quantiles = torch.quantile(x, shares, dim=0).T
    first = torch.ones_like(quantiles, dtype=torch.bool)
    first[:, 1:] = quantiles.diff(dim=1) > _LEAST
    places = torch.arange(bins + 1, dtype=x.dtype, device=x.device)
    edges = quantiles[:, -1:] + _FAR * places
    column = torch.arange(len(edges), device=x.device)[:, None].expand_as(first)
    edges[column[first], (first.cumsum(1) - 1)[first]] = quantiles[first]
    return edges.contiguous()


def embed_piecewise_linear(x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x: [M, B, D]; edges: [M, D, T+1]; weight: [M, D, T, dim]; bias: [M, D, dim].

    Returns [M, B, D * dim].
    """
    members, rows, columns = x.shape
    low, high = edges[:, :, None, :-1], edges[:, :, None, 1:]
    width = high - low
    # Models that were saved before equal edges were left out have widths of 0.
    ramp = (x.transpose(1, 2)[..., None] - low) / width.clamp(min=_LEAST)
    below = torch.zeros_like(edges[0, 0, :-1])
    below[0].fill_(-1)
    far = width > _FAR / 2
    followed = torch.cat([far[..., 1:], torch.ones_like(far[..., :1])], -1)
    above = torch.where(~far & followed, 2.0, 1.0)
    ramp = torch.minimum(torch.maximum(ramp, below), above).flatten(0, 1)
    vectors = torch.baddbmm(bias.flatten(0, 1)[:, None], ramp, weight.flatten(0, 1))
    return vectors.view(members, columns, rows, -1).transpose(1, 2).reshape(members, rows, -1)
