"""Muon: the momentum of each hidden matrix, replaced by the nearest orthogonal matrix.

    m <- momentum * m + (1 - momentum) g
    n  = momentum * m + (1 - momentum) g        with nesterov, else n = m
    u  = 0.2 sqrt(max(in, out)) * NS(n)
    NS: X <- n / ||n||;   X <- 3.4445 X - 4.7750 (X X') X + 2.0315 (X X')^2 X,   a few times
    w <- w - lr * u

Jordan 2024, "Muon: An optimizer for hidden layers in neural networks"; equals torch.optim.Muon
with adjust_lr_fn="match_rms_adamw" (Liu et al. 2025, "Muon is Scalable for LLM Training",
section 2.2): an entry of u is then about as large as one of Adam's, so that one lr serves both.

As its author advises, only hidden matrices: the first and the last matrix of a network, and all
biases, norms and embeddings of columns, go by Adam with beta1, beta2, eps and the same lr.

Differs from torch: NS is computed in the weights' own precision, not in bfloat16.

Helps: wide or deep networks, whose gradients have few large directions that drown the others.
Does nothing: beyond Adam for fewer than three matrices; to a matrix gradient's scale.
Conflicts: three products per matrix and iteration, and three buffers the size of the weights.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from shrinkage.ingredient import Member, Structural, ingredient
from shrinkage.nets.layout import Layout
from shrinkage.optim.adam import adam
from shrinkage.slots import Slots, Step

_FACTORS = 3.4445, -4.7750, 2.0315
"""They lift small singular values fast and leave all between about 0.7 and 1.2, not at 1."""


@ingredient
class Muon:
    """lr: step size. momentum: share of the last momentum kept. nesterov: look ahead.
    iterations: of NS. beta1, beta2, eps: of Adam, for all that is no hidden matrix.
    """

    lr: Annotated[float, Member("(0, inf)", 1e-4, 3e-2, "log")] = 1e-3
    momentum: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.95
    beta1: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.9
    beta2: Annotated[float, Member("[0, 1)", 0.9, 0.9999, "complement")] = 0.999
    eps: Annotated[float, Member("(0, inf)", 1e-10, 1e-4, "log")] = 1e-8
    nesterov: bool = True
    iterations: Annotated[int, Structural("[1, 20]", 3, 8)] = 5


def orthogonalized(matrices: Tensor, iterations: int) -> Tensor:
    """matrices: [M, in, out]. Returns U S' V' of each U S V', with all of S' near 1."""
    a, b, c = _FACTORS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # the smaller square: X X' is [M, small, small]
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def hidden(layout: Layout) -> list[str]:
    """Names of the matrices between the first one and the head, in the network's order."""
    entries = zip(layout.entries, layout.distances, strict=True)
    matrices = [
        e.name for e, above in entries if above and e.role == "weight" and len(e.shape) == 2
    ]
    return matrices[1:]


def muon(
    grad: Tensor,
    slots: Slots,
    step: Step,
    layout: Layout,
    momentum: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    nesterov: bool,
    iterations: int,
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: momentum, mean, square [M, P], consumed; step counts from 0.
    momentum, beta1, beta2, eps: [M].

    Returns the direction [M, P] and new slots.
    """
    direction, slots_of_adam = adam(grad, slots, step, beta1, beta2, eps)
    rest = 1 - momentum[:, None]
    buffer = slots["momentum"].lerp_(grad, rest)
    ahead = layout.views(buffer.lerp(grad, rest) if nesterov else buffer)
    steps = layout.views(direction)
    for name in hidden(layout):
        matrix = ahead[name]
        steps[name].copy_(orthogonalized(matrix, iterations) * (0.2 * max(matrix.shape[1:]) ** 0.5))
    return direction, {**slots_of_adam, "momentum": buffer}
