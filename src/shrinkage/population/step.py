"""One training step of a cohort: a pure function of (state, batch, draws, cohort).

    augment -> network -> loss -> gradient -> update -> average

The state is consumed: its buffers are written to and returned, so a step allocates little.
No operation mixes members, so none can disturb another.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from shrinkage.averaging.ema import ema
from shrinkage.batch import Batch
from shrinkage.catalog import CATALOG
from shrinkage.optim.decay import decay
from shrinkage.population.cohort import Cohort
from shrinkage.population.state import State
from shrinkage.randomness import Draws


def step(cohort: Cohort, state: State, batch: Batch) -> tuple[State, Tensor]:
    """Train every member by one batch. Returns the new state and each member's loss [M]."""
    draws = Draws(cohort.seeds, state.step, cohort.device)
    batch = augment(cohort, batch, draws)
    loss, grad, statistics = gradient(cohort, state, batch, draws)
    for entry, numbers in cohort.active("loss", "l1", "l2"):
        penalty, pull = entry.apply(state.weights, cohort.decayed, **numbers)
        loss, grad = loss + penalty, grad.add_(pull)
    for entry, numbers in cohort.active("gradient"):
        grad = entry.apply(grad, **numbers)
    if "ema" not in cohort.hyper:  # its last member may have left; the others show their weights
        state = replace(state, average=None)
    weights, slots = update(cohort, state, grad)
    average = state.average
    if average is not None:
        average = ema(average, weights, state.step, **cohort.hyper["ema"])
    new = replace(
        state,
        step=state.step + 1,
        weights=weights,
        statistics=statistics,
        slots=slots,
        average=average,
        first_loss=loss if state.step == 0 else state.first_loss,
        worst_loss=torch.maximum(state.worst_loss, loss),
    )
    return new, loss


def augment(cohort: Cohort, batch: Batch, draws: Draws) -> Batch:
    for entry, numbers in cohort.active("augment"):
        batch = entry.apply(batch, draws, **numbers)
    return batch


def gradient(
    cohort: Cohort, state: State, batch: Batch, draws: Draws
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss [M], its gradient in the flat layout [M, P], and new statistics [M, Q]."""
    network = cohort.network
    # Leaves, not slices: the backward of a slice would fill a whole [M, P] with zeros.
    weights = {
        name: view.detach().requires_grad_()
        for name, view in network.weights.views(state.weights).items()
    }
    statistics = network.statistics.views(state.statistics)
    with torch.enable_grad():
        output, changed = network.apply(weights, statistics, batch.inputs, cohort.hyper, draws)
        losses = mean_loss(cohort, output, batch)
        grads = torch.autograd.grad(losses.sum(), list(weights.values()), allow_unused=True)
    flat = torch.cat(
        [
            (torch.zeros_like(w) if g is None else g).flatten(1)
            for g, w in zip(grads, weights.values(), strict=True)
        ],
        dim=1,
    )
    if not changed:
        return losses.detach(), flat, state.statistics
    return losses.detach(), flat, network.statistics.flatten({**statistics, **changed}).detach()


def mean_loss(cohort: Cohort, output: Tensor, batch: Batch) -> Tensor:
    """The weighted mean loss of the batch, [M]; without penalties."""
    target, weight = batch.target, batch.weight
    for _, numbers in cohort.active("loss", "class_weight"):
        weight = CATALOG["class_weight"].apply(weight, target, cohort.class_share, **numbers)
    for entry, numbers in cohort.active("loss", "label_smoothing"):
        target = entry.apply(target, **numbers)
    (entry, numbers), *_ = cohort.active("loss", "loss")
    rows = entry.apply(output, target, **numbers)
    return (rows * weight).sum(1) / weight.sum(1)


def update(cohort: Cohort, state: State, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Decoupled decay, then a step along the optimizer's direction."""
    entry, numbers = cohort.optimizer
    rate = cohort.rates[state.step]
    direction, slots = entry.apply(grad, state.slots, state.step, **numbers)
    weights = state.weights
    if "decay" in cohort.hyper:
        weights = decay(weights, cohort.decayed, rate, **cohort.hyper["decay"])
    return weights.addcmul_(direction, -rate[:, None]), slots
