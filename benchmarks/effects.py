"""What each regularizer buys where its effect is known: one small data set each, paired.

    python benchmarks/effects.py [NAME ...] [--draws 20] [--first 0] [--json FILE]

Every data set is drawn anew for every seed, and both arms (with and without the ingredient) are
trained on each draw from the same weights, rows and masks. Printed is the mean paired difference
of the test score over draws with its 95 % t interval; a negative one is a gain, since all scores
here are errors. `docs/effects.md` holds the table on draws 0 to 19; the settings were chosen
while looking at draws from 100 on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from shrinkage.augment.adversarial import Adversarial
from shrinkage.augment.cutmix import Cutmix
from shrinkage.augment.cutout import Cutout
from shrinkage.augment.input_noise import InputNoise
from shrinkage.augment.label_noise import LabelNoise
from shrinkage.augment.mixup import Mixup
from shrinkage.augment.target_noise import TargetNoise
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.averaging.swa import Swa
from shrinkage.losses.absolute_error import AbsoluteError
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.confidence_penalty import ConfidencePenalty
from shrinkage.losses.elastic_net import ElasticNet
from shrinkage.losses.focal import Focal
from shrinkage.losses.huber import Huber
from shrinkage.losses.l1 import L1
from shrinkage.losses.l2 import L2
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets.activation import Sigmoid, Tanh
from shrinkage.nets.activation_noise import ActivationNoise
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.drop_connect import DropConnect
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.initialize import Zeros
from shrinkage.nets.layer_dropout import LayerDropout
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.shake_drop import ShakeDrop
from shrinkage.nets.shake_shake import ShakeShake
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm, ClipValue
from shrinkage.optim.clip_adaptive import ClipAdaptive
from shrinkage.optim.decay import Decay
from shrinkage.optim.gradient_noise import GradientNoise
from shrinkage.optim.independent_decay import IndependentDecay
from shrinkage.optim.max_norm import MaxNorm
from shrinkage.optim.sam import Asam, Sam
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.predict import predict
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine_restarts import CosineRestarts
from shrinkage.stopping.early_stopping import EarlyStopping

TEST_ROWS = 1000
Rng = np.random.Generator


@dataclass(frozen=True)
class Draw:
    """One data set: training rows, and test rows from the distribution that counts."""

    x: np.ndarray
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def _classes(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Which side of a bent surface."""
    return (x @ w + x[:, 0] * x[:, 1] > 0).astype(np.int64)


def noisy_labels(rng: Rng) -> Draw:
    """200 rows, 10 columns, two classes, a quarter of the training labels flipped."""
    w = rng.normal(size=10)
    x, test = rng.normal(size=(200, 10)), rng.normal(size=(TEST_ROWS, 10))
    y = _classes(x, w)
    return Draw(x, np.where(rng.random(200) < 0.25, 1 - y, y), test, _classes(test, w))


def irrelevant_columns(rng: Rng) -> Draw:
    """120 rows, 60 columns of which 3 matter, a number to predict, some noise."""
    x, test = rng.normal(size=(120, 60)), rng.normal(size=(TEST_ROWS, 60))
    w = np.array([1.0, -1.0, 0.5])
    return Draw(x, x[:, :3] @ w + 0.5 * rng.normal(size=120), test, test[:, :3] @ w)


def few_rows(rng: Rng) -> Draw:
    """60 rows of three overlapping classes in 20 columns."""
    centers = 0.7 * rng.normal(size=(3, 20))

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(count) % 3
        return centers[y] + rng.normal(size=(count, 20)), y

    return Draw(*rows(60), *rows(TEST_ROWS))


def shifted_inputs(rng: Rng) -> Draw:
    """200 clean rows; at test every cell is measured with noise of 0.7 deviations."""
    w = rng.normal(size=10)
    x, test = rng.normal(size=(200, 10)), rng.normal(size=(TEST_ROWS, 10))
    noisy = test + 0.7 * rng.normal(size=test.shape)
    return Draw(x, _classes(x, w), noisy, _classes(test, w))


def missing_cells(rng: Rng) -> Draw:
    """300 whole rows of 12 columns, copies of 4 signals; at test 40 % of the cells are lost."""
    w = rng.normal(size=4)
    x, test = (np.repeat(rng.normal(size=(n, 4)), 3, axis=1) for n in (300, TEST_ROWS))
    y, test_y = ((z[:, ::3] @ w > 0).astype(np.int64) for z in (x, test))
    noise = 0.3 * rng.normal(size=x.shape)
    lost = np.where(rng.random(test.shape) < 0.4, 0.0, test)
    return Draw(x + noise, y, lost, test_y)


def unbalanced_classes(rng: Rng) -> Draw:
    """600 rows, about one in twenty of the second class."""
    w = rng.normal(size=8)
    w /= np.linalg.norm(w)

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(count, 8))
        return x, (x @ w + 0.6 * rng.normal(size=count) > 1.9).astype(np.int64)

    return Draw(*rows(600), *rows(4 * TEST_ROWS))


def noisy_targets(rng: Rng) -> Draw:
    """100 rows, 8 columns, a smooth function and as much noise as signal."""
    w = rng.normal(size=8)

    def truth(x: np.ndarray) -> np.ndarray:
        return np.tanh(x @ w) + 0.5 * x[:, 0]

    x, test = rng.normal(size=(100, 8)), rng.normal(size=(TEST_ROWS, 8))
    return Draw(x, truth(x) + rng.normal(size=100), test, truth(test))


def outliers(rng: Rng) -> Draw:
    """200 rows of a linear function; one target in twenty is off by 20 deviations."""
    w = rng.normal(size=8)
    x, test = rng.normal(size=(200, 8)), rng.normal(size=(TEST_ROWS, 8))
    wild = (rng.random(200) < 0.05) * 20 * np.linalg.norm(w) * rng.choice([-1, 1], 200)
    return Draw(x, x @ w + 0.3 * rng.normal(size=200) + wild, test, test @ w)


def heavy_tails(rng: Rng) -> Draw:
    """200 rows of 8 columns with very heavy tails (Student's t, 1.5 degrees), two classes."""
    w = rng.normal(size=8)
    x, test = (rng.standard_t(1.5, size=(n, 8)) for n in (200, TEST_ROWS))
    return Draw(x, (x @ w > 0).astype(np.int64), test, (test @ w > 0).astype(np.int64))


def error_rate(prediction: Tensor, target: Tensor) -> float:
    return float((prediction.argmax(1) != target).double().mean())


def balanced_error(prediction: Tensor, target: Tensor) -> float:
    wrong = (prediction.argmax(1) != target).double()
    return float(torch.stack([wrong[target == c].mean() for c in target.unique()]).mean())


def log_loss(prediction: Tensor, target: Tensor) -> float:
    chosen = prediction.gather(1, target[:, None]).clamp(min=1e-12)
    return float(-chosen.log().mean())


def rmse(prediction: Tensor, target: Tensor) -> float:
    return float((prediction - target).square().mean().sqrt())


PLAIN = (Minibatch(batch_size=32, epochs=100), Mlp(width=64, depth=2), Adam(lr=0.003))


@dataclass(frozen=True)
class Effect:
    """data: how a set is drawn. instance: the ingredient. beside: what both arms have.

    error: what is measured on the test rows; smaller is better.
    aside: share of the training rows that both arms only validate on.
    """

    data: Callable[[Rng], Draw]
    instance: Any
    error: Callable[[Tensor, Tensor], float] = error_rate
    beside: tuple[Any, ...] = ()
    aside: float = 0.0


RESIDUAL = (Resnet(width=32, blocks=4),)
BRANCHED = (Resnet(width=32, blocks=4, branches=2),)
NORMED = (*RESIDUAL, BatchNorm())
RESTLESS = (Adam(lr=0.01),)
WILD = (Sgd(lr=0.15, momentum=0.9),)

EFFECTS: dict[str, Effect] = {
    "l1": Effect(irrelevant_columns, L1(weight=3e-3), rmse),
    "l2": Effect(irrelevant_columns, L2(weight=3e-2), rmse),
    "elastic_net": Effect(irrelevant_columns, ElasticNet(weight=6e-3, l1_ratio=0.5), rmse),
    "decay": Effect(irrelevant_columns, Decay(weight_decay=3.0), rmse),
    "independent_decay": Effect(irrelevant_columns, IndependentDecay(weight_decay=0.01), rmse),
    "max_norm": Effect(irrelevant_columns, MaxNorm(limit=0.5), rmse),
    "dropout": Effect(noisy_labels, Dropout(rate=0.5)),
    "layer_dropout": Effect(noisy_labels, LayerDropout(layer1=0.6, layer2=0.4)),
    "drop_connect": Effect(noisy_labels, DropConnect(rate=0.5)),
    "stochastic_depth": Effect(noisy_labels, StochasticDepth(rate=0.8), log_loss, RESIDUAL),
    "shake_drop": Effect(noisy_labels, ShakeDrop(rate=0.5), log_loss, NORMED),
    "shake_shake": Effect(noisy_labels, ShakeShake(strength=1.0), log_loss, BRANCHED),
    "input_noise": Effect(irrelevant_columns, InputNoise(std=0.5), rmse),
    "activation_noise": Effect(irrelevant_columns, ActivationNoise(std=0.5), rmse),
    "label_noise": Effect(noisy_labels, LabelNoise(rate=0.2), log_loss),
    "target_noise": Effect(noisy_targets, TargetNoise(std=0.5), rmse),
    "gradient_noise": Effect(few_rows, GradientNoise(eta=1e-3), error_rate, (Zeros(), Tanh())),
    "label_smoothing": Effect(noisy_labels, LabelSmoothing(eps=0.3), log_loss),
    "confidence_penalty": Effect(noisy_labels, ConfidencePenalty(weight=0.5), log_loss),
    "focal": Effect(noisy_labels, Focal(gamma=3.0), log_loss),
    "class_weight": Effect(unbalanced_classes, ClassWeight(power=1.0), balanced_error),
    "mixup": Effect(noisy_labels, Mixup(alpha=1.0), log_loss),
    "cutmix": Effect(noisy_labels, Cutmix(alpha=1.0), log_loss),
    "cutout": Effect(missing_cells, Cutout(rate=0.4)),
    "adversarial": Effect(irrelevant_columns, Adversarial(eps=0.1), rmse),
    "sam": Effect(noisy_labels, Sam(rho=0.5)),
    "asam": Effect(noisy_labels, Asam(rho=2.0)),
    "clip_norm": Effect(heavy_tails, ClipNorm(max_norm=0.5), error_rate, WILD),
    "clip_value": Effect(heavy_tails, ClipValue(max_value=0.02), error_rate, WILD),
    "clip_adaptive": Effect(heavy_tails, ClipAdaptive(limit=0.05), error_rate, WILD),
    "huber": Effect(outliers, Huber(delta=0.1), rmse),
    "absolute_error": Effect(outliers, AbsoluteError(), rmse),
    "ema": Effect(noisy_labels, Ema(decay=0.99), log_loss, RESTLESS),
    "swa": Effect(noisy_labels, Swa(start=0.5), log_loss, RESTLESS),
    "lookahead": Effect(noisy_labels, Lookahead(k=5, alpha=0.5), log_loss, RESTLESS),
    "snapshot": Effect(noisy_labels, Snapshot(count=5), log_loss, (CosineRestarts(cycles=5),)),
    "early_stopping": Effect(noisy_labels, EarlyStopping(patience=30.0), log_loss, (), 0.3),
    "batch_ensemble": Effect(noisy_labels, BatchEnsemble(k=8), log_loss),
    "batch_norm": Effect(few_rows, BatchNorm(), error_rate, (Mlp(width=32, depth=8), Sigmoid())),
}


def _sample(x: np.ndarray, y: np.ndarray) -> Sample:
    none = torch.zeros(len(x), 0, dtype=torch.int64)
    return Sample({"numbers": torch.from_numpy(x).float(), "categories": none}, torch.from_numpy(y))


def datasets_of(effect: Effect, draws: range) -> tuple[Dataset, list[Sample]]:
    """Every draw is a fold of one data set; its test rows lie apart."""
    folds, tests = [], []
    for seed in draws:
        draw = effect.data(np.random.default_rng(seed))
        count = len(draw.x) - round(effect.aside * len(draw.x))
        train = _sample(draw.x[:count], draw.y[:count])
        aside = _sample(draw.x[count:], draw.y[count:]) if effect.aside else train
        folds.append(Fold(train, aside))
        tests.append(_sample(draw.test_x, draw.test_y))
    if effect.error is rmse:
        return Dataset(tuple(folds), 1, "regression"), tests
    classes = int(max(int(test.target.max()) for test in tests)) + 1  # pyright: ignore
    return Dataset(tuple(folds), classes, "classification"), tests


def _score(prediction: Tensor, target: Tensor) -> Tensor:
    """Accuracy, or minus the mean squared error: what early stopping looks at."""
    if prediction.dim() == 3:
        return -(prediction.argmax(2) != target).double().mean(1)
    return -(prediction - target).square().mean(1)


def errors(
    effect: Effect, dataset: Dataset, tests: list[Sample], seeds: range, recipe: Recipe
) -> np.ndarray:
    """Test error of the recipe on every draw."""
    members = tuple(Member(recipe, seed, fold) for fold, seed in enumerate(seeds))
    shape = TableShape(tests[0].inputs["numbers"].shape[1], (), dataset.outputs)
    cohort = Cohort(members, dataset, lambda r: network_of(r, shape))
    training = advance(Training.begin(cohort), cohort.total_steps, _score)
    outcomes = [training.outcome(i) for i in range(len(members))]
    weights = torch.cat([outcome.weights for outcome in outcomes])
    statistics = torch.cat([outcome.statistics for outcome in outcomes])
    found = predict(cohort, weights, statistics, tests)
    return np.array([effect.error(p, t.target) for p, t in zip(found, tests, strict=True)])  # pyright: ignore


def measure(effect: Effect, draws: range) -> dict[str, float]:
    """Mean test errors of both arms, their paired difference and its 95 % t interval."""
    dataset, tests = datasets_of(effect, draws)
    plain = Recipe(*PLAIN).using(*effect.beside)
    arms = [r.for_task(dataset.task) for r in (plain, plain.using(effect.instance))]
    without, with_it = (errors(effect, dataset, tests, draws, recipe) for recipe in arms)
    difference = with_it - without
    half = stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference)
    mean = float(difference.mean())
    return {
        "without": float(without.mean()),
        "with": float(with_it.mean()),
        "difference": mean,
        "low": mean - float(half),
        "high": mean + float(half),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("names", nargs="*", choices=[*EFFECTS, []], metavar="NAME")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    draws = range(asked.first, asked.first + asked.draws)
    print("| ingredient | data | error | without | with | difference | 95 % interval | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    found = {}
    for name in asked.names or EFFECTS:
        effect, began = EFFECTS[name], time.perf_counter()
        row = found[name] = measure(effect, draws)
        data, error = (f.__name__.replace("_", " ") for f in (effect.data, effect.error))
        print(
            f"| {name} | {data} | {error} | {row['without']:.4f} | {row['with']:.4f} "
            f"| {row['difference']:+.4f} | {row['low']:+.4f} to {row['high']:+.4f} "
            f"| {time.perf_counter() - began:.0f} |",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
