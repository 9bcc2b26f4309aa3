"""Training steps a second on a GPU, beside a sequential loop; networks of benchmarks/throughput.py.

    python benchmarks/gpu.py [--widths 32 64 128 256 512] [--members 1024] [--pairs 5] [--json FILE]

ours     a cohort of --members members at once, in float32, in tf32 and with wide layers in bfloat16
eager    one network after the other: torch's layers, fused AdamW, rows gathered by index on the GPU

Sides take turns; printed are medians over pairs of one run. --device cpu runs the same code where
there is no GPU, to see that it runs: its numbers are not those of docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch
from throughput import eager, ours

SIDES = {"float32": "float32", "tf32": "float32", "bfloat16": "bfloat16"}
"""What is asked of the network, by what is asked of the products that it leaves alone."""


def ours_in(precision: str, width: int, members: int, seconds: float, device: str) -> float:
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    return ours(width, members, seconds, SIDES[precision], device)


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
    found = {}
    print("steps a second on", given.device, "with", given.members, "members")
    print("| width |", " | ".join(SIDES), "| eager | best / eager |")
    print("|---|---|---|---|---|---|")
    for width in given.widths:
        turns = []
        for _ in range(given.pairs):
            asked = width, given.members, given.seconds, given.device
            turn = {name: ours_in(name, *asked) for name in SIDES}
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
