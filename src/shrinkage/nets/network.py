"""A network, as a population sees it: two layouts and an apply function.

This is the seam between the core and any architecture: the training step knows nothing else
about a network. Tables build theirs in `nets.table`; any torch module becomes one through
`nets.adopt`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from shrinkage.batch import Inputs
from shrinkage.nets.layout import Layout
from shrinkage.randomness import Draws

Hyper = Mapping[str, Mapping[str, Any]]
"""Hyperparameters by ingredient and field: tensors [M] for per-member numbers."""

Arrays = dict[str, Tensor]


class Apply(Protocol):
    def __call__(
        self, weights: Arrays, statistics: Arrays, inputs: Inputs, hyper: Hyper, draws: Draws | None
    ) -> tuple[Tensor, Arrays]:
        """One forward pass of all members.

        weights, statistics: views [M, *shape] by name; inputs: each [M, B, ...].
        draws: the step's randomness in training; None at inference, which then depends on no
        other row of the batch.
        Returns the output [M, B, C], or [M, B, k, C] of k networks in one, and the statistics
        that changed (none at inference).
        """
        ...


@dataclass(frozen=True)
class Network:
    """weights: what the optimizer moves. statistics: what training measures (batch norm).

    start: initial weights [P] for one seed. measure: initial statistics by name from the
    training inputs of one fold ([n, ...] each), for networks that look at their data first.
    given: initial statistics that a seed's network brings along, in place of measured ones.
    cardinalities: codes of each category column, where it embeds a table's.
    lowered: some of its products are not in the precision of the others.
    """

    weights: Layout
    statistics: Layout
    apply: Apply
    start: Callable[[int], Tensor]
    measure: Callable[[Inputs], Arrays] = lambda inputs: {}
    given: Callable[[int], Arrays] = lambda seed: {}
    cardinalities: tuple[int, ...] = ()
    lowered: bool = False
