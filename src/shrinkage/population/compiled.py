"""Whole steps by the compiled trainer, for cohorts of multilayer perceptrons it knows all about.

`Compiled.of` reads a cohort once and answers None where the cohort holds anything else, a GPU or
float64; then `population.step` takes the steps. Both give the same numbers up to rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from shrinkage import kernels
from shrinkage.catalog import entry_of
from shrinkage.nets.batch_norm import check_rows
from shrinkage.nets.layout import Layout
from shrinkage.nets.norms import NORMS
from shrinkage.population import fused
from shrinkage.population.dataset import Sample
from shrinkage.population.state import State
from shrinkage.randomness import stream_key
from shrinkage.schedules.plateau import observed

if TYPE_CHECKING:
    from shrinkage.kernels.mlp import Plan, Rows
    from shrinkage.population.cohort import Cohort
    from shrinkage.recipe import Recipe

KNOWN = {
    **fused.KNOWN,
    "augment": set(),
    "network": {
        *("mlp", "embedding", "periodic", "dropout", "batch_norm", "layer_norm", "group_norm"),
        *kernels.ACTIVATIONS,
    },
}
"""What the trainer can do, by place. Schedules and stopping are not its business, nor is what
weights start from. The scale of an instance norm is one a channel, where it reads one a unit.
"""

LONGEST_CALL_S = 0.1
"""As many steps are taken in one call as this allows, so that a deadline is kept."""


@lru_cache(maxsize=4096)
def knows(recipe: Recipe) -> bool:
    """Whether the trainer takes this recipe's steps, of a table's network on a CPU in float32."""
    entries = [entry_of(ingredient) for ingredient in recipe.ingredients]
    acting = [e for e in entries if e.place in KNOWN and (e.structural or e.place == "average")]
    return all(entry.name in KNOWN[entry.place] for entry in acting)


@dataclass
class Compiled:
    """A cohort as the trainer takes it.

    starts: where each member's fold begins in `rows` [M]. constant: numbers that no step changes.
    seconds: what a step took, when last measured.
    """

    cohort: Cohort
    rows: Rows
    starts: Tensor
    plan: Plan
    constant: dict[str, Any]
    seconds: float = LONGEST_CALL_S

    @classmethod
    def of(cls, cohort: Cohort) -> Compiled | None:
        """None where the trainer does not know all that these members do."""
        known = all(map(knows, dict.fromkeys(member.recipe for member in cohort.members)))
        dataset = cohort.dataset
        given = set(dataset.folds[0].train.inputs) <= {"numbers", "categories"}
        fits = dataset.dtype == torch.float32 and str(cohort.device) == "cpu" and given
        if not (known and fits and kernels.available()):
            return None
        plan = _plan(cohort)
        if plan is None:
            return None
        rows, starts = _rows(cohort)
        return cls(cohort, rows, starts, plan, _constant(cohort, len(plan.layers)))

    def outputs(self, weights: Tensor, statistics: Tensor, samples: list[Sample]) -> list[Tensor]:
        """Each network's outputs [n, C] on its own sample; weights: [M, P], statistics: [M, Q]."""
        from shrinkage.kernels.mlp import infer

        of_sample: dict[int, list[int]] = {}
        for row, sample in enumerate(samples):
            of_sample.setdefault(id(sample), []).append(row)
        found = {}
        for members in of_sample.values():
            sample = samples[members[0]]
            out = weights.new_empty(len(members), sample.rows, self.cohort.dataset.outputs)
            taken = _taken(self.cohort, sample)
            arrays = [weights[members], statistics[members], out]
            infer(taken, self.plan, *(x.numpy() for x in arrays))
            found |= dict(zip(members, out, strict=True))
        return [found[row] for row in range(len(samples))]

    @property
    def at_once(self) -> int:
        """Steps that one call should take."""
        return max(1, int(LONGEST_CALL_S / self.seconds))

    def advance(self, state: State, positions: Tensor) -> State:
        """The state after the steps of these positions [T, M, B], within each fold."""
        began = time.perf_counter()
        from shrinkage.kernels.mlp import Buffers, Numbers, train

        count, cohort = len(positions), self.cohort
        normed = any(entry.name == "batch_norm" for entry, _ in cohort.active("network"))
        if normed and len(self.plan.layers):
            check_rows(cohort.batch_size)
        first, *second, average = fused.remembered(cohort, state)
        second = second or [state.weights.new_empty(len(state.weights), 0)]
        buffers = [state.weights, state.statistics, first, *second, average]
        numbers = fused.of_steps(cohort, state, count)
        losses = torch.empty_like(numbers["rate"])
        train(
            self.rows,
            (positions + self.starts[:, None]).numpy(),
            self.plan,
            Buffers(*(x.numpy() for x in buffers)),
            Numbers(**_arrays(numbers), **self.constant),
            state.step,
            losses.numpy(),
        )
        self.seconds = (time.perf_counter() - began) / count
        slots = dict(state.slots)
        if "plateau" in slots:
            for loss in losses:
                slots["plateau"] = observed(slots["plateau"], loss)
        return replace(
            state,
            step=state.step + count,
            slots=slots,
            first_loss=losses[0].clone() if state.step == 0 else state.first_loss,
            worst_loss=torch.maximum(state.worst_loss, losses.amax(0)),
            loss_total=_added(state.loss_total, losses),
        )


def _added(total: Tensor, losses: Tensor) -> Tensor:
    """total [M] and losses [T, M], one after the other as single steps add them."""
    return torch.cat([total[None], losses.to(total)]).cumsum(0)[-1]


def _plan(cohort: Cohort) -> Plan | None:
    """Where the arrays lie; None where the network has others than a table's perceptron."""
    from shrinkage.kernels.activation import coded
    from shrinkage.kernels.mlp import Plan

    network, hyper = cohort.network, cohort.hyper
    weights, statistics = network.weights, network.statistics
    if (
        "mlp" not in hyper
        or network.lowered
        or any(entry.outputs_first for entry in weights.entries)
    ):
        return None
    depth, shapes = hyper["mlp"]["depth"], {e.name: e.shape for e in weights.entries}
    norm = next((name for name in NORMS if name in hyper), None)
    layers = [
        [
            *_places(weights, f"layer{i}.", ("weight", "bias", "norm.scale", "norm.shift")),
            *_places(statistics, f"layer{i}.norm.", ("mean", "variance")),
        ]
        for i in range(depth)
    ]
    waves = _places(weights, "numbers.", ("frequency", "phase", "weight", "bias"))
    (table,) = _places(weights, "categories.", ("table",))
    head = _places(weights, "head.", ("weight", "bias"))
    found = sum(at >= 0 for part in (*layers, waves, [table], head) for at in part)
    if found != len(weights.entries) + len(statistics.entries) or min(head) < 0:
        return None
    width = hyper["mlp"]["width"]
    fan, outputs = shapes["head.weight"]
    _, count, made = shapes.get("numbers.weight", (0, 0, 0))
    vectors, dim = shapes.get("categories.table", (0, 0))
    groups = -1
    if norm is not None:
        structure = {"groups": hyper[norm]["groups"]} if norm == "group_norm" else {}
        groups = NORMS[norm].groups(width, **structure)
    activation, numbers = cohort.active("network", "activation")[0]
    code, number = coded(activation.name, numbers)
    return Plan(
        layers=np.array(layers, np.int64).reshape(depth, 6),
        waves=np.array([*waves, count, made + 1], np.int64),  # x itself stands beside its waves
        table=table,
        vectors=vectors,
        dim=dim,
        head_weight=head[0],
        head_bias=head[1],
        inputs=shapes["layer0.weight"][0] if depth else fan,
        width=width,
        outputs=outputs,
        groups=groups,
        code=code,
        number=np.float32(number),
    )


def _places(layout: Layout, prefix: str, names: Iterable[str]) -> list[int]:
    """Where each of these arrays begins, -1 where there is none."""
    return [layout.offsets.get(prefix + name, -1) for name in names]


def _rows(cohort: Cohort) -> tuple[Rows, Tensor]:
    """All folds' training rows, and where each member's begin [M]."""
    dataset = cohort.dataset
    sample, starts = dataset.stacked
    assert sample.target is not None
    if dataset.task == "classification":
        meaning, label = torch.eye(dataset.outputs), sample.target
    else:
        meaning, label = sample.target[:, None], torch.arange(sample.rows)
    return _taken(cohort, sample, label, meaning), starts[cohort.folds]


def _taken(
    cohort: Cohort, sample: Sample, label: Tensor | None = None, meaning: Tensor | None = None
) -> Rows:
    """A sample's arrays as kernels read them.

    label, meaning: the label and the target of `kernels.mlp`; None: what predicts reads neither.
    """
    from shrinkage.kernels.mlp import Rows

    if label is None or meaning is None:
        label, meaning = torch.empty(0), torch.empty(0, 0)
    numbers = sample.inputs.get("numbers", torch.empty(sample.rows, 0))
    codes = sample.inputs.get("categories", torch.empty(sample.rows, 0, dtype=torch.int64))
    first = torch.tensor((0, *cohort.network.cardinalities[:-1])).cumsum(0)
    arrays = [numbers.float(), codes.long(), first, label.long(), meaning]
    return Rows(*(x.contiguous().numpy() for x in arrays))


def _constant(cohort: Cohort, depth: int) -> dict[str, Any]:
    """The fields of `Numbers` that no step changes."""
    from shrinkage.kernels.noise import thresholds

    hyper, members = cohort.hyper, len(cohort.members)
    entry, own = cohort.optimizer
    zeros = torch.zeros(members)
    threshold, factor = thresholds(hyper.get("dropout", {}).get("rate"), members)
    classes = cohort.dataset.task == "classification"
    outputs = cohort.dataset.outputs
    weight = torch.ones(members, outputs)
    for each, numbers in cohort.active("loss", "class_weight"):
        labels = torch.eye(outputs).expand(members, -1, -1)
        weight = each.apply(weight, labels, cohort.class_share, **numbers)
    numbers = fused.of_members(cohort)
    if entry.name == "sgd":
        numbers |= {"beta1": numbers.pop("momentum"), "beta2": zeros, "eps": zeros}
    tensors = {
        **numbers,
        "smoothing": hyper.get("label_smoothing", {}).get("eps", zeros),
        "class_weight": weight,
        "momentum": hyper.get("batch_norm", {}).get("momentum", zeros),
        "mask": cohort.decayed,
    }
    streams = [
        [stream_key(seed, f"dropout.{layer}") for seed in cohort.seeds] for layer in range(depth)
    ]
    return {
        **_arrays(tensors),
        "streams": np.array(streams, np.uint64).reshape(depth, members),
        "threshold": threshold,
        "factor": factor,
        "classes": classes,
        "adam": entry.name == "adam",
        "nesterov": bool(own.get("nesterov", False)),
    }


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: x.contiguous().numpy() for name, x in tensors.items()}
