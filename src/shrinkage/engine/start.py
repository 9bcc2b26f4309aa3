"""Networks that start from those of an earlier model: its layers, and a new last one.

What is kept lies in one safetensors file, an array a name with its networks along the first
axis. A network of seed s takes over number s modulo their count.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from shrinkage.files import replacing
from shrinkage.nets.network import Arrays, Network

_WEIGHTS, _STATISTICS = "weights.", "statistics."


def kept(network: Network) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what is taken over: all but the weights and biases of the last layer."""
    layout = network.weights
    below = zip(layout.entries, layout.distances, strict=True)
    weights = {_WEIGHTS + e.name: e.shape for e, d in below if d or e.role == "norm"}
    return weights | {_STATISTICS + e.name: e.shape for e in network.statistics.entries}


def write(network: Network, weights: Tensor, statistics: Tensor, path: Path) -> None:
    """Keep networks for others to start from. weights: [S, P]; statistics: [S, Q]."""
    arrays = {_WEIGHTS + name: view for name, view in network.weights.views(weights).items()}
    views = network.statistics.views(statistics)
    arrays |= {_STATISTICS + name: view for name, view in views.items()}
    with replacing(path, sync=False) as temporary:
        save_file({name: arrays[name].contiguous() for name in kept(network)}, temporary)


def started(network: Network, arrays: Arrays) -> Network:
    """The network, with what `write` kept in place of its own start."""
    places = kept(network)

    def of(seed: int, prefix: str) -> Arrays:
        return {
            name.removeprefix(prefix): arrays[name][seed % len(arrays[name])]
            for name in places
            if name.startswith(prefix)
        }

    def start(seed: int) -> Tensor:
        weights = network.start(seed)
        views = network.weights.views(weights[None])
        for name, array in of(seed, _WEIGHTS).items():
            views[name][0] = array
        return weights

    return replace(network, start=start, given=lambda seed: of(seed, _STATISTICS))
