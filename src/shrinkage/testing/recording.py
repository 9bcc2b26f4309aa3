"""A captured step without a GPU: its operations are recorded once and run again, as a graph's are.

What Python computed while recording is lost, so a recording that goes on as the readable step does
holds all that tells one step from another in its buffers. What a GPU could not capture is refused:
a number that the CPU would wait for, a tensor that it would send, a shape that depends on data.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

HOST = {
    "_local_scalar_dense",
    "lift_fresh",
    "lift_fresh_copy",
    "masked_select",
    "nonzero",
    "_unique2",
}
"""Operations between a device and the CPU, and of shapes that only the device knows."""


def recorded(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
    """A `population.captured.Capture` on any device.

    Raises RuntimeError for what a GPU could not capture.
    """
    return partial(recording(function, *arguments), *arguments)


def recording(function: Callable[..., None], *arguments: Any) -> GraphModule:
    """The operations by which the function changes such arguments, which stay as they are."""
    copies = [
        {name: x.clone() for name, x in each.items()} if isinstance(each, dict) else each.clone()
        for each in arguments
    ]
    graph = make_fx(function)(*copies)
    if found := [str(node.target) for node in graph.graph.nodes if _on_host(node)]:
        raise RuntimeError(f"a GPU cannot capture {', '.join(found)}")
    return graph


def _on_host(node: Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    name = node.target.overloadpacket.__name__
    moved = name == "_to_copy" and "device" in node.kwargs
    chosen = name == "index" and any(
        isinstance(at, Node) and at.meta["val"].dtype == torch.bool
        for at in node.args[1]  # pyright: ignore
    )
    return name in HOST or moved or chosen
