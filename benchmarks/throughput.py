"""Training steps per core-second, beside what people write by hand.

    python benchmarks/throughput.py [--widths 32 64 128 256 512] [--pairs 5] [--json FILE]
    python benchmarks/throughput.py --scaling --widths 64 256

Three hidden layers, batch norm, dropout 0.1, AdamW, batches of 128 rows, 54 columns, 7 classes,
12,800 rows in memory. Each side runs with one process a core, all at once, for --seconds; sides
take turns, and what is printed are medians over pairs of one run.

ours     a cohort of --members members a process, through the program's own training loop
bf16     the same with the products of wide layers in bfloat16; not where none is wide
eager    one network a process: torch's layers, fused AdamW, rows gathered by index, no data loader;
         the better of one process a core with one thread, and one process with all cores as threads
loader   the same network as people write it: a DataLoader in the objective of an Optuna study, one
         process, torch's own choice of threads

"peak" is the share of what the cores do in a matrix product of 1024 x 1024 (sgemm, measured in the
same run) that our steps spend in matrix products, counting nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import nn

from shrinkage.engine import local
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.precision import WIDE, lowered
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.optim.decay import Decay
from shrinkage.population import captured
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

ROWS, COLUMNS, CLASSES, BATCH, DEPTH = 12_800, 54, 7, 128, 3
WARM = captured.WARM + 8


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, COLUMNS, generator=generator)
    return x, torch.randint(CLASSES, (ROWS,), generator=generator)


def ours(
    width: int, members: int, seconds: float, precision: str = "float32", device: str = "cpu"
) -> float:
    """Steps of all members in a second."""
    x, y = (array.to(device) for array in rows())
    dataset = Dataset(
        (Fold(Sample({"numbers": x}, y), Sample({"numbers": x[:256]}, y[:256])),),
        CLASSES,
        "classification",
    )
    recipe = Recipe(
        Minibatch(batch_size=BATCH, epochs=10_000),
        Mlp(width=width, depth=DEPTH),
        BatchNorm(),
        Dropout(rate=0.1),
        Decay(weight_decay=0.01),
    ).for_task("classification")
    recipes = [recipe.using(Adam(lr=1e-3 * (1 + i / members))) for i in range(members)]
    shape = TableShape(COLUMNS, (), CLASSES)
    each = tuple(Member(recipe) for recipe in recipes)
    cohort = Cohort(
        each, dataset, lambda recipe: lowered(network_of(recipe, shape), precision), device
    )
    training = advance(Training.begin(cohort), WARM, _no_score)
    settle(device)
    first, began = training.state.step, time.perf_counter()
    while (taken := time.perf_counter() - began) < seconds:
        training = advance(training, training.state.step + ROWS // BATCH, _no_score)
        settle(device)
    return (training.state.step - first) * members / taken


def settle(device: str) -> None:
    """Wait until a GPU has done all that was asked of it."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def _no_score(prediction, target):
    return torch.zeros(len(prediction))


def network(width: int) -> nn.Module:
    layers, fan = [], COLUMNS
    for _ in range(DEPTH):
        layers += [nn.Linear(fan, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.1)]
        fan = width
    return nn.Sequential(*layers, nn.Linear(fan, CLASSES))


def eager(width: int, threads: int, seconds: float, device: str = "cpu") -> float:
    torch.set_num_threads(threads)
    x, y = (array.to(device) for array in rows())
    model, loss = network(width).to(device), nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    done, began = -WARM, 0.0
    while True:
        order = torch.randperm(ROWS, device=device)
        for start in range(0, ROWS, BATCH):
            if done == 0:
                settle(device)
                began = time.perf_counter()
            at = order[start : start + BATCH]
            value = loss(model(x[at]), y[at])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            done += 1
            if done > 0 and time.perf_counter() - began > seconds:
                settle(device)
                return done / (time.perf_counter() - began)


def loader(width: int, seconds: float) -> float:
    import optuna
    from torch.utils.data import DataLoader, TensorDataset

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(os.cpu_count() or 1)
    batches = DataLoader(TensorDataset(*rows()), batch_size=BATCH, shuffle=True)
    found: list[float] = []

    def objective(trial) -> float:
        model = network(width)
        rate = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        loss, done, began, total = nn.CrossEntropyLoss(), -WARM, 0.0, 0.0
        while True:
            for x, y in batches:
                if done == 0:
                    began = time.perf_counter()
                optimizer.zero_grad()
                value = loss(model(x), y)
                value.backward()
                optimizer.step()
                total += value.item()
                done += 1
                if done > 0 and (taken := time.perf_counter() - began) > seconds:
                    found.append(done / taken)
                    return total

    optuna.create_study().optimize(objective, n_trials=1)
    return found[0]


def sgemm(threads: int, seconds: float) -> float:
    """Floating-point operations of matrix products in a second."""
    torch.set_num_threads(threads)
    a, b = torch.randn(2, 1024, 1024)
    torch.mm(a, b)
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < seconds:
        torch.mm(a, b)
        count += 1
    return count * 2 * 1024**3 / taken


def operations(width: int) -> int:
    """Of the matrix products of a step: forward, and backward by weights and by inputs."""
    first, hidden, last = COLUMNS * width, (DEPTH - 1) * width**2, width * CLASSES
    return 2 * BATCH * (2 * first + 3 * (hidden + last))


def on_all_cores(cores: int, function: Callable[..., float], *arguments: object) -> float:
    """The sum of what one process a core finds, all at once."""
    pool = local.executor(cores)
    try:
        with ThreadPoolExecutor(cores):
            waiting = [pool.submit(function, *arguments) for _ in range(cores)]
            return sum(future.result() for future in waiting)
    finally:
        local.stop(pool)


def scaling(widths: list[int], members: int, pairs: int, cores: int, seconds: float) -> None:
    """Prints how many times one core's steps all cores take."""
    print("| width | one core |", cores, "cores | ratio |\n|---|---|---|---|")
    for width in widths:
        turns = [
            [on_all_cores(count, ours, width, members, seconds) for count in (1, cores)]
            for _ in range(pairs)
        ]
        one, several = (statistics.median(turn[k] for turn in turns) for k in (0, 1))
        ratio = statistics.median(turn[1] / turn[0] for turn in turns)
        print(f"| {width} | {one:,.0f} | {several:,.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--widths", type=int, nargs="*", default=[32, 64, 128, 256, 512])
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-loader", action="store_true", help="leave Optuna out")
    parser.add_argument("--scaling", action="store_true", help="all cores against one, ours only")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cores, seconds = given.cores, given.seconds
    if given.scaling:
        return scaling(given.widths, given.members, given.pairs, cores, seconds)
    everyone = [ours, eager, sgemm] + ([] if given.no_loader else [loader])
    found = {}
    print("steps per core-second; medians of", given.pairs, "turns on", cores, "cores")
    print("| width | ours | bf16 | eager | loader | ours / eager | ours / loader | share of peak |")
    print("|---|---|---|---|---|---|---|---|")
    for width in given.widths:
        turns = []
        for _ in range(given.pairs):
            turn = {
                "ours": on_all_cores(cores, ours, width, given.members, seconds),
                "eager": max(
                    on_all_cores(cores, eager, width, 1, seconds),
                    on_all_cores(1, eager, width, cores, seconds),
                ),
                "sgemm": on_all_cores(cores, sgemm, 1, 1.0),
            }
            if width >= WIDE:
                low = (width, given.members, seconds, "bfloat16")
                turn["bf16"] = on_all_cores(cores, ours, *low)
            if loader in everyone:
                turn["loader"] = on_all_cores(1, loader, width, seconds)
            turns.append({name: value / cores for name, value in turn.items()})
        found[width] = turns

        def median(of: Callable[[dict], float]) -> float:
            return statistics.median(of(turn) for turn in turns)  # noqa: B023

        beside = loader in everyone
        cells = [
            f"{median(lambda t: t['ours']):,.0f}",
            f"{median(lambda t: t['bf16']):,.0f}" if width >= WIDE else "",
            f"{median(lambda t: t['eager']):,.0f}",
            f"{median(lambda t: t['loader']):,.0f}" if beside else "",
            f"{median(lambda t: t['ours'] / t['eager']):.2f}",
            f"{median(lambda t: t['ours'] / t['loader']):.1f}" if beside else "",
            f"{median(lambda t: t['ours'] * operations(width) / t['sgemm']):.0%}",  # noqa: B023
        ]
        print("|", width, "|", " | ".join(cells), "|", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
