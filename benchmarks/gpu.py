"""Training steps a second on a GPU, beside a sequential loop; networks of benchmarks/throughput.py.

    python benchmarks/gpu.py [--widths 32 64 128 256 512] [--members 1024] [--pairs 5] [--json FILE]

float32  a cohort of --members members at once, each step replayed as a captured graph
tf32     the same with products in tf32; bfloat16: with those of wide layers in bfloat16
readable in float32 without a graph: every operation is launched from Python
fused    in float32, a graph of what Inductor makes of the step; it takes minutes to compile
eager    one network after the other: torch's layers, fused AdamW, rows gathered by index on the GPU

Sides take turns; printed are medians over pairs of one run. --device cpu runs the same code where
there is no GPU, to see that it runs: its numbers are not those of docs/speed.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from throughput import eager, ours

from shrinkage.population import captured
from shrinkage.testing.recording import recording


def fused(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
    """A graph of what Inductor makes of the recorded step."""
    step = torch.compile(recording(function, *arguments), fullgraph=True, dynamic=False)
    # Compiled on copies: nothing may be compiled while the graph is captured.
    copies = [copy.deepcopy(each) for each in arguments]
    step(*copies)
    return captured.cuda_graph(step, *arguments)


@dataclass(frozen=True)
class Side:
    """network: precision of its wide layers. products: of all others, as torch names it."""

    network: str = "float32"
    products: str = "highest"
    capture: captured.Capture | None = captured.cuda_graph


SIDES = {
    "float32": Side(),
    "tf32": Side(products="high"),
    "bfloat16": Side(network="bfloat16", products="high"),
    "readable": Side(capture=None),
    "fused": Side(capture=fused),
}


def ours_in(side: Side, width: int, members: int, seconds: float, device: str) -> float:
    torch.set_float32_matmul_precision(side.products)
    captured.ON.clear()
    if side.capture is not None:
        captured.ON["cuda"] = side.capture
    return ours(width, members, seconds, side.network, device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--widths", type=int, nargs="*", default=[32, 64, 128, 256, 512])
    parser.add_argument("--members", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        sys.exit("no GPU that torch can use; --device cpu runs the same code")
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # says where a capture fails
    found = {}
    print("steps a second on", given.device, "with", given.members, "members")
    print("| width |", " | ".join(SIDES), "| eager | best / eager |")
    print("|---" * (len(SIDES) + 3) + "|")
    for width in given.widths:
        turns = []
        for _ in range(given.pairs):
            asked = width, given.members, given.seconds, given.device
            turn = {name: ours_in(side, *asked) for name, side in SIDES.items()}
            turn["eager"] = eager(width, 1, given.seconds, given.device)
            turns.append(turn)
        found[width] = turns
        medians = [statistics.median(turn[name] for turn in turns) for name in (*SIDES, "eager")]
        ratio = statistics.median(max(turn[n] for n in SIDES) / turn["eager"] for turn in turns)
        print(
            f"| {width} |", " | ".join(f"{x:,.0f}" for x in medians), f"| {ratio:.1f} |", flush=True
        )
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
