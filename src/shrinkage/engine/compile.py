"""Compile all kernels: `python -m shrinkage.engine.compile`, which a first run starts by itself.

Trains a few steps of small cohorts that between them call every kernel, and says that it is done.
"""

from __future__ import annotations

import torch

from shrinkage import kernels
from shrinkage.averaging.ema import Ema
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.table import TableShape
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.predict import predict
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

ROWS, STEPS = 32, 2


def recipes() -> list[Recipe]:
    """Between them: whole steps, and each part of a step on its own."""
    few = Minibatch(batch_size=16, epochs=2)
    perceptron = Mlp(width=8, depth=1), BatchNorm(), Periodic(frequencies=4, dim=3)
    plain = Recipe(few, *perceptron, Ema(0.9))
    residual = Recipe(few, Resnet(width=8, blocks=1), LayerNorm(), Ema(0.9))
    return [plain, residual, residual.using(Sgd())]


def train(recipe: Recipe, task: str) -> None:
    line = torch.linspace(-1, 1, ROWS)
    codes = torch.zeros(ROWS, 2, dtype=torch.int64)
    inputs = {"numbers": torch.stack([line, line**2, -line], 1), "categories": codes}
    classes = task == "classification"
    target = torch.arange(ROWS) % 2 if classes else line
    sample = Sample(inputs, target)
    dataset = Dataset((Fold(sample, sample),), 2 if classes else 1, task)
    shape = TableShape(3, (2, 2), dataset.outputs)
    member = Member(recipe.for_task(task))
    cohort = Cohort((member,), dataset, lambda recipe: network_of(recipe, shape))
    training = advance(Training.begin(cohort), STEPS, lambda prediction, target: torch.zeros(1))
    outcome = training.outcome(0)
    predict(cohort, outcome.weights, outcome.statistics, [sample])


def main() -> None:
    torch.set_num_threads(1)
    for recipe in recipes():
        for task in ("classification", "regression"):
            train(recipe, task)
    kernels.mark_compiled()


if __name__ == "__main__":
    main()
