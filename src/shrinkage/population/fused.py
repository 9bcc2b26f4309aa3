"""The ends of a step by kernels, where there is a kernel for all that the cohort's recipes hold.

Each function answers None where there is none; the step then calls the ingredients one by one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shrinkage import kernels
from shrinkage.population.cohort import Cohort
from shrinkage.population.moment import Moment
from shrinkage.population.state import State
from shrinkage.slots import Slots

KNOWN = {
    "loss": {"class_weight", "label_smoothing", "cross_entropy", "squared_error"},
    "gradient": {"clip_value", "clip_norm"},
    "update": {"sgd", "adam", "decay", "plateau"},
    "average": {"ema"},
}
"""The ingredients that kernels know, by place; plateau's share is in the rate."""

_BESIDE = {"loss": {"l1", "l2", "elastic_net"}, "gradient": {"sam", "asam"}}
"""Those that the readable step calls before or after a kernel."""


def mean_loss(cohort: Cohort, output: Tensor, target: Tensor, weight: Tensor) -> Tensor | None:
    """The weighted mean loss of the batch [M]; output, target: [M, B, C]; weight: [M, B]."""
    if not (kernels.usable(output) and _known(cohort, "loss")):
        return None
    from shrinkage.kernels import loss

    for entry, numbers in cohort.active("loss", "class_weight"):
        weight = entry.apply(weight, target, cohort.class_share, **numbers)
    if "squared_error" in cohort.hyper:
        return loss.squared_error(output, target, weight)
    eps = cohort.hyper.get("label_smoothing", {}).get("eps")
    return loss.cross_entropy(
        output, target, weight, output.new_zeros(len(output)) if eps is None else eps
    )


def update(
    cohort: Cohort, state: State, grad: Tensor, moment: Moment
) -> tuple[Tensor, dict[str, Slots]] | None:
    """Weights [M, P] and slots after clipping, decay, the optimizer and the average."""
    if not (kernels.usable(grad) and _known(cohort, "gradient", "update", "average")):
        return None
    from shrinkage.kernels.update import adam_update, sgd_update

    slots = {name: dict(its) for name, its in state.slots.items()}
    # Their names are those of the kernels' parameters.
    numbers = {name: its[0] for name, its in of_steps(cohort, state, 1).items()}
    numbers = {n: x.contiguous().numpy() for n, x in (numbers | of_members(cohort)).items()}
    buffers = [state.weights, grad, *remembered(cohort, state), moment.mask]
    arrays = [buffer.numpy() for buffer in buffers]
    entry, its = cohort.optimizer
    if entry.name == "adam":
        adam_update(*arrays, **numbers, step=state.step)
    else:
        sgd_update(*arrays, **numbers, nesterov=its["nesterov"])
    return state.weights, slots


def of_steps(cohort: Cohort, state: State, count: int) -> dict[str, Tensor]:
    """What the ends of the next steps need of each step and member: [T, M] each."""
    rate = cohort.rates[state.step : state.step + count]
    if "plateau" in state.slots:
        rate = rate * state.slots["plateau"]["share"]
    shrink, follow = torch.zeros_like(rate), torch.zeros_like(rate)
    if "decay" in cohort.hyper:
        shrink = rate * cohort.hyper["decay"]["weight_decay"]
    if "ema" in cohort.hyper:
        step = torch.arange(state.step, state.step + count, dtype=rate.dtype)[:, None]
        follow = 1 - torch.minimum(cohort.hyper["ema"]["decay"], (1 + step) / (10 + step))
    return {"rate": rate, "shrink": shrink, "follow": follow}


def of_members(cohort: Cohort) -> dict[str, Tensor]:
    """What they need of each member alone: [M] each, neutral where an ingredient is absent."""
    hyper, never = cohort.hyper, torch.full((len(cohort.members),), torch.inf)
    entry, numbers = cohort.optimizer
    return {
        "limit": hyper.get("clip_norm", {}).get("max_norm", never),
        "bound": hyper.get("clip_value", {}).get("max_value", never),
        **{name: numbers[name] for name in _NUMBERS[entry.name]},
    }


def remembered(cohort: Cohort, state: State) -> list[Tensor]:
    """The optimizer's buffers [M, P], then the weights' average, [M, 0] where there is none."""
    entry, _ = cohort.optimizer
    own = [state.slots[entry.name][name] for name in _BUFFERS[entry.name]]
    none = state.weights.new_empty(len(state.weights), 0)
    return [*own, state.slots.get("ema", {}).get("average", none)]


_NUMBERS = {"adam": ("beta1", "beta2", "eps"), "sgd": ("momentum",)}
_BUFFERS = {"adam": ("mean", "square"), "sgd": ("momentum",)}


def _known(cohort: Cohort, *places: str) -> bool:
    """Whether kernels, and what is called beside them, are all that acts at these places."""
    return all(
        entry.name in KNOWN[place] | _BESIDE.get(place, set())
        for place in places
        for entry, _ in cohort.active(place)
    )
