"""What an ablation's networks cost, beside the same networks trained one by one in PyTorch.

    python benchmarks/ablation_speed.py DIR [--pairs 3]

DIR is a finished study of classes whose winner is a perceptron with batch norm. One seed of the
winner and of every arm that shares its population is trained by the program (all rates, all folds);
beside it stand --sample networks of the winner's recipe as people write them: torch's layers, fused
AdamW, label smoothing, an average of weights, a validation after each epoch, one thread. Sides take
turns; seconds are of this process (CPU time), so other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from shrinkage.engine import arrays, scoring
from shrinkage.evidence import arms
from shrinkage.evidence.design import Design, designed
from shrinkage.evidence.studied import Studied, studied
from shrinkage.population.dataset import Sample
from shrinkage.recipe import Recipe
from shrinkage.run import opened

SAMPLE = 5


class Net(nn.Module):
    """A perceptron on numbers and embedded categories."""

    def __init__(self, recipe: Recipe, design: Design):
        super().__init__()
        shape, mlp = design.problem.shape, recipe.get("architecture")
        dim, rate = recipe.get("categories").dim, getattr(recipe.get("dropout"), "rate", 0.0)
        self.tables = nn.ModuleList(nn.Embedding(n + 1, dim) for n in shape.cardinalities)
        fan, layers = shape.numbers + dim * len(shape.cardinalities), []
        for _ in range(mlp.depth):
            layers += [nn.Linear(fan, mlp.width), nn.BatchNorm1d(mlp.width), nn.Mish()]
            layers += [nn.Dropout(rate)]
            fan = mlp.width
        self.layers = nn.Sequential(*layers, nn.Linear(fan, shape.outputs))

    def forward(self, numbers: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
        parts = [table(categories[:, i]) for i, table in enumerate(self.tables)]
        return self.layers(torch.cat([numbers, *parts], 1))


def tensors(sample: Sample) -> tuple[torch.Tensor, ...]:
    assert sample.target is not None
    return sample.inputs["numbers"].float(), sample.inputs["categories"].long(), sample.target


def eager(recipe: Recipe, design: Design, dataset, number: int) -> float:
    """CPU seconds of one network."""
    began = time.process_time()
    torch.manual_seed(number)
    fold = dataset.folds[number % len(dataset.folds)]
    numbers, categories, target = tensors(fold.train)
    model = Net(recipe, design)
    kept = copy.deepcopy(model)
    share = getattr(recipe.get("ema"), "decay", 0.0)
    smoothing = getattr(recipe.get("label_smoothing"), "eps", 0.0)
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing)
    decay = getattr(recipe.get("decay"), "weight_decay", 0.0)
    rate = recipe.get("optimizer").lr
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay, fused=True)
    best, count = -1.0, len(target)
    for _ in range(recipe.epochs):
        order = torch.randperm(count)
        for start in range(0, count, recipe.batch_size):
            at = order[start : start + recipe.batch_size]
            if len(at) < 2:
                continue
            value = loss(model(numbers[at], categories[at]), target[at])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            with torch.no_grad():
                pairs = zip(kept.parameters(), model.parameters(), strict=True)
                torch._foreach_lerp_(*map(list, zip(*pairs, strict=True)), 1 - share)
        kept.eval()
        with torch.no_grad():
            *inputs, y = tensors(fold.validation)
            score = float((kept(*inputs).argmax(1) == y).double().mean())
        if score >= best:
            best, _ = score, {k: v.clone() for k, v in kept.state_dict().items()}
    return time.process_time() - began


def ours(study: Studied, design: Design, recipes: list[Recipe], seed: int) -> float:
    """CPU seconds a network; files go to a folder of their own."""
    parts, groups = design.parts, design.groups
    began = time.process_time()
    scoring.run(
        scoring.Scoring(design.problem, tuple(recipes), seed, parts, groups, time.monotonic() + 1e6)
    )
    return (time.process_time() - began) / (len(recipes) * design.problem.folds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    study = studied(asked.folder, opened(asked.folder).result)
    winner, plain = study.winner, arms.as_long(study.plain, study.winner)
    switches, _ = arms.switches(winner, plain, study.problem.task, study.problem.shape)
    grid = arms.around(winner, plain)
    every = [winner, *(switch.turned_off(winner) for switch in switches)]
    same = [recipe for recipe in every if recipe.signature == winner.signature]
    recipes = [each for recipe in same for each in grid.arm("", recipe).recipes]
    with tempfile.TemporaryDirectory() as place:
        study = replace(study, folder=Path(place))
        design = designed(study.rows, study.problem, [winner, plain], study.folder, study.seed)
        design.prepare("robust")
        design.prepare("standard")
        scaling = type(winner.get("scaling")).__name__.lower()
        path, shape = design.problem.folder / f"{scaling}.safetensors", design.problem.shape
        folds = design.problem.folds
        dataset = arrays.read(path, folds, shape.outputs, "classification")
        ours(study, design, recipes[:1], 0)  # kernels are loaded
        ratios = []
        for pair in range(asked.pairs):
            one = statistics.mean(eager(winner, design, dataset, i) for i in range(SAMPLE))
            many = ours(study, design, recipes, pair + 1)
            ratios.append(one / many)
            count = len(recipes) * folds
            told = f"eager {one:.3f} s a network ({SAMPLE}), ours {many:.4f} s ({count})"
            print(f"{told}: {one / many:.1f}")
    print(f"median ratio {statistics.median(ratios):.1f}")


if __name__ == "__main__":
    main()
