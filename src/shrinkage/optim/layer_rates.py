"""Layer rates: gentler steps for layers far from the head, and none while they are frozen.

    w <- w + s_d * (what the step would add to w),   d = layers between w and the head
    s_0 = 1;   s_d = 0 while t < thaw_d, else gentler^d
    thaw_d = round(frozen * T)             all layers below the head at once
    thaw_d = round(frozen * T * d / D)     one by one from the head down, d = D the lowest

Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", sections 3.2
(discriminative fine-tuning; they divide by 2.6 a layer) and 3.3 (gradual unfreezing).

Differs from the paper: the layers thaw over a share of all T steps, not an epoch each. The whole
step is scaled, decay and limits included, as rates of torch's parameter groups do; a frozen
weight keeps every bit. Embeddings of columns are the lowest layer.

Helps: a network that starts from another one, whose lower layers are worth keeping while the new
head is still random; few rows.
Does nothing: to a network of one layer; gentler = 1 with frozen = 0 is the identity.
Conflicts: from random weights, layers that hardly move stay random features. Gradients of frozen
layers are computed all the same, so no time is saved, and they go into what the optimizer
remembers; a clip by norm counts them too. Running statistics of norms are measured on while
their layer is frozen. `max_norm` pulls a gentler layer only part of the way back, a frozen one
not at all. Refused beside `schedule_free`, whose three points would part.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from shrinkage.ingredient import Member, MemberChoice, ingredient
from shrinkage.nets.layout import Layout
from shrinkage.slots import Step


@ingredient
class LayerRates:
    """gentler: factor of the rate for each layer further from the head; 1 is the identity.

    frozen: share of the training during which layers below the head stand still; 0: none.
    thaw: all of them at once, or one by one from the head down.
    """

    gentler: Annotated[float, Member("(0, 1]", 0.1, 1.0, "log", neutral=1.0, unit="per layer")] = (
        1.0
    )
    frozen: Annotated[float, Member("[0, 1]", 0.0, 0.5, neutral=0.0, unit="share of steps")] = 0.0
    thaw: Annotated[Literal["at once", "one by one"], MemberChoice()] = "at once"


def layer_rates(
    weights: Tensor,
    before: Tensor,
    layout: Layout,
    step: Step,
    total: int,
    gentler: Tensor,
    frozen: Tensor,
    thaw: Tensor,
) -> Tensor:
    """weights: [M, P] after a step, consumed; before: [M, P] ahead of it; step counts from 0.

    gentler, frozen: [M]; thaw: [M], 0 at once, 1 one by one. Returns the weights to go on with.
    """
    lowest = max(layout.distances, default=0)
    after, ahead = layout.views(weights), layout.views(before)
    for entry, distance in zip(layout.entries, layout.distances, strict=True):
        if distance:
            end = frozen * total
            # Whole steps: such a product may miss a whole number by a rounding error.
            end = torch.where(thaw == 0, end, end * distance / lowest).round()
            scale = torch.where(step < end, 0.0, gentler**distance)
            scale = scale.view(-1, *[1] * len(entry.shape))
            # Exact at both ends: lerp gives the start at 0 and the end at 1, bit for bit.
            after[entry.name].copy_(torch.lerp(ahead[entry.name], after[entry.name], scale))
    return weights
