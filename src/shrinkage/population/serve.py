"""Which rows each member sees at a step."""

from __future__ import annotations

import torch
from torch import Tensor

from shrinkage.population.cohort import Cohort
from shrinkage.rows.minibatch import batch_positions


def served(cohort: Cohort, first: int, count: int) -> Tensor:
    """Rows of each step and member, [count, M, B]; members of equal seed, fold and order share
    them."""
    folds, distinct = cohort.dataset.folds, {}
    keys = [
        (member.seed, folds[member.fold].train.rows, member.recipe.get("batches").order)
        for member in cohort.members
    ]
    for seed, rows, order in dict.fromkeys(keys):
        distinct[seed, rows, order] = batch_positions(
            seed, rows, cohort.batch_size, first, count, order, cohort.drawn
        )
    return torch.stack([distinct[key] for key in keys], 1).to(cohort.device)
