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

_ROWS = {"class_weight", "label_smoothing", "cross_entropy", "squared_error"}
_PENALTIES = {"l1", "l2", "elastic_net"}
_UPDATES = {"sgd", "adam", "decay", "clip_norm", "clip_value", "ema"}
_BESIDE = {"sam", "asam", "plateau"}
"""Ingredients that kernels know, or that the step calls beside them; with others there are none."""


def mean_loss(cohort: Cohort, output: Tensor, target: Tensor, weight: Tensor) -> Tensor | None:
    """The weighted mean loss of the batch [M]; output, target: [M, B, C]; weight: [M, B]."""
    if not (kernels.usable(output) and _only(cohort, _ROWS | _PENALTIES, "loss")):
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
    places = "gradient", "update", "average"
    if not (kernels.usable(grad) and _only(cohort, _UPDATES | _BESIDE, *places)):
        return None
    from shrinkage.kernels.update import adam_update, sgd_update

    none = grad.new_zeros(len(grad))
    hyper, rate = cohort.hyper, moment.rate.contiguous()
    entry, numbers = cohort.optimizer
    slots = {name: dict(its) for name, its in state.slots.items()}
    average, follow = grad.new_empty(len(grad), 0), none
    if "ema" in hyper:
        average = slots["ema"]["average"]
        follow = 1 - hyper["ema"]["decay"].clamp(max=(1 + state.step) / (10 + state.step))
    shrink = rate * hyper["decay"]["weight_decay"] if "decay" in hyper else none
    limit = hyper["clip_norm"]["max_norm"] if "clip_norm" in hyper else none + torch.inf
    bound = hyper["clip_value"]["max_value"] if "clip_value" in hyper else none + torch.inf
    own = [slots[entry.name][name] for name in _OWN[entry.name]]
    buffers = [state.weights, grad, *own, average, moment.mask, rate, shrink, follow, limit, bound]
    arrays = [x.numpy() for x in buffers]
    if entry.name == "adam":
        betas = (numbers[name].numpy() for name in ("beta1", "beta2", "eps"))
        adam_update(*arrays, *betas, state.step)
    else:
        sgd_update(*arrays, numbers["momentum"].numpy(), numbers["nesterov"])
    return state.weights, slots


_OWN = {"adam": ("mean", "square"), "sgd": ("momentum",)}


def _only(cohort: Cohort, known: set[str], *places: str) -> bool:
    """Whether all that acts at these places is known."""
    return all(entry.name in known for place in places for entry, _ in cohort.active(place))
