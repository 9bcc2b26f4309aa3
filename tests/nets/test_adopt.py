"""Foreign torch modules as populations: the core knows nothing of MLPs."""

from __future__ import annotations

import copy

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from population.samples import fit_quality, trained
from shrinkage.errors import BadInput
from shrinkage.losses.label_smoothing import LabelSmoothing
from shrinkage.nets.activation import Tanh
from shrinkage.nets.adopt import adopt
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.table import TableShape
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm
from shrinkage.optim.decay import Decay
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member, network_of
from shrinkage.population.dataset import Dataset, Fold, Sample
from shrinkage.population.predict import predict
from shrinkage.population.state import start
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch, batch_positions

ROWS, BATCH, STEPS = 96, 32, 20


def _digits() -> Dataset:
    images, labels = load_digits(return_X_y=True)
    x = torch.from_numpy(images / 16).reshape(-1, 1, 8, 8)
    y = torch.from_numpy(labels)
    train, validation = slice(0, ROWS), slice(ROWS, ROWS + 40)
    fold = Fold(Sample({"x": x[train]}, y[train]), Sample({"x": x[validation]}, y[validation]))
    return Dataset((fold,), 10, "classification", torch.float64)


class Convolutional(nn.Module):
    """Someone else's network: convolutions, batch norm, pooling, a linear head.

    No bias stands right before a norm: its gradient is rounding noise, which Adam enlarges.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.ReLU(),
            nn.BatchNorm2d(6, momentum=0.3),
            nn.AdaptiveAvgPool2d(2),
        )
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def _module() -> nn.Module:
    """With numbers from a generator of its own: torch's modules start from a global one."""
    module, generator = Convolutional().double(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for array in module.parameters():
            array.copy_(0.3 * torch.randn(array.shape, generator=generator) + (array.dim() == 1))
    return module


RATES, PULLS, SEEDS, SMOOTHING = (0.001, 0.01, 0.03), (0.0, 0.1, 0.5), (0, 0, 7), (0.0, 0.1, 0.2)


def _cohort(module: nn.Module, reset: bool) -> Cohort:
    members = tuple(
        Member(
            Recipe(
                Minibatch(batch_size=BATCH, epochs=7),
                Adam(lr=lr),
                Decay(weight_decay=pull),
                ClipNorm(max_norm=1.0),
                LabelSmoothing(eps=eps),
            ).for_task("classification"),
            seed=seed,
        )
        for lr, pull, seed, eps in zip(RATES, PULLS, SEEDS, SMOOTHING, strict=True)
    )
    return Cohort(members, _digits(), lambda recipe: adopt(module, reset=reset))


@pytest.mark.parametrize("reset", [False, True], ids=["fine-tuned", "from scratch"])
def test_an_adopted_module_trains_as_torch_trains_it(reset: bool) -> None:
    module, dataset = _module(), _digits()
    cohort = _cohort(module, reset)
    begins = cohort.network.weights.views(start(cohort).weights)
    training = trained(cohort, STEPS)
    weights = cohort.network.weights.views(training.state.weights)
    statistics = cohort.network.statistics.views(training.state.statistics)
    train, validation = dataset.folds[0].train, dataset.folds[0].validation
    ours = predict(
        cohort, training.state.weights, training.state.statistics, [validation] * len(SEEDS)
    )
    for i in range(len(SEEDS)):
        twin = copy.deepcopy(module)
        twin.load_state_dict({name: view[i] for name, view in begins.items()}, strict=False)
        norms_and_biases = [p for p in twin.parameters() if p.dim() == 1]
        matrices = [p for p in twin.parameters() if p.dim() > 1]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": PULLS[i]}, {"params": norms_and_biases}],
            lr=RATES[i],
            weight_decay=0.0,
        )
        loss = nn.CrossEntropyLoss(label_smoothing=SMOOTHING[i])
        for rows in batch_positions(SEEDS[i], ROWS, BATCH, 0, STEPS):
            optimizer.zero_grad()
            loss(twin(train.inputs["x"][rows]), train.target[rows]).backward()
            nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
            optimizer.step()
        for name, array in twin.named_parameters():
            torch.testing.assert_close(weights[name][i], array.detach(), rtol=0, atol=1e-8)
        for name in statistics:
            torch.testing.assert_close(
                statistics[name][i], twin.get_buffer(name), rtol=0, atol=1e-8
            )
        expected = twin.eval()(validation.inputs["x"]).softmax(1).detach()
        torch.testing.assert_close(ours[i], expected, rtol=0, atol=1e-8)
    assert float(fit_quality(ours[1][None], validation.target)) > -2.3  # better than guessing


def test_the_adopted_module_itself_is_left_alone() -> None:
    module = _module()
    before = {name: array.clone() for name, array in module.state_dict().items()}
    mode = module.training
    trained(_cohort(module, reset=False), 3)
    assert module.training == mode
    for name, array in module.state_dict().items():
        assert torch.equal(array, before[name])


def test_training_the_module_on_does_not_change_what_was_adopted() -> None:
    module = _module()
    network = adopt(module, reset=False)
    before = network.start(0)
    with torch.no_grad():
        for array in module.parameters():
            array.add_(1)
    assert torch.equal(network.start(0), before)


REFUSED = [
    nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1)),
    nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout2d(0.1)),
    nn.Sequential(nn.AlphaDropout(0.1)),
    nn.RNN(3, 4),
    nn.Sequential(nn.LSTM(3, 4)),
    nn.GRUCell(3, 4),
    nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, momentum=None)),
    nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)),
]


@pytest.mark.parametrize("module", REFUSED, ids=lambda m: type(list(m.modules())[-1]).__name__)
def test_modules_with_hidden_randomness_or_state_are_refused(module: nn.Module) -> None:
    with pytest.raises(ValueError, match="cannot adopt") as caught:
        adopt(module)
    assert type(list(module.modules())[-1]).__name__ in str(caught.value)
    assert not isinstance(caught.value, BadInput)


def test_arrays_that_stand_twice_are_named() -> None:
    module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    module[1].weight = module[0].weight
    with pytest.raises(ValueError, match=r"0\.weight and 1\.weight are one array"):
        adopt(module)


def test_a_part_that_is_used_twice_is_adopted() -> None:
    slope, layers = nn.PReLU(), nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
    module = nn.Sequential(layers[0], slope, layers[1], slope, layers[0]).double()
    network, x = adopt(module, reset=False), torch.linspace(-1, 1, 12).double().reshape(3, 4)
    views = network.weights.views(network.start(0)[None])
    found, _ = network.apply(views, {}, {"x": x[None]}, {}, None)
    torch.testing.assert_close(found[0], module(x), rtol=0, atol=1e-12)


class Scaled(nn.Module):
    """Vectors and numbers that are neither a norm's nor biases."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 6), nn.RMSNorm(6)
        self.slope, self.head = nn.PReLU(6, init=0.3), nn.Linear(6, 2)
        self.scale, self.gain = nn.Parameter(torch.full((6,), 0.5)), nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gain * self.scale * self.slope(self.norm(self.layer(x))))


def test_what_only_scales_starts_as_it_is_and_norms_from_one() -> None:
    module = Scaled()
    with torch.no_grad():
        module.norm.weight.fill_(3.0)
    network = adopt(module)
    found = network.weights.views(network.start(0)[None])
    assert found["norm.weight"].eq(1).all()
    assert found["slope.weight"].eq(0.3).all()
    assert found["scale"].eq(0.5).all()
    assert found["gain"].eq(2.0).all()
    assert found["layer.bias"].eq(0).all()
    assert not found["layer.weight"].eq(module.layer.weight).all()


@pytest.mark.parametrize("depth", [0, 2])
def test_an_adopted_mlp_equals_ours_from_the_same_weights(depth: int) -> None:
    layers: list[nn.Module] = []
    for width in [5, *[8] * depth][:depth]:
        layers += [nn.Linear(width, 8), nn.Tanh()]
    module = nn.Sequential(*layers, nn.Linear(8 if depth else 5, 3)).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 3, (40,), generator=generator)
    recipe = Recipe(
        Minibatch(batch_size=16, epochs=10), Mlp(width=8, depth=depth), Tanh(),
        Sgd(lr=0.1, momentum=0.9, nesterov=True), Decay(weight_decay=0.01),
    ).for_task("classification")  # fmt: skip
    members = (Member(recipe, seed=1), Member(recipe.using(Sgd(lr=0.03, nesterov=True)), seed=2))

    def cohort(name: str, build) -> Cohort:
        sample = Sample({name: x}, y)
        return Cohort(
            members, Dataset((Fold(sample, sample),), 3, "classification", x.dtype), build
        )

    ours = cohort("numbers", lambda r: network_of(r, TableShape(5, (), 3)))
    begin = start(ours)
    with torch.no_grad():
        linears = [part for part in module if isinstance(part, nn.Linear)]
        names = [*(f"layer{i}" for i in range(depth)), "head"]
        views = ours.network.weights.views(begin.weights)
        for name, part in zip(names, linears, strict=True):
            part.weight.copy_(views[f"{name}.weight"][0].T)
            part.bias.copy_(views[f"{name}.bias"][0])
    theirs = cohort("x", lambda r: adopt(module, reset=False))
    left, right = trained(ours, 20), trained(theirs, 20)
    left_views = ours.network.weights.views(left.state.weights)
    right_views = theirs.network.weights.views(right.state.weights)
    keys = [key for key, part in module.named_children() if isinstance(part, nn.Linear)]
    for name, key in zip(names, keys, strict=True):
        torch.testing.assert_close(
            left_views[f"{name}.weight"][0], right_views[f"{key}.weight"][0].T, rtol=0, atol=1e-10
        )
        torch.testing.assert_close(
            left_views[f"{name}.bias"][0], right_views[f"{key}.bias"][0], rtol=0, atol=1e-10
        )
