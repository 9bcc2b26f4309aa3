"""The network of a recipe for a table: embeddings of columns, then an architecture.

numbers [M, B, Dn] --(plain, periodic or piecewise linear)--+
                                                            +-> architecture -> [M, B, C]
categories [M, B, Dc] --(learned embeddings)----------------+
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from shrinkage.batch import Inputs
from shrinkage.nets.embedding import embed_categories, embedding_entries
from shrinkage.nets.initialize import Scheme, initial_weights
from shrinkage.nets.layout import Layout
from shrinkage.nets.network import Network
from shrinkage.nets.parts import Parts, Run
from shrinkage.nets.periodic import Periodic, embed_periodic, periodic_entries
from shrinkage.nets.piecewise_linear import (
    PiecewiseLinear,
    embed_piecewise_linear,
    piecewise_linear_entries,
    quantile_edges,
)


@dataclass(frozen=True)
class TableShape:
    """What a network must know of a table.

    numbers: numeric columns. cardinalities: codes of each category column. outputs: classes,
    or 1 for a number to predict. ranks: columns behind the numbers that recipes may ask for.
    """

    numbers: int
    cardinalities: tuple[int, ...]
    outputs: int
    ranks: int = 0

    def read(self, *, ranked: bool) -> TableShape:
        """The shape of what a recipe's network reads, with the ranks among its numbers."""
        return replace(self, numbers=self.numbers + self.ranks * ranked, ranks=0)


def table_network(
    shape: TableShape,
    architecture: Callable,
    scheme: Scheme,
    parts: Parts,
    embedding_dim: int,
    numbers: Periodic | PiecewiseLinear | None,
) -> Network:
    """Join embeddings and an architecture; `architecture(inputs, outputs, parts)` is a Forward."""
    width = shape.numbers
    if not shape.numbers:
        numbers = None
    if isinstance(numbers, Periodic):
        parts.declare(
            periodic_entries(shape.numbers, numbers.frequencies, numbers.dim, numbers.sigma)
        )
        width = shape.numbers * numbers.dim
    elif isinstance(numbers, PiecewiseLinear):
        parts.declare(*piecewise_linear_entries(shape.numbers, numbers.bins, numbers.dim))
        width = shape.numbers * numbers.dim
    if shape.cardinalities:
        parts.declare(embedding_entries(shape.cardinalities, embedding_dim))
        width += len(shape.cardinalities) * embedding_dim
    parts.weights = [replace(entry, layer="columns") for entry in parts.weights]
    forward = architecture(width, shape.outputs, parts)
    weights, statistics = Layout(tuple(parts.weights)), Layout(tuple(parts.statistics))

    def columns(inputs: Inputs, run: Run) -> list[Tensor]:
        found = []
        if shape.numbers:
            x = inputs["numbers"]
            if isinstance(numbers, Periodic):
                names = ("frequency", "phase", "weight", "bias")
                x = embed_periodic(x, *(run.weight(f"numbers.{name}") for name in names))
            elif isinstance(numbers, PiecewiseLinear):
                edges = run.statistics["numbers.edges"]
                weight, bias = run.weight("numbers.weight"), run.weight("numbers.bias")
                x = embed_piecewise_linear(x, edges, weight, bias)
            found.append(x)
        if shape.cardinalities:
            table = run.weight("categories.table")
            found.append(embed_categories(inputs["categories"], table, shape.cardinalities))
        return found

    def apply(weights, statistics, inputs, hyper, draws):
        run = Run(parts, weights, statistics, hyper, draws)
        found = columns(inputs, run)
        x = found[0] if len(found) == 1 else torch.cat(found, -1)
        return forward(run.enter(x), run), run.changed

    def measure(inputs: Inputs) -> dict[str, Tensor]:
        start = {e.name: torch.full(e.shape, e.start) for e in statistics.entries}
        if isinstance(numbers, PiecewiseLinear):
            start["numbers.edges"] = quantile_edges(inputs["numbers"], numbers.bins)
        return start

    return Network(
        weights,
        statistics,
        apply,
        lambda seed: initial_weights(weights, seed, scheme),
        measure,
        cardinalities=shape.cardinalities,
    )
