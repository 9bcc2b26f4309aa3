"""Reduce on plateau: lower the rate when what is watched has stopped getting better.

    at the end of an epoch:   bad <- 0 if watched > best, else bad + 1;   best <- max
    if bad > patience:        share <- factor * share;   bad <- 0
    rate(t) = lr * schedule(t) * share

Source: torch's ReduceLROnPlateau with mode "max" and a threshold of 0; Bottou, Curtis &
Nocedal 2018, "Optimization Methods for Large-Scale Machine Learning", section 4.2, on why a
fixed rate stops making progress.

Watched is the validation score, or minus the mean training loss over the steps of the epoch
(penalties included): a moving average one epoch long. Any improvement counts. A score that is
not a number is never better.

Helps: training whose length was guessed; constant rates.
Does nothing: factor 1 leaves the rate alone.
Conflicts: a schedule that falls by itself is multiplied, not replaced; early stopping needs more
patience than this. Networks trained on all rows have no validation rows and watch their
training loss instead.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from shrinkage.ingredient import Member, MemberChoice, ingredient
from shrinkage.slots import Slots


@ingredient
class Plateau:
    """factor: what the rate is multiplied by; 1 is the identity.

    patience: epochs without anything better that are let pass. watch: the validation score, or
    the training loss.
    """

    factor: Annotated[float, Member("(0, 1]", 0.1, 0.7, "log", neutral=1.0)] = 1.0
    patience: Annotated[float, Member("[0, inf)", 2.0, 20.0, "log", unit="epochs")] = 10.0
    watch: Annotated[Literal["validation", "training"], MemberChoice()] = "validation"


def untouched(weights: Tensor, **numbers: Any) -> Slots:
    """Slots before the first step, each [M]. Scores are compared in float64, as they come."""
    zeros = weights.new_zeros(len(weights), dtype=torch.float64)
    return {
        "share": weights.new_ones(len(weights)),
        "best": torch.full_like(zeros, -torch.inf),
        "bad": zeros,
        "loss": zeros.clone(),
        "steps": zeros.clone(),
    }


def observed(slots: Slots, loss: Tensor) -> Slots:
    """The slots after a step with this training loss [M]."""
    return {**slots, "loss": slots["loss"] + loss, "steps": slots["steps"] + 1}


def plateau(slots: Slots, score: Tensor, factor: Tensor, patience: Tensor, watch: Tensor) -> Slots:
    """The slots after an epoch with this validation score [M], larger is better.

    factor, patience: [M]; watch: [M], 0 for the validation score, 1 for the training loss.
    """
    score = torch.where(watch == 0, score.to(slots["best"]), -slots["loss"] / slots["steps"])
    better = score > slots["best"]
    bad = torch.where(better, 0, slots["bad"] + 1)
    spent = bad > patience
    return {
        "share": torch.where(spent, slots["share"] * factor, slots["share"]),
        "best": torch.where(better, score, slots["best"]),
        "bad": torch.where(spent, 0, bad),
        "loss": torch.zeros_like(slots["loss"]),
        "steps": torch.zeros_like(slots["steps"]),
    }
