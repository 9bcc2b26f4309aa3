"""What training changes: the flat buffers of a cohort, and where each member stands.

| field | meaning | shape |
|---|---|---|
| weights, statistics | of the networks | [M, P], [M, Q] |
| slots | what ingredients remember, by ingredient | each [M, ...] |
| first_loss, worst_loss | for finding divergence | [M] |
| loss_total | of the batches since the epoch began | [M] |
| curves | mean training loss and validation score of each epoch, NaN where unknown | [M, E, 2] |
| score_total, score_weight | of the smoothed validation score, for early stopping | [M] |
| best_* | the epoch with the best validation score, for early stopping | [M], [M, P], [M, Q] |
| kept_* | networks kept along the way, for snapshots; room for n of each | [M, n, P], [M, n, Q] |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from shrinkage.ingredient import PLACES
from shrinkage.population.cohort import Cohort
from shrinkage.slots import Slots


@dataclass(frozen=True)
class State:
    step: int
    weights: Tensor
    statistics: Tensor
    first_loss: Tensor
    worst_loss: Tensor
    loss_total: Tensor
    curves: Tensor
    score_total: Tensor
    score_weight: Tensor
    best_score: Tensor
    best_epoch: Tensor
    slots: dict[str, Slots] = field(default_factory=dict)
    best_weights: Tensor | None = None
    best_statistics: Tensor | None = None
    kept_weights: Tensor | None = None
    kept_statistics: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> State:
        """The state with a function applied to every tensor."""

        def apply(value):
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, dict):
                return {name: apply(part) for name, part in value.items()}
            return value

        return replace(self, **{f.name: apply(getattr(self, f.name)) for f in fields(self)})

    def select(self, keep: list[int]) -> State:
        """The state of these members only: buffers compacted, nothing else changed."""
        return self.map(lambda x: x[torch.tensor(keep, dtype=torch.int64, device=x.device)])


def start(cohort: Cohort) -> State:
    """Every member before its first step."""
    dtype, device, network = cohort.dataset.dtype, cohort.device, cohort.network
    built = [(cohort.build(member.recipe), member) for member in cohort.members]
    # Folds of a recipe start alike.
    drawn = {(m.recipe, m.seed): own for own, m in built}
    drawn = {(recipe, seed): own.start(seed) for (recipe, seed), own in drawn.items()}
    weights = torch.stack([drawn[m.recipe, m.seed] for m in cohort.members]).to(device, dtype)

    def measured_on(fold: int) -> dict[str, Tensor]:
        inputs = cohort.dataset.folds[fold].train.inputs
        return network.measure({name: cohort.dataset.cast(x.cpu()) for name, x in inputs.items()})

    measured = {fold: measured_on(fold) for fold in {member.fold for member in cohort.members}}
    first = [{**measured[member.fold], **own.given(member.seed)} for own, member in built]
    statistics = network.statistics.flatten(
        {
            entry.name: torch.stack([cohort.dataset.cast(own[entry.name]) for own in first])
            for entry in network.statistics.entries
        }
    ).to(device, dtype)
    count = len(cohort.members)
    if not network.statistics.entries:
        statistics = weights.new_empty(count, 0)
    room = max(len(steps) for steps in cohort.snapshots)
    stopping = bool(torch.isfinite(cohort.patience).any())
    return State(
        step=0,
        weights=weights,
        statistics=statistics,
        first_loss=weights.new_zeros(count),
        worst_loss=weights.new_zeros(count),
        # In float64 a sum does not depend on how a training was cut into calls.
        loss_total=torch.zeros(count, dtype=torch.float64, device=device),
        curves=torch.full((count, cohort.recipe.epochs, 2), torch.nan, device=device),
        score_total=torch.zeros(count, dtype=torch.float64),
        score_weight=torch.zeros(count, dtype=torch.float64),
        best_score=torch.full((count,), -torch.inf, dtype=torch.float64),
        best_epoch=torch.zeros(count, dtype=torch.int64),
        slots={
            entry.name: entry.slots(weights, **numbers)
            for place in PLACES
            for entry, numbers in cohort.active(place)
            if entry.slots is not None
        },
        best_weights=weights.clone() if stopping else None,
        best_statistics=statistics.clone() if stopping else None,
        kept_weights=weights.new_zeros(count, room, weights.shape[1]) if room else None,
        kept_statistics=statistics.new_zeros(count, room, statistics.shape[1]) if room else None,
    )
