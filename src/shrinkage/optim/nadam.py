"""NAdam: Adam that looks one momentum step ahead, as Nesterov does.

    mu_t = beta1 (1 - 0.96^(t * momentum_decay) / 2)
    m <- beta1 m + (1 - beta1) g,     v <- beta2 v + (1 - beta2) g^2,     v^ = v / (1 - beta2^t)
    u  = (1 - mu_t) g / (1 - mu_1 ... mu_t)  +  mu_{t+1} m / (1 - mu_1 ... mu_{t+1})
    w <- w - lr * u / (sqrt(v^) + eps)

Dozat 2016, "Incorporating Nesterov Momentum into Adam", algorithm 8 with the schedule of mu in
its section 3; equals torch.optim.NAdam.

Helps: where Adam does, often in fewer epochs; the weight of momentum rises slowly, which warms up.
Does nothing: with beta1 = 0 it is Adam without momentum.
Conflicts: an L2 penalty is divided away, as with Adam; use `decay`.
"""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step, zeros


@ingredient
class Nadam:
    """lr: step size. beta1, beta2: decay of the two running means. eps: added to the root.
    momentum_decay: how fast mu rises from beta1 / 2 to beta1; at 0 it never does.
    """

    lr: Annotated[float, Member("(0, inf)", 1e-4, 3e-2, "log")] = 2e-3
    beta1: Annotated[float, Member("[0, 1)", 0.8, 0.98, "complement")] = 0.9
    beta2: Annotated[float, Member("[0, 1)", 0.9, 0.9999, "complement")] = 0.999
    eps: Annotated[float, Member("(0, inf)", 1e-10, 1e-4, "log")] = 1e-8
    momentum_decay: Annotated[float, Member("[0, inf)", 1e-3, 3e-2, "log")] = 4e-3


def nadam_means(weights: Tensor, **numbers: Any) -> Slots:
    """The two running means [M, P] and the product of all mu [M, 1], before step 0."""
    return {**zeros("mean", "square")(weights), "product": weights.new_ones(len(weights), 1)}


def nadam(
    grad: Tensor,
    slots: Slots,
    step: Step,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    momentum_decay: Tensor,
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: mean, square [M, P], product [M, 1], consumed; the rest [M].

    Returns the direction [M, P] and new slots.
    """
    beta1, beta2, eps, fade = (x[:, None] for x in (beta1, beta2, eps, momentum_decay))
    now, ahead = (beta1 * (1 - 0.5 * 0.96 ** (t * fade)) for t in (step + 1, step + 2))
    product = slots["product"] * now
    mean = slots["mean"].lerp_(grad, 1 - beta1)
    square = slots["square"].lerp_(grad.square(), 1 - beta2)
    root = (square / (1 - beta2 ** (step + 1))).sqrt_().add_(eps)
    direction = grad * ((1 - now) / (1 - product))
    direction.addcmul_(mean, ahead / (1 - product * ahead)).div_(root)
    return direction, {"mean": mean, "square": square, "product": product}
