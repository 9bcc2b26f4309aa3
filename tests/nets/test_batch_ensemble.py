"""Networks that share weights: each is a plain network of its own scaled weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nets.alone import Alone, numbers_of
from population.samples import cohort_of, fit_quality, table, trained
from shrinkage.batch import Batch
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.drop_connect import DropConnect
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.layer_norm import LayerNorm
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.predict import predict
from shrinkage.population.state import start
from shrinkage.population.step import mean_loss
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch

K, ROWS, WIDTH = 3, 20, 6
EMBEDDED = (BatchEnsemble(k=K), Embedding(dim=2))


@dataclass(frozen=True)
class Body:
    """name, norm: of Alone's methods."""

    name: str
    norm: str
    ingredients: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.name}, {self.norm}"


BODIES = [
    Body("mlp", "none", (Mlp(width=WIDTH, depth=2),)),
    Body("mlp", "layer_norm", (Mlp(width=WIDTH, depth=2), LayerNorm())),
    Body("resnet", "layer_norm", (Resnet(width=WIDTH, blocks=2, expansion=1.5), LayerNorm())),
]


def _cohort(*ingredients: Any, task: str = "classification", count: int = 2) -> Cohort:
    recipe = Recipe(*EMBEDDED, *ingredients).for_task(task)
    members = [Member(recipe, seed=i, fold=i % 2) for i in range(count)]
    return cohort_of(members, table(task, rows=ROWS))


def _batch(cohort: Cohort) -> Batch:
    return cohort.dataset.batch(cohort.folds, torch.arange(ROWS).expand(len(cohort.members), ROWS))


def _leaves(cohort: Cohort, stir: float = 0.3) -> dict[str, Tensor]:
    """Initial weights, moved away from where all scalings are one and biases zero."""
    flat = start(cohort).weights
    generator = torch.Generator().manual_seed(1)
    flat = flat + stir * torch.randn(flat.shape, generator=generator, dtype=flat.dtype)
    views = cohort.network.weights.views(flat)
    return {name: view.detach().requires_grad_() for name, view in views.items()}


def _one_network(own: dict[str, Tensor], j: int) -> dict[str, Tensor]:
    """Plain weights of network j: W with its rows scaled by r_j and its columns by s_j."""
    plain = dict(own)
    for name in own:
        if name.endswith(".scale_in"):
            layer = name.removesuffix(".scale_in")
            scale = own[name][j][:, None] * own[f"{layer}.scale_out"][j]
            plain[f"{layer}.weight"] = own[f"{layer}.weight"] * scale
            plain[f"{layer}.bias"] = own[f"{layer}.bias"][j]
    return plain | {key: own[key][j] for key in ("head.weight", "head.bias")}


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_loss_and_gradient_are_means_over_plain_networks_of_scaled_weights(body: Body) -> None:
    cohort = _cohort(*body.ingredients)
    batch, weights = _batch(cohort), _leaves(cohort)
    output, _ = cohort.network.apply(weights, {}, batch.inputs, cohort.hyper, Draws((0, 1)))
    assert output.shape == (2, ROWS, K, 3)
    losses = mean_loss(cohort, output, batch)
    grads = torch.autograd.grad(losses.sum(), list(weights.values()))
    for i, member in enumerate(cohort.members):
        own = {name: w[i].detach().requires_grad_() for name, w in weights.items()}
        loss = torch.zeros((), dtype=torch.float64)
        for j in range(K):
            alone = Alone(
                _one_network(own, j), {}, numbers_of(member.recipe), None, torch.relu, body.norm
            )
            codes = alone.categories(batch.inputs["categories"][i])
            x = torch.cat([batch.inputs["numbers"][i], codes], 1)
            expected = getattr(alone, body.name)(x)
            torch.testing.assert_close(output[i, :, j], expected, rtol=0, atol=1e-10)
            loss = loss + functional.cross_entropy(expected, batch.target[i]) / K
        torch.testing.assert_close(losses[i], loss, rtol=0, atol=1e-10)
        wanted = torch.autograd.grad(loss, list(own.values()))
        for name, ours, theirs in zip(own, grads, wanted, strict=True):
            torch.testing.assert_close(ours[i], theirs, rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_prediction_is_the_mean_of_the_networks_predictions(task: str) -> None:
    cohort = _cohort(Mlp(width=WIDTH), task=task)
    weights = cohort.network.weights.flatten(_leaves(cohort)).detach()
    samples = [cohort.dataset.folds[int(fold)].validation for fold in cohort.folds]
    found = predict(cohort, weights, start(cohort).statistics, samples)
    for i, sample in enumerate(samples):
        inputs = {name: x.expand(2, *x.shape) for name, x in sample.inputs.items()}
        output = cohort.network.apply(cohort.network.weights.views(weights), {}, inputs, {}, None)
        units = cohort.dataset.folds[i % 2].units
        each = []
        for z in output[0][i].unbind(1):
            number = (z[:, 0] * units.spread + units.center).clamp(units.lowest, units.highest)
            each.append(z.softmax(1) if task == "classification" else number)
        torch.testing.assert_close(found[i], torch.stack(each).mean(0), rtol=0, atol=1e-12)


def test_class_weights_and_smoothing_act_on_each_networks_row() -> None:
    cohort = _cohort(Mlp(width=WIDTH), ClassWeight(power=1.0), LabelSmoothing(eps=0.2))
    batch, weights = _batch(cohort), _leaves(cohort)
    output, _ = cohort.network.apply(weights, {}, batch.inputs, cohort.hyper, Draws((0, 1)))
    each = [mean_loss(cohort, output[:, :, j], batch) for j in range(K)]
    expected = torch.stack(each).mean(0)
    torch.testing.assert_close(mean_loss(cohort, output, batch), expected, rtol=0, atol=1e-12)


def test_networks_start_apart_by_signs_of_the_input_and_by_their_last_layers() -> None:
    shape = TableShape(40, (), 3)
    network = network_of(Recipe(BatchEnsemble(k=50), Mlp(width=32, depth=2)), shape)
    views = network.weights.views(network.start(3)[None])
    signs = views["layer0.scale_in"]
    assert set(signs.unique().tolist()) == {-1.0, 1.0}
    assert float(signs.mean()) == pytest.approx(0, abs=4 / 2000**0.5)
    for name in ("layer0.scale_out", "layer1.scale_in", "layer1.scale_out"):
        assert (views[name] == 1).all()
    deviation = (2 / 32) ** 0.5  # Kaiming, by the inputs of one network
    assert float(views["head.weight"].std() / deviation) == pytest.approx(1, abs=0.05)
    scalings = {entry.name for entry in network.weights.entries if "scale_" in entry.name}
    pulled = network.weights.views(network.weights.mask(("weight",))[None])
    assert not any(pulled[name].any() for name in scalings)


def test_batch_norm_counts_the_rows_of_all_networks_together() -> None:
    cohort = _cohort(Mlp(width=WIDTH, depth=1), BatchNorm(momentum=1.0))
    batch, weights = _batch(cohort), _leaves(cohort)
    statistics = cohort.network.statistics.views(start(cohort).statistics)
    apply = cohort.network.apply
    _, changed = apply(weights, statistics, batch.inputs, cohort.hyper, Draws((0, 1)))
    for i in range(2):
        own = {name: w[i] for name, w in weights.items()}
        rows = []
        for j in range(K):
            alone = Alone(_one_network(own, j), {}, {}, None, torch.relu, "none")
            codes = alone.categories(batch.inputs["categories"][i])
            x = torch.cat([batch.inputs["numbers"][i], codes], 1)
            rows.append(alone.linear(x, "layer0"))
        together = torch.cat(rows).detach()
        torch.testing.assert_close(changed["layer0.norm.mean"][i], together.mean(0))
        torch.testing.assert_close(changed["layer0.norm.variance"][i], together.var(0))


def test_training_lowers_the_loss_and_keeps_the_networks_apart() -> None:
    noise = (Dropout(rate=0.2), DropConnect(rate=0.1), BatchNorm())
    recipe = Recipe(
        BatchEnsemble(k=4),
        Mlp(width=16),
        Adam(lr=0.01),
        Minibatch(batch_size=16, epochs=30),
        *noise,
    ).for_task("classification")
    cohort = cohort_of([Member(recipe, seed=s) for s in range(3)], table())
    training = trained(cohort, 100)
    train = cohort.dataset.folds[0].train
    state = training.state
    before = start(cohort)
    begin = predict(cohort, before.weights, before.statistics, [train] * 3)
    end = predict(cohort, state.weights, state.statistics, [train] * 3)
    gain = [fit_quality(e[None], train.target) - fit_quality(b[None], train.target)  # pyright: ignore
            for b, e in zip(begin, end, strict=True)]  # fmt: skip
    assert min(float(g) for g in gain) > 0.2
    inputs = {name: x.expand(3, *x.shape) for name, x in train.inputs.items()}
    views = (cohort.network.weights.views(state.weights),
             cohort.network.statistics.views(state.statistics))  # fmt: skip
    each = cohort.network.apply(*views, inputs, {}, None)[0].softmax(-1)
    assert each.std(2).mean() > 0.02


def test_a_row_is_predicted_alike_whatever_rows_stand_beside_it() -> None:
    cohort = _cohort(Mlp(width=WIDTH), BatchNorm())
    weights, batch = _leaves(cohort), _batch(cohort)
    statistics = cohort.network.statistics.views(start(cohort).statistics)
    whole = cohort.network.apply(weights, statistics, batch.inputs, {}, None)[0]
    part = {name: x[:, 5:8] for name, x in batch.inputs.items()}
    alone = cohort.network.apply(weights, statistics, part, {}, None)[0]
    torch.testing.assert_close(alone, whole[:, 5:8], rtol=0, atol=1e-12)
