"""Layer rates against torch's parameter groups, and what must not move at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from population.samples import cohort_of, stepped, table
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.errors import BadInput
from shrinkage.losses.l2 import L2
from shrinkage.nets.activation import Tanh
from shrinkage.nets.adopt import adopt
from shrinkage.nets.batch_ensemble import BatchEnsemble
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.periodic import Periodic
from shrinkage.nets.resnet import Resnet
from shrinkage.optim.adam import Adam
from shrinkage.optim.decay import Decay
from shrinkage.optim.gradient_noise import GradientNoise
from shrinkage.optim.layer_rates import LayerRates, layer_rates
from shrinkage.optim.lion import Lion
from shrinkage.optim.max_norm import MaxNorm
from shrinkage.optim.muon import Muon
from shrinkage.optim.sam import Sam
from shrinkage.optim.schedule_free import ScheduleFree
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.state import start
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.testing.case import fit_quality

STEPS, ROWS = 60, 30
FIXED = (Minibatch(batch_size=ROWS, epochs=STEPS), Mlp(width=6, depth=2), Tanh(), Embedding(dim=2))
DISTANCE = {"categories": 3, "numbers": 3, "layer0": 2, "layer1": 1, "head": 0}
GENTLER = (0.3, 1.0, 0.7)
RATE = (0.02, 0.03, 0.01)


def _cohort(*own: list[Any]) -> Cohort:
    recipes = [Recipe(*FIXED).using(*each).for_task("regression") for each in own]
    members = [Member(recipe, seed=i) for i, recipe in enumerate(recipes)]
    return cohort_of(members, table("regression", rows=ROWS, folds=1))


def _ended(cohort: Cohort, steps: int = STEPS) -> dict[str, Tensor]:
    count = len(cohort.members)
    batch = cohort.dataset.batch(cohort.folds, torch.arange(ROWS).expand(count, ROWS))
    return cohort.network.weights.views(stepped(cohort, batch, steps).weights)


def _begun(cohort: Cohort) -> dict[str, Tensor]:
    return cohort.network.weights.views(start(cohort).weights)


@dataclass(frozen=True)
class Rule:
    """ours: of member i. twin: the torch optimizer of groups that bring their own rates."""

    name: str
    ours: Callable[[int], list[Any]]
    twin: Callable[[list], torch.optim.Optimizer]

    def __str__(self) -> str:
        return self.name


RULES = [
    Rule("sgd", lambda i: [Sgd(lr=RATE[i])], lambda g: torch.optim.SGD(g)),
    Rule(
        "momentum",
        lambda i: [Sgd(lr=RATE[i], momentum=0.9)],
        lambda g: torch.optim.SGD(g, momentum=0.9),
    ),
    Rule(
        "adamw",
        lambda i: [Adam(lr=RATE[i]), Decay(weight_decay=0.3)],
        lambda g: torch.optim.AdamW(g, weight_decay=0.3),
    ),
]


@pytest.mark.parametrize("frozen", [0.0, 0.5])
@pytest.mark.parametrize("thaw", ["at once", "one by one"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_member_steps_as_torch_does_with_groups_of_rates(
    rule: Rule, thaw: str, frozen: float
) -> None:
    rates = [LayerRates(gentler=g, frozen=frozen, thaw=thaw) for g in GENTLER]  # pyright: ignore
    cohort = _cohort(*([*rule.ours(i), rates[i]] for i in range(3)))
    begins, ends = _begun(cohort), _ended(cohort)
    batch = cohort.dataset.batch(cohort.folds, torch.arange(ROWS).expand(3, ROWS))
    for i in range(3):
        own = {name: w[i].clone().requires_grad_() for name, w in begins.items()}
        far = {name: DISTANCE[name.split(".")[0]] for name in own}
        decayed = [({} if not n.endswith("bias") else {"weight_decay": 0.0}) for n in own]
        groups = [
            {"params": [w], "lr": 0.0, **extra}
            for w, extra in zip(own.values(), decayed, strict=True)
        ]
        optimizer = rule.twin(groups)
        for t in range(STEPS):
            for group, d in zip(optimizer.param_groups, far.values(), strict=True):
                thawed = frozen * STEPS * {"at once": d > 0, "one by one": d / 3}[thaw]
                group["lr"] = RATE[i] * GENTLER[i] ** d * (t >= thawed)
            optimizer.zero_grad()
            words, codes = own["categories.table"], batch.inputs["categories"][i]
            words = words[codes + torch.tensor([0, 3])].flatten(1)
            h = torch.cat([batch.inputs["numbers"][i], words], 1)
            for layer in ("layer0", "layer1"):
                h = torch.tanh(h @ own[f"{layer}.weight"] + own[f"{layer}.bias"])
            output = h @ own["head.weight"] + own["head.bias"]
            (output - batch.target[i]).square().mean().backward()
            optimizer.step()
        for name, w in own.items():
            torch.testing.assert_close(ends[name][i], w.detach(), rtol=0, atol=1e-10)


BESIDE = [
    [Adam(lr=0.02), Decay(weight_decay=1.0), L2(weight=0.1)],
    [Sgd(lr=0.1, momentum=0.9), MaxNorm(limit=0.3)],
    [Muon(lr=0.02), Ema(decay=0.9), GradientNoise(eta=0.1)],
    [Lion(lr=0.01), Sam(rho=0.1), Lookahead(k=3, alpha=0.5)],
    [Adam(lr=0.02), BatchNorm(), Mixup(alpha=0.4), Periodic(frequencies=3, dim=2)],
    [Adam(lr=0.02), BatchNorm(), Resnet(width=6, blocks=2), BatchEnsemble(k=2)],
]


@pytest.mark.parametrize("beside", BESIDE, ids=lambda own: type(own[0]).__name__)
def test_frozen_to_the_end_only_the_head_moves_bit_for_bit(beside: list[Any]) -> None:
    cohort = _cohort([*beside, LayerRates(frozen=1.0)], beside)
    begins = _begun(cohort)
    training = advance(Training.begin(cohort), STEPS, fit_quality)
    ends = cohort.network.weights.views(torch.cat([training.outcome(i).weights for i in (0, 1)]))
    for name, w in ends.items():
        still = torch.equal(w[0], begins[name][0])
        assert still == (not name.startswith("head.")), name
    names = [name for name in ends if name.endswith("weight")]
    assert all(not torch.equal(ends[name][1], begins[name][1]) for name in names)


def test_layers_thaw_at_once_or_one_by_one_from_the_head_down() -> None:
    """Which layers have moved after each step of eight, of which frozen = 0.75 are six."""
    recipes = [[Adam(lr=0.02), LayerRates(frozen=0.75, thaw=t)] for t in ("at once", "one by one")]
    cohort = _cohort(*([Minibatch(batch_size=ROWS, epochs=8), *own] for own in recipes))
    begins = _begun(cohort)
    first: list[dict[str, int]] = [{}, {}]
    for t in range(1, 9):
        for name, w in _ended(cohort, t).items():
            for i in (0, 1):
                if not torch.equal(w[i], begins[name][i]):
                    first[i].setdefault(name.split(".")[0], t)
    assert first[0] == {"head": 1, "layer1": 7, "layer0": 7, "categories": 7}
    assert first[1] == {"head": 1, "layer1": 3, "layer0": 5, "categories": 7}


def test_a_member_without_it_beside_others_keeps_every_bit() -> None:
    own = [Adam(lr=0.02), Decay(weight_decay=0.1), MaxNorm(limit=2.0)]
    mixed = _ended(_cohort(own, [*own, LayerRates(gentler=0.3)], [*own, LayerRates(frozen=0.4)]))
    plain = _ended(_cohort(own, own, own))
    for name, w in mixed.items():
        assert torch.equal(w[0], plain[name][0])
        assert name.startswith("head.") or not torch.equal(w[1], plain[name][1])


LAYERS = [
    ((Mlp(width=6, depth=2),), "categories 3 layer0 2 layer1 1 head 0"),
    ((Mlp(width=6, depth=0),), "categories 1 head 0"),
    (
        (Mlp(width=6, depth=1), BatchNorm(), Periodic(frequencies=3, dim=2)),
        "numbers 2 categories 2 layer0 1 head 0",
    ),
    (
        (Resnet(width=6, blocks=2, branches=2), BatchNorm()),
        "categories 4 stem 3 block0 2 block1 1 head 0",
    ),
]


@pytest.mark.parametrize(("own", "expected"), LAYERS, ids=lambda x: x if type(x) is str else "")
def test_layers_are_counted_from_the_head(own: tuple[Any, ...], expected: str) -> None:
    layout = _cohort([*own]).network.weights
    firsts = [entry.name.partition(".")[0] for entry in layout.entries]
    found = dict(zip(firsts, layout.distances, strict=True))
    assert " ".join(f"{name} {d}" for name, d in found.items()) == expected
    pairs = set(zip(firsts, layout.distances, strict=True))
    assert len(pairs) == len(found), "a layer has one distance"


def test_an_adopted_module_is_frozen_below_its_last_layer() -> None:
    module = nn.Sequential(
        nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.BatchNorm1d(5)), nn.Linear(5, 1)
    )
    layout = adopt(module.double()).weights
    assert [e.name for e in layout.entries][::2] == ["0.0.weight", "0.2.weight", "1.weight"]
    assert layout.distances == (1, 1, 1, 1, 0, 0)
    before = torch.zeros(2, layout.size, dtype=torch.float64)
    numbers = [torch.tensor(x, dtype=torch.float64) for x in ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0])]
    after = layer_rates(before + 8, before, layout, 3, 10, *numbers)
    below = torch.tensor(layout.distances).repeat_interleave(
        torch.tensor([entry.size for entry in layout.entries])
    )
    assert torch.equal(after[0], torch.where(below > 0, 4.0, 8.0).double())
    assert torch.equal(after[1], torch.where(below > 0, 0.0, 8.0).double())


def test_it_is_refused_beside_schedule_free() -> None:
    with pytest.raises(BadInput, match="layer_rates"):
        Recipe(ScheduleFree(), LayerRates(gentler=0.5))
