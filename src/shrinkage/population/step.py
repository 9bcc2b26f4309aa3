"""One training step of a cohort: a pure function of (state, batch, cohort).

    augment -> network -> loss -> gradient -> update -> average

Between gradient and update, members that ask for it (sam) look at the gradient a way uphill.

The state is consumed: its buffers are written to and returned, so a step allocates little.
No operation mixes members, so none can disturb another.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from shrinkage.batch import Batch, Inputs, one_network_each
from shrinkage.catalog import ENTRIES
from shrinkage.population import fused
from shrinkage.population.cohort import Cohort
from shrinkage.population.moment import Moment
from shrinkage.population.state import State
from shrinkage.schedules.plateau import observed
from shrinkage.slots import Slots, Step

LOSS_PARTS = {
    "class_weight": ("weight", ("weight", "target", "class_share")),
    "label_smoothing": ("target", ("target",)),
    "focal": ("target", ("target", "output")),
    "loss": ("rows", ("output", "target")),
    "confidence_penalty": ("rows", ("rows", "output")),
}
"""Roles of the loss place by what they make anew, and from what: see `mean_loss`."""

WEIGHT_PENALTIES = ("l1", "l2", "elastic_net")
BEFORE_STEP, AFTER_STEP = ("decay",), ("max_norm",)
"""Roles of the update place that act on the weights beside the optimizer's step."""

SCALES = ("layer_rates",)
"""Roles of the update place that say how much of a whole step, all of this included, is taken."""

ASCENTS = ("sam",)
"""Roles of the gradient place that say where to look at the gradient, not what to make of it."""

TRANSFORMS = tuple(e.role for e in ENTRIES if e.place == "gradient" and e.role not in ASCENTS)


def step(cohort: Cohort, state: State, batch: Batch) -> tuple[State, Tensor]:
    """Train every member by one batch. Returns the new state and each member's loss [M]."""
    moment = moment_of(cohort, state)
    new, loss = learned(cohort, state, augmented(cohort, batch, moment), moment)
    first_loss = loss if state.step == 0 else state.first_loss
    return replace(new, step=state.step + 1, first_loss=first_loss), loss


def augmented(cohort: Cohort, batch: Batch, moment: Moment) -> Batch:
    """The batch as the step sees it."""
    for entry, numbers in cohort.active("augment"):
        batch = moment.call(entry, batch, **numbers)
    return batch


def learned(cohort: Cohort, state: State, batch: Batch, moment: Moment) -> tuple[State, Tensor]:
    """All that a step changes but `step` and `first_loss`, and the loss [M]; asks `moment` alone
    which step it is."""
    loss, grad, statistics = objective(cohort, state, batch, moment)
    if ascents := cohort.active("gradient", *ASCENTS):
        near = state.weights
        for entry, numbers in ascents:
            near = near + moment.call(entry, grad, **numbers)
        _, grad, _ = objective(cohort, replace(state, weights=near), batch, moment)
    weights, slots = fused.update(cohort, state, grad, moment) or changed(
        cohort, state, grad, moment
    )
    for entry, _ in cohort.active("update", "plateau"):
        slots[entry.name] = observed(state.slots[entry.name], loss)
    new = replace(
        state,
        weights=weights,
        statistics=statistics,
        slots=slots,
        worst_loss=torch.maximum(state.worst_loss, loss),
        loss_total=state.loss_total + loss,
    )
    return new, loss


def moment_of(cohort: Cohort, state: State, now: Step | None = None) -> Moment:
    """What this step offers to its ingredients; now: its number, None for the state's own."""
    moment = Moment(
        cohort,
        state.weights,
        state.step if now is None else now,
        state.slots,
        lambda batch: input_gradient(cohort, state, batch, moment),
    )
    return moment


def objective(
    cohort: Cohort, state: State, batch: Batch, moment: Moment
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss with penalties [M], its gradient [M, P], and new statistics [M, Q]."""
    loss, grad, statistics = gradient(cohort, state, batch, moment)
    for entry, numbers in cohort.active("loss", *WEIGHT_PENALTIES):
        penalty, pull = moment.call(entry, state.weights, **numbers)
        loss, grad = loss + penalty, grad.add_(pull)
    return loss, grad, statistics


def gradient(
    cohort: Cohort, state: State, batch: Batch, moment: Moment
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
        output, changed = network.apply(
            weights, statistics, batch.inputs, cohort.hyper, moment.draws
        )
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


def input_gradient(cohort: Cohort, state: State, batch: Batch, moment: Moment) -> Inputs:
    """Gradient of the batch's loss by each floating input, [M, B, ...]; by no other input."""
    network = cohort.network
    moved = {
        name: x.detach().requires_grad_()
        for name, x in batch.inputs.items()
        if x.is_floating_point()
    }
    views = network.weights.views(state.weights), network.statistics.views(state.statistics)
    with torch.enable_grad():
        inputs = {**batch.inputs, **moved}
        # The running statistics that this pass would leave are dropped: it trains nothing.
        output, _ = network.apply(*views, inputs, cohort.hyper, moment.draws)
        losses = mean_loss(cohort, output, batch)
        if not losses.requires_grad:  # the network reads none of them
            return {name: torch.zeros_like(x) for name, x in moved.items()}
        grads = torch.autograd.grad(losses.sum(), list(moved.values()), materialize_grads=True)
    return dict(zip(moved, grads, strict=True))


def mean_loss(cohort: Cohort, output: Tensor, batch: Batch) -> Tensor:
    """The weighted mean loss of the batch, [M]; without penalties on weights.

    | part | meaning | shape |
    |---|---|---|
    | output, target | of the network, of the batch | [M, B, C] |
    | weight, rows | weight and loss of each row | [M, B] |
    | class_share | share of each class in training | [M, C] |
    """
    output, batch = one_network_each(output, batch)
    whole = fused.mean_loss(cohort, output, batch.target, batch.weight)
    if whole is not None:
        return whole
    parts = {
        "output": output,
        "target": batch.target,
        "weight": batch.weight,
        "class_share": cohort.class_share,
    }
    for entry, numbers in cohort.active("loss", *LOSS_PARTS):
        made, sources = LOSS_PARTS[entry.role]
        parts[made] = entry.apply(*(parts[name] for name in sources), **numbers)
    return (parts["rows"] * parts["weight"]).sum(1) / parts["weight"].sum(1)


def changed(
    cohort: Cohort, state: State, grad: Tensor, moment: Moment
) -> tuple[Tensor, dict[str, Slots]]:
    """Weights and slots after what acts on the gradient, the update, and averages."""
    for entry, numbers in cohort.active("gradient", *TRANSFORMS):
        grad = moment.call(entry, grad, **numbers)
    weights, slots = update(cohort, state, grad, moment)
    for entry, numbers in cohort.active("average"):
        weights, slots[entry.name] = moment.call(
            entry, weights, state.slots[entry.name], moment.step, **numbers
        )
    return weights, slots


def update(
    cohort: Cohort, state: State, grad: Tensor, moment: Moment
) -> tuple[Tensor, dict[str, Slots]]:
    """Decay, a step along the optimizer's direction, limits on the new weights; or a part of it."""
    entry, numbers = cohort.optimizer
    slots = state.slots.get(entry.name, {})
    direction, slots = moment.call(entry, grad, slots, moment.step, **numbers)
    weights, scales = state.weights, cohort.active("update", *SCALES)
    before = weights.clone() if scales else weights
    for constraint, its in cohort.active("update", *BEFORE_STEP):
        weights = moment.call(constraint, weights, **its)
    weights = weights.addcmul_(direction, -moment.rate[:, None])
    for constraint, its in cohort.active("update", *AFTER_STEP):
        weights = moment.call(constraint, weights, **its)
    for scale, its in scales:
        weights = moment.call(scale, weights, before, **its)
    return weights, {entry.name: slots}
