"""What augmentations hide or exchange: cells of a row, which several columns may tell of.

A number is read scaled, and perhaps as its rank, as a category, and as a mark where it is missing.
Hiding one of these and showing another would hide nothing.

| symbol | meaning |
|---|---|
| M, B | members, rows of a batch |
| D | columns of an input |
| C | cells of a row |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from shrinkage.batch import Inputs
from shrinkage.randomness import Draws


@dataclass(frozen=True)
class Cells:
    """Of which cell each column tells.

    count: C. places: by input, int64 [M, D], in 0..C-1. Every entry of an input that is not
    among them is a cell of its own.
    """

    count: int = 0
    places: Mapping[str, Tensor] = field(default_factory=dict)


EACH = Cells()
"""Every entry of every input is a cell of its own."""


def cell_uniforms(inputs: Inputs, draws: Draws, stream: str, cells: Cells) -> Inputs:
    """Uniforms in [0, 1) for every entry of inputs [M, B, ...], shared by columns of one cell."""
    found, shared = {}, None
    for name, x in inputs.items():
        places = cells.places.get(name)
        if places is None:
            found[name] = draws.uniform(f"{stream}.{name}", tuple(x.shape[1:]))
            continue
        if shared is None:
            shared = draws.uniform(f"{stream}.cells", (x.shape[1], cells.count))
        found[name] = torch.gather(shared, 2, places[:, None].expand(x.shape))
    return found
