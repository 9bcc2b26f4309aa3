"""Statistics measured anew, for weights that training never stood at.

Running statistics of batch norm belong to the weights in training. Where the weights shown are
others, training rows are passed through those, without noise, and each statistic becomes the
mean of what the batches have. The rows are the first batches of the training, at most BATCHES.

A statistic moves from where it starts, s, towards what a batch has, b, by its momentum m, which in
modules of torch is their own. It is linear in s, so both are told by a start at 0 and at another s,
as large as f(0), for of a smaller one rounding leaves nothing:

    f(s) = (1 - m) s + m b,    m = 1 - (f(s) - f(0)) / s,  s = 1 + |f(0)|,    b = f(0) / m

Source: Izmailov et al. 2018, section 3.2; torch.optim.swa_utils.update_bn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shrinkage.batch import Inputs
from shrinkage.ingredient import switchable
from shrinkage.nets.network import Hyper
from shrinkage.population.cohort import Cohort
from shrinkage.population.serve import served
from shrinkage.randomness import Draws

BATCHES = 100
"""One hundred batches tell a mean to a tenth of the deviation between batches."""


def remeasured(cohort: Cohort, weights: Tensor, statistics: Tensor) -> Tensor:
    """The statistics [M, Q] of weights [M, P]; those that no batch changes stay as they are."""
    network, hyper = cohort.network, _quiet(cohort)
    views, now = network.weights.views(weights), network.statistics.views(statistics)
    # Without noise no draw is made: they only say that this is not inference.
    draws = Draws(cohort.seeds, 0, cohort.device)
    count = min(BATCHES, -(-cohort.dataset.rows // cohort.batch_size))
    sums: dict[str, Tensor] = {}
    momentum: dict[str, Tensor] = {}
    with torch.no_grad():
        for positions in served(cohort, 0, count):
            inputs = cohort.dataset.batch(cohort.folds, positions).inputs

            def after(start: dict[str, Tensor], inputs: Inputs = inputs) -> dict[str, Tensor]:
                return network.apply(views, {**now, **start}, inputs, hyper, draws)[1]

            if not momentum:
                changed = after({})
                if not changed:
                    return statistics
                zero = {name: torch.zeros_like(x) for name, x in changed.items()}
                low = after(zero)
                start = {name: 1 + x.abs() for name, x in low.items()}
                high = after(start)
                momentum = {name: 1 - (high[name] - x) / start[name] for name, x in low.items()}
            for name, x in after(zero).items():
                share = momentum[name]
                found = torch.where(share > 0, x / share, now[name])
                sums[name] = sums.get(name, 0) + found
    means = {name: total / count for name, total in sums.items()}
    return network.statistics.flatten({**now, **means})


def _quiet(cohort: Cohort) -> Hyper:
    """The network's numbers without what can be off, and with no memory of earlier batches."""
    hyper = {}
    for entry, numbers in cohort.active("network"):
        if not switchable(entry.kind):
            momentum = {
                name: torch.ones_like(x) for name, x in numbers.items() if name == "momentum"
            }
            hyper[entry.name] = {**numbers, **momentum}
    return hyper
