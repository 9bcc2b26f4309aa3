"""Each kernel equals the readable torch functions it stands for, on random input, per member."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from shrinkage import kernels
from shrinkage.augment.mixup import Mixup
from shrinkage.averaging.ema import Ema
from shrinkage.catalog import CATALOG
from shrinkage.engine import compile
from shrinkage.kernels import columns, jit, loss, mlp, update
from shrinkage.kernels import hidden as fused
from shrinkage.kernels.activation import CODES, activate, coded
from shrinkage.kernels.hidden import hidden
from shrinkage.kernels.noise import noise
from shrinkage.losses.cross_entropy import cross_entropy
from shrinkage.losses.focal import Focal
from shrinkage.losses.label_smoothing import LabelSmoothing, smooth_labels
from shrinkage.losses.squared_error import squared_error
from shrinkage.nets import activation as readable
from shrinkage.nets.batch_norm import BatchNorm, batch_norm_train
from shrinkage.nets.dropout import Dropout, dropout
from shrinkage.nets.embedding import embed_categories
from shrinkage.nets.group_norm import GroupNorm, group_norm
from shrinkage.nets.instance_norm import InstanceNorm
from shrinkage.nets.layer_norm import layer_norm
from shrinkage.nets.periodic import embed_periodic
from shrinkage.nets.resnet import Resnet
from shrinkage.optim.adam import Adam
from shrinkage.optim.clip import ClipNorm, ClipValue
from shrinkage.optim.decay import Decay
from shrinkage.optim.sgd import Sgd
from shrinkage.population.cohort import Cohort, Member
from shrinkage.population.state import start
from shrinkage.population.step import step
from shrinkage.randomness import Draws
from shrinkage.recipe import Recipe
from shrinkage.testing.case import SURROUNDINGS, cohort_of, small_table

ACTIVATIONS = {name: {} for name in CODES} | {"leaky_relu": {"slope": 0.3}, "elu": {"alpha": 1.4}}


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_slopes(name: str) -> None:
    x = torch.cat([torch.linspace(-90, 90, 7001), torch.linspace(-0.05, 0.05, 501)]).double()
    x = x.float().double().requires_grad_()
    true = getattr(readable, name)(x, **ACTIVATIONS[name])
    (slope,) = torch.autograd.grad(true.sum(), x)
    code, number = coded(name, ACTIVATIONS[name])
    y, found = x.detach().float().numpy(), np.empty(len(x), np.float32)
    activate(code, jit.f32(number), y, found)
    np.testing.assert_allclose(y, true.detach(), rtol=2e-6, atol=4e-7)
    inner = np.abs(x.detach().numpy()) > 1e-9  # at 0 itself a kink has two slopes
    np.testing.assert_allclose(found[inner], slope[inner], rtol=2e-6, atol=4e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_let_nan_through(name: str) -> None:
    code, number = coded(name, ACTIVATIONS[name])
    y = np.full(20, np.nan, np.float32)
    activate(code, jit.f32(number), y, np.empty_like(y))
    assert np.isnan(y).all()


NORMS: dict[str, Any] = {
    "none": None,
    "batch": lambda x, own: batch_norm_train(
        x, **own, mean=x.mean(1) * 0, variance=x.mean(1) * 0, momentum=x.new_ones(len(x))
    )[0],
    "layer": lambda x, own: layer_norm(x, **own),
    "groups": lambda x, own: group_norm(x, **own, groups=3),
}
GROUPS = {"none": -1, "batch": 0, "layer": 1, "groups": 3}


@pytest.mark.parametrize("rows", [2, 7, 16])
@pytest.mark.parametrize("norm", NORMS)
def test_a_hidden_layer(norm: str, rows: int) -> None:
    members, width = 3, 12
    z = numbers(members, rows, width) * 2 + 1
    bias, scale, shift = (numbers(members, width, seed=s) for s in (1, 2, 3))
    rate, draws = torch.tensor([0.0, 0.3, 0.6]), Draws((5, 6, 5), 9)
    grad = numbers(members, rows, width, seed=4)
    given = [x.requires_grad_() for x in (z, bias, scale, shift)]

    u = z + bias[:, None]
    own = {"scale": scale, "shift": shift}
    u = u if norm == "none" else NORMS[norm](u, own)
    true = dropout(readable.mish(u), rate.double(), draws, "s")
    slopes = torch.autograd.grad(true, given, grad, allow_unused=True)

    ours = [x.detach().float().requires_grad_() for x in given]
    normed = None if norm == "none" else (ours[2], ours[3], GROUPS[norm])
    y, center, spread = hidden(ours[0], ours[1], normed, coded("mish", {}), noise(draws, "s", rate))
    found = torch.autograd.grad(y, ours, grad.float(), allow_unused=True)
    assert torch.equal(y == 0, true == 0), "the same activations are dropped"
    torch.testing.assert_close(y.double(), true, rtol=1e-4, atol=1e-5)
    for mine, its in zip(found, slopes, strict=True):
        assert (mine is None) == (its is None)
        if its is not None:
            torch.testing.assert_close(mine.double(), its, rtol=1e-3, atol=2e-4)
    if norm == "batch":
        torch.testing.assert_close(center.double(), z.mean(1), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(spread.double(), z.var(1, correction=0), rtol=1e-4, atol=1e-6)
        assert not found[1].any(), "a bias ahead of batch norm moves nothing"  # pyright: ignore


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_losses(task: str) -> None:
    members, rows, outputs = 3, 9, 4
    output, weight = numbers(members, rows, outputs) * 5, numbers(members, rows, seed=1).exp()
    target = torch.softmax(numbers(members, rows, outputs, seed=2), -1)
    eps = torch.tensor([0.0, 0.1, 0.5])
    output.requires_grad_()
    if task == "classes":
        each = cross_entropy(output, smooth_labels(target, eps.double()))
        found = loss.cross_entropy(output.float(), target.float(), weight.float(), eps)
    else:
        each = squared_error(output, target)
        found = loss.squared_error(output.float(), target.float(), weight.float())
    true = (each * weight).sum(1) / weight.sum(1)
    torch.testing.assert_close(found.double(), true, rtol=1e-5, atol=1e-6)
    factor = torch.tensor([1.0, 2.0, -0.5])
    slopes, ours = (torch.autograd.grad((x * factor).sum(), output)[0] for x in (true, found))
    torch.testing.assert_close(ours, slopes, rtol=1e-4, atol=1e-6)


def test_a_loss_lets_nan_through() -> None:
    output = torch.zeros(1, 3, 2)
    output[0, 1, 1] = torch.nan
    target = torch.full((1, 3, 2), 0.5)
    assert loss.cross_entropy(output, target, torch.ones(1, 3), torch.zeros(1)).isnan().all()


def test_cosine_of_turns() -> None:
    turns = torch.linspace(-40, 40, 4001).float()

    @jit.kernel
    def all_of(x, y) -> None:
        for i in range(x.shape[0]):
            y[i] = jit.cosine(x[i])

    found = np.empty(len(turns), np.float32)
    all_of(turns.numpy(), found)
    np.testing.assert_allclose(found, (turns.double() * 2 * torch.pi).cos(), atol=4e-7)


def test_columns_and_their_gradients() -> None:
    rows, count, waves, dim, cards, width = 11, 3, 5, 4, (2, 6), 3
    x = numbers(rows, count) * 2
    own = [
        numbers(1, count, waves, seed=1),
        numbers(1, count, waves, seed=2),
        numbers(1, count, waves, dim - 1, seed=3),
        numbers(1, count, dim - 1, seed=4),
        numbers(1, sum(cards), width, seed=5),
    ]
    codes = torch.stack([torch.arange(rows) % c for c in cards], 1)
    given = [a.requires_grad_() for a in own]
    true = torch.cat(
        [embed_periodic(x[None], *given[:4]), embed_categories(codes[None], given[4], cards)], -1
    )[0]
    grad = numbers(*true.shape, seed=6)
    slopes = torch.autograd.grad(true, given, grad)

    ours = [a.detach().float()[0].numpy() for a in own]
    out, g = np.empty(true.shape, np.float32), grad.float().numpy()
    wave = np.empty((count, rows, waves), np.float32)
    starts = np.array([0, cards[0]])
    columns.periodic(x.float().numpy(), *ours[:4], wave, out)
    columns.categories(codes.numpy(), starts, ours[4], count * dim, out)
    np.testing.assert_allclose(out, true.detach(), atol=1e-5)
    found = [np.full_like(a, np.nan) for a in ours]
    columns.periodic_backward(g, x.float().numpy(), *ours[:3], wave, *found[:4])
    columns.categories_backward(g, codes.numpy(), starts, count * dim, found[4])
    for mine, its in zip(found, slopes, strict=True):
        np.testing.assert_allclose(mine, its[0], rtol=1e-4, atol=2e-5)


UPDATES = {
    "adam": (Adam(lr=0.02),),
    "adam and all": (
        Adam(lr=0.02), Decay(weight_decay=0.6), Ema(decay=0.8), ClipNorm(max_norm=0.5),
        ClipValue(max_value=0.1),
    ),
    "momentum": (Sgd(lr=0.1, momentum=0.9), Decay(weight_decay=0.2)),
    "nesterov": (Sgd(lr=0.1, momentum=0.7, nesterov=True), Ema(decay=0.9)),
}  # fmt: skip


def cohorts(*own: Any, dtype: torch.dtype = torch.float32) -> Cohort:
    """A member with all of `own` beside the same recipe at another rate."""
    recipe = Recipe(*SURROUNDINGS).using(*own).for_task("classification")
    optimizer = recipe.get("optimizer")
    other = recipe.using(replace(optimizer, lr=optimizer.lr / 4))
    return cohort_of([Member(recipe), Member(other, 2)], small_table(dtype=dtype))


def stepped(cohort: Cohort, count: int = 12) -> Tensor:
    """Weights and all slots after some single steps, [M, n]."""
    state = start(cohort)
    positions = torch.arange(16).expand(len(cohort.members), -1)
    for number in range(count):
        batch = cohort.dataset.batch(cohort.folds, (positions + 7 * number) % 60)
        state, _ = step(cohort, state, batch)
    slots = [slot.flatten(1) for own in state.slots.values() for slot in own.values()]
    return torch.cat([state.weights, state.statistics, *slots], 1).double()


STEPS = UPDATES | {
    "residual": (Resnet(width=8, blocks=2), Dropout(rate=0.2)),
    "residual, norms": (Resnet(width=8, blocks=1), BatchNorm()),
    "channels": (InstanceNorm(positions=4), Dropout(rate=0.2)),
    "groups": (GroupNorm(groups=2),),
    "mixed rows": (Mixup(alpha=0.4), LabelSmoothing(eps=0.1), BatchNorm(), Dropout(rate=0.1)),
    "focal": (Focal(gamma=1.0), Dropout(rate=0.3)),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_with_kernels_is_the_step_without(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only some parts of the step have kernels: other architectures, other losses."""
    own = *STEPS[name], *(() if name in UPDATES else (Adam(lr=0.01, eps=1e-2),))
    ours = stepped(cohorts(*own))
    monkeypatch.setattr(kernels, "available", lambda: False)
    rounded, true = stepped(cohorts(*own)), stepped(cohorts(*own, dtype=torch.float64))
    assert not torch.equal(ours, rounded), "kernels were at work"
    scale = true.abs().amax()
    assert (ours - true).abs().amax() < 6 * (rounded - true).abs().amax() + 3e-6 * scale


def test_kernels_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.usable(torch.ones(1))
    assert not kernels.usable(torch.ones(1, dtype=torch.float64))
    monkeypatch.setenv("SHRINKAGE_KERNELS", "off")
    assert not kernels.usable(torch.ones(1))


def test_without_numba_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    kernels.folder.cache_clear()
    try:
        assert not kernels.usable(torch.ones(1))
        assert cohorts(Adam()).compiled is None
    finally:
        kernels.folder.cache_clear()


def test_a_copy_of_the_package_is_not_taken_for_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Numba looks at a file's place and time, too, and would compile within a run."""
    monkeypatch.setenv("SHRINKAGE_KERNELS_FOLDER", str(tmp_path / "kept"))
    copy = tmp_path / "copy"
    shutil.copytree(kernels._HERE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    found = []
    try:
        for place, time in ((kernels._HERE, None), (copy, None), (copy, (0, 0))):
            if time is not None:
                os.utime(place / "mlp.py", time)
            monkeypatch.setattr(kernels, "_HERE", place)
            kernels.folder.cache_clear()
            found.append(kernels.folder())
    finally:
        kernels.folder.cache_clear()
    assert len(set(found)) == 3


@pytest.mark.parametrize("what", ["version", "_processor"])
def test_kernels_of_another_numba_or_processor_are_not_compiled_here(
    what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHRINKAGE_KERNELS_FOLDER", str(tmp_path))
    try:
        kernels.folder.cache_clear()
        here = kernels.folder()
        kernels.folder.cache_clear()
        assert kernels.folder() == here
        monkeypatch.setattr(kernels, what, lambda *_: "another")
        kernels.folder.cache_clear()
        assert kernels.folder() != here
    finally:
        kernels.folder.cache_clear()


def test_what_kernels_know_is_what_they_are_given_codes_for() -> None:
    """The list stands where Numba is not imported."""
    known = {name for name, each in CATALOG.items() if each.role == "activation"}
    assert set(kernels.ACTIVATIONS) <= known
    for name in kernels.ACTIVATIONS:
        assert coded(name, {}) == (kernels.ACTIVATIONS.index(name), 0.0)


def test_a_first_run_does_not_wait_and_one_process_compiles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun: list[list[str]] = []
    monkeypatch.setenv("SHRINKAGE_KERNELS", "")
    monkeypatch.setattr(kernels, "folder", lambda: tmp_path)
    monkeypatch.setattr(
        kernels.subprocess, "Popen", lambda command, **options: begun.append(command)
    )
    assert not kernels.usable(torch.ones(1))
    assert not kernels.usable(torch.ones(1))
    assert [command[1:] for command in begun] == [["-m", "shrinkage.engine.compile"]]
    os.utime(tmp_path / "begun", (0, 0))
    assert not kernels.usable(torch.ones(1))
    assert len(begun) == 2, "one that was killed long ago is no reason to wait for ever"
    monkeypatch.setenv("SHRINKAGE_KERNELS", "compiled")
    os.utime(tmp_path / "begun", (0, 0))
    assert not kernels.usable(torch.ones(1))
    assert len(begun) == 2, "a worker begins nothing"
    kernels.mark_compiled()
    assert kernels.usable(torch.ones(1))


def test_compiling_calls_every_kernel_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever training calls from Python was called by `engine.compile`."""
    marked = []
    monkeypatch.setattr(kernels, "mark_compiled", lambda: marked.append(True))
    compile.main()
    assert marked
    called = (mlp.train, mlp.infer, fused._forward_all, fused._backward_all, update.adam_update)
    for kernel in (*called, update.sgd_update, loss._cross_entropy, loss._squared_error):
        assert len(kernel.signatures) == 1, kernel
