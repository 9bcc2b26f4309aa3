"""A captured step equals the readable one, step after step, without a GPU: see testing.recording.

Captures take the place of a GPU's on the CPU: operations recorded once, what torch.compile makes of
them, and captures that fail in every way a capture can.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from shrinkage import kernels
from shrinkage.augment.adversarial import Adversarial
from shrinkage.augment.cutmix import Cutmix
from shrinkage.augment.input_noise import InputNoise
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.averaging.lookahead import Lookahead
from shrinkage.averaging.snapshot import Snapshot
from shrinkage.averaging.swa import Swa
from shrinkage.catalog import of_role
from shrinkage.losses.class_weight import ClassWeight
from shrinkage.nets.batch_norm import BatchNorm
from shrinkage.nets.dropout import Dropout
from shrinkage.nets.embedding import Embedding
from shrinkage.nets.mlp import Mlp
from shrinkage.nets.resnet import Resnet
from shrinkage.nets.stochastic_depth import StochasticDepth
from shrinkage.optim.gradient_noise import GradientNoise
from shrinkage.optim.sam import Sam
from shrinkage.optim.sgd import Sgd
from shrinkage.population import captured
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.train import Training, advance
from shrinkage.recipe import Recipe, load
from shrinkage.rows.minibatch import Minibatch
from shrinkage.schedules.cosine import Cosine
from shrinkage.schedules.plateau import Plateau
from shrinkage.schedules.warmup import Warmup
from shrinkage.stopping.early_stopping import EarlyStopping
from shrinkage.testing.case import cohort_of, fit_quality, small_table
from shrinkage.testing.recording import recorded, recording

STEPS, WARM = 23, 3
BASE = Recipe(Minibatch(batch_size=16, epochs=8), Mlp(width=8, depth=2), Embedding(dim=2))
SMALLER = {"network.mlp.width": 12, "data.minibatch.batch_size": 16, "data.minibatch.epochs": 8}
DEFAULT = load("default").set(SMALLER)

RECIPES: dict[str, Recipe] = {
    "plain": BASE,
    "default": DEFAULT,
    "everything": DEFAULT.using(
        Mixup(alpha=0.3), Sam(rho=0.05), Ema(decay=0.9), Swa(start=0.4), GradientNoise(eta=0.01)
    ),
    "noise": BASE.using(InputNoise(std=0.1), Adversarial(eps=0.1), Cutmix(alpha=0.5)),
    "residual": BASE.using(Resnet(width=8, blocks=2), BatchNorm(), StochasticDepth(rate=0.3)),
    "snapshots": BASE.using(Snapshot(count=3), Dropout(rate=0.2)),
    "class weights": BASE.using(ClassWeight(power=0.8), Lookahead(k=3, alpha=0.5)),
    "plateau": BASE.using(
        Plateau(factor=0.5, patience=0, watch="training"), Warmup(share=0.2), Cosine()
    ),
    **{entry.name: BASE.using(entry.kind()) for entry in of_role("optimizer")},
}


def cohort(recipe: Recipe, dtype: torch.dtype = torch.float64) -> Cohort:
    """Two seeds, two folds, two rates."""
    entry = recipe.get("optimizer")
    faster = recipe.using(type(entry)(**(vars(entry) | {"lr": 2 * entry.lr})))
    members = [
        Member(own.for_task("classification"), seed, fold)
        for own, seed, fold in ((recipe, 0, 0), (faster, 0, 1), (recipe, 5, 1))
    ]
    return cohort_of(members, small_table(dtype=dtype))


def trained(its: Cohort, steps: int = STEPS) -> Training:
    return advance(Training.begin(its), steps, fit_quality)


def buffers(training: Training) -> dict[str, Tensor]:
    found = {n: x for n, x in vars(training.state).items() if isinstance(x, Tensor)}
    for owner, slots in training.state.slots.items():
        found |= {f"{owner}.{name}": x for name, x in slots.items()}
    return found


def equal(ours: Training, readable: Training, far: float = 0.0) -> None:
    assert ours.state.step == readable.state.step
    assert ours.alive == readable.alive
    found, expected = buffers(ours), buffers(readable)
    assert found.keys() == expected.keys()
    for name in found:
        close = partial(torch.testing.assert_close, rtol=far, atol=far, equal_nan=True)
        close(found[name], expected[name], msg=lambda text, name=name: f"{name}: {text}")


class Counted:
    """A capture that counts its captures and its replays."""

    def __init__(self, capture: captured.Capture = recorded) -> None:
        self.capture, self.captures, self.replays = capture, 0, 0

    def __call__(self, function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
        replay = self.capture(function, *arguments)
        self.captures += 1

        def counted() -> None:
            self.replays += 1
            replay()

        return counted


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[captured.Capture], Counted]:
    """Captures on the CPU, after a few steps."""

    def use(capture: captured.Capture) -> Counted:
        counted = Counted(capture)
        monkeypatch.setitem(captured.ON, "cpu", counted)
        monkeypatch.setattr(captured, "WARM", WARM)
        captured._say.cache_clear()
        return counted

    return use


def by_compiler(backend: Any) -> captured.Capture:
    """What torch.compile makes of the recorded operations, in one graph of fixed shapes."""

    def capture(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
        operations = recording(function, *arguments)
        whole = torch.compile(operations, backend=backend, fullgraph=True, dynamic=False)
        return partial(whole, *arguments)

    return capture


@pytest.mark.parametrize("name", RECIPES)
def test_captured_steps_are_the_readable_ones(name: str, on_cpu) -> None:
    readable = trained(cohort(RECIPES[name]))
    counted = on_cpu(recorded)
    ours = trained(cohort(RECIPES[name]))
    assert (counted.captures, counted.replays) == (1, STEPS - WARM)
    equal(ours, readable, 1e-12)
    weights = readable.state.weights
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["default", "everything", "nadam"])
def test_in_float32_too(name: str, on_cpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU trains in; without kernels, which a graph knows nothing of."""
    monkeypatch.setattr(kernels, "available", lambda: False)
    readable = trained(cohort(RECIPES[name], torch.float32))
    counted = on_cpu(recorded)
    ours = trained(cohort(RECIPES[name], torch.float32))
    assert (counted.captures, counted.replays) == (1, STEPS - WARM)
    found, expected = buffers(ours), buffers(readable)
    assert {n: x.dtype for n, x in found.items()} == {n: x.dtype for n, x in expected.items()}
    equal(ours, readable, 1e-4)


@pytest.mark.parametrize("name", ["plateau", pytest.param("everything", marks=pytest.mark.slow)])
def test_a_compiler_compiles_once_for_all_steps(name: str, on_cpu) -> None:
    readable = trained(cohort(RECIPES[name]))
    torch._dynamo.reset()
    counters.clear()
    counted = on_cpu(by_compiler("aot_eager"))
    with torch._dynamo.config.patch(error_on_recompile=True):
        ours = trained(cohort(RECIPES[name]))
    assert (counted.captures, counted.replays) == (1, STEPS - WARM)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
    equal(ours, readable, 1e-10)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
def test_fused_steps_are_the_readable_ones(on_cpu) -> None:
    readable = trained(cohort(DEFAULT))
    torch._dynamo.reset()
    counted = on_cpu(by_compiler("inductor"))
    ours = trained(cohort(DEFAULT))
    assert (counted.captures, counted.replays) == (1, STEPS - WARM)
    equal(ours, readable, 1e-9)


def fails(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
    raise RuntimeError("no graph today")


def fails_later(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
    return lambda: torch.ones(2) @ torch.ones(3)


def does_nothing(function: Callable[..., None], *arguments: Any) -> Callable[[], object]:
    return lambda: None


def steps_once_and_then_does_nothing(
    function: Callable[..., None], *arguments: Any
) -> Callable[[], object]:
    """A capture that nobody recorded, as on a device that is not the present one."""
    function(*arguments)
    return lambda: None


def knows_one_step_only(
    function: Callable[..., None], own: dict[str, Tensor], now: Tensor, given: dict[str, Tensor]
) -> Callable[[], object]:
    return partial(function, own, now.clone() + 1, given)


def forgets_a_buffer(
    function: Callable[..., None], own: dict[str, Tensor], now: Tensor, given: dict[str, Tensor]
) -> Callable[[], object]:
    return partial(function, own | {"adam.mean": own["adam.mean"].clone()}, now, given)


FAILURES = [
    fails,
    fails_later,
    does_nothing,
    steps_once_and_then_does_nothing,
    knows_one_step_only,
    forgets_a_buffer,
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.__name__)
def test_where_capturing_fails_the_readable_steps_go_on(
    failure: captured.Capture, on_cpu, caplog: pytest.LogCaptureFixture
) -> None:
    readable = trained(cohort(DEFAULT))
    counted = on_cpu(failure)
    with caplog.at_level(logging.INFO, "shrinkage"):
        equal(trained(cohort(DEFAULT)), readable)
        equal(trained(cohort(DEFAULT)), readable)
    assert counted.replays <= 2, "one a cohort"
    assert len(caplog.records) == 1, "one line for one reason"
    assert "not captured" in caplog.text


def test_an_ingredient_that_cannot_read_the_step_from_a_buffer_is_no_error(
    on_cpu, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    readable, learned = trained(cohort(BASE)), captured.learned

    def picky(its: Cohort, state, batch, moment):
        return learned(its, state, batch, moment) if int(moment.step) < 0 else {}[moment.step]

    counted = on_cpu(recorded)
    monkeypatch.setattr(captured, "learned", picky)
    with caplog.at_level(logging.INFO, "shrinkage"):
        equal(trained(cohort(BASE)), readable)
    assert counted.captures == 0
    assert "KeyError" in caplog.text


def test_who_leaves_early_is_not_captured_and_who_stays_is_captured_anew(
    on_cpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members leave at the ends of epochs, of 4 steps; a cohort is captured after 6 of its own."""
    recipe = BASE.using(Minibatch(batch_size=16, epochs=20))
    rates, patience = (1e-4, 0.3, 3.0, 0.05, 1.0), (1, 2, 1, 30, 4)
    members = [
        Member(recipe.using(Sgd(lr=r), EarlyStopping(patience=p)).for_task("classification"), i)
        for i, (r, p) in enumerate(zip(rates, patience, strict=True))
    ]
    readable = trained(cohort_of(members, small_table()), 75)
    sizes: list[int] = []
    counted = on_cpu(recorded)
    monkeypatch.setattr(captured, "WARM", 6)
    training = Training.begin(cohort_of(members, small_table()))
    while training.alive and training.state.step < 75:
        sizes.append(len(training.alive))
        training = advance(training, training.state.step + 1, fit_quality)
    changes = len(set(sizes))
    assert changes >= 3, "members leave at different times"
    counted.captures = counted.replays = 0
    ours = trained(cohort_of(members, small_table()), 75)
    equal(ours, readable, 1e-12)
    stays = [sizes.count(size) for size in set(sizes)]
    assert counted.captures == sum(stay > 6 for stay in stays) > 1
    assert counted.replays == sum(max(0, stay - 6) for stay in stays)


def test_the_graph_of_those_who_have_gone_is_freed(on_cpu) -> None:
    on_cpu(recorded)
    its = cohort(BASE.using(Minibatch(batch_size=16, epochs=20)))
    training = trained(its, 10)
    assert its.captured is not None
    assert its.captured.tape is not None
    advance(training.drop({0}), 12, fit_quality)
    assert its.captured.tape is None


@pytest.mark.parametrize("ahead", [WARM, 9], ids=["about to be captured", "captured"])
def test_two_trainings_of_a_cohort_do_not_disturb_each_other(ahead: int, on_cpu) -> None:
    readable = [trained(cohort(DEFAULT), steps) for steps in (ahead, 12, STEPS)]
    on_cpu(recorded)
    its = cohort(DEFAULT)
    first = trained(its, ahead)
    second = trained(its, 12)
    equal(first, readable[0], 1e-12)
    equal(second, readable[1], 1e-12)
    equal(advance(first, STEPS, fit_quality), readable[2], 1e-12)
    equal(second, readable[1], 1e-12)


def test_nothing_is_captured_where_devices_replay_no_graphs() -> None:
    assert cohort(BASE).captured is None


REFUSED: dict[str, Callable[[Tensor], object]] = {
    "a number for the CPU": lambda x: x.mul_(float(x.sum())),
    "a tensor from the CPU": lambda x: x.add_(torch.tensor([1.0, 2.0])),
    "a shape from data": lambda x: x.add_(x.nonzero().sum()),
    "rows by a mask": lambda x: x.add_(x[x > 0].sum()),
    "an index without axes": lambda x: x.add_(x[x.argmax()]),
    "through the CPU": lambda x: x.add_(x.to("cpu", torch.float64)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_recording_refuses_what_a_gpu_could_not_capture(name: str) -> None:
    with pytest.raises(RuntimeError):
        recorded(REFUSED[name], torch.ones(2))


def test_augmentations_that_ask_the_cpu_stay_outside(
    on_cpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = on_cpu(recorded)
    monkeypatch.setattr(captured, "ON_HOST", set())
    trained(cohort(BASE.using(Mixup(alpha=0.3))))
    assert counted.captures == 0
