"""Predictions of many members at once, each on rows of its own.

Inference takes no draws and no hyperparameters: it depends on weights, statistics and a row.
"""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor

from shrinkage.nets.network import Network
from shrinkage.population.cohort import Cohort
from shrinkage.population.dataset import Sample, Units

_VALUES_AT_ONCE = 1 << 20


def predict(
    cohort: Cohort, weights: Tensor, statistics: Tensor, samples: list[Sample]
) -> list[Tensor]:
    """Predictions of each member on its own sample, in the target's unit.

    weights: [M n, P]; statistics: [M n, Q]: n networks a member, one member's after another's,
    of which the mean predicts. samples: one a member.
    Returns probabilities [B, C] or numbers [B] a member.
    """
    dataset, networks = cohort.dataset, len(weights) // len(samples)
    repeated = [sample for sample in samples for _ in range(networks)]
    if cohort.compiled is not None:
        outputs = iter(cohort.compiled.outputs(weights, statistics, repeated))
    else:
        outputs = iter(forward(cohort.network, weights, statistics, repeated))
    means = []
    for member in cohort.members:
        units = dataset.folds[member.fold].units
        parts = [in_unit(o, dataset.task, units) for o in islice(outputs, networks)]
        means.append(torch.stack(parts).mean(0))
    return means


def forward(
    network: Network, weights: Tensor, statistics: Tensor, samples: list[Sample]
) -> list[Tensor]:
    """Outputs [n, C], or [n, k, C], of each member on its own sample; rows come in chunks."""
    views = network.weights.views(weights), network.statistics.views(statistics)
    longest = max(sample.rows for sample in samples)
    width = max((e.size for e in network.weights.entries if e.role == "bias"), default=1)
    chunk = max(1, _VALUES_AT_ONCE // (len(samples) * width))
    outputs = []
    with torch.no_grad():
        for begin in range(0, longest, chunk):
            rows = torch.arange(begin, min(begin + chunk, longest), device=weights.device)
            inputs = {
                name: _cast(_stack([sample.inputs[name] for sample in samples], rows), weights)
                for name in samples[0].inputs
            }
            outputs.append(network.apply(*views, inputs, {}, None)[0])
    output = torch.cat(outputs, 1)
    return [output[i, : sample.rows] for i, sample in enumerate(samples)]


def in_unit(output: Tensor, task: str, units: Units) -> Tensor:
    """A network's output [n, C] as probabilities [n, C], or as numbers [n] in the target's unit.

    Of an output [n, k, C] of k networks in one it is the mean of their k predictions.
    Numbers stay within the range of the training rows: a network that extrapolates on one wild
    row should not decide a squared error.
    """
    if task == "classification":
        predictions = torch.softmax(output, -1)
    else:
        # In float64, where a second of today is more than 0 beside its 1.8e9 since 1970.
        numbers = output[..., 0].double() * units.spread + units.center
        predictions = numbers.clamp(units.lowest, units.highest)
    networks = output.dim() == 3
    return predictions.mean(1) if networks else predictions


def _stack(arrays: list[Tensor], rows: Tensor) -> Tensor:
    """Rows of each member's array, [M, b, ...]; a shorter array repeats its last row."""
    if all(array is arrays[0] for array in arrays):
        return arrays[0][rows].expand(len(arrays), len(rows), *arrays[0].shape[1:])
    return torch.stack([array[rows.clamp(max=len(array) - 1)] for array in arrays])


def _cast(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype) if x.is_floating_point() else x.long()
