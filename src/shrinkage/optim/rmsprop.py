"""RMSprop: the gradient divided by the root of a running mean of its squares.

    v <- alpha v + (1 - alpha) g^2
    centered:   a <- alpha a + (1 - alpha) g,   v^ = v - a^2;   otherwise v^ = v
    m <- momentum * m + g / (sqrt(v^) + eps)
    w <- w - lr * m

Sources: Tieleman & Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5; centered:
Graves 2013, "Generating Sequences with Recurrent Neural Networks", section 4.2. Equals
torch.optim.RMSprop in all four forms.

Differs from torch: a variance v^ that rounding makes negative counts as 0, not as no number.

Helps: gradients whose size differs between weights, or drifts during training.
Does nothing: momentum 0 is plain RMSprop.
Conflicts: v starts at 0 and is not corrected for it as Adam's is, so the first steps are up to
1 / sqrt(1 - alpha) times too long: add `warmup`. Centered divides steady gradients by nearly
nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor

from shrinkage.ingredient import Member, ingredient
from shrinkage.slots import Slots, Step, zeros


@ingredient
class Rmsprop:
    """lr: step size. alpha: decay of the running means. eps: added to the root. momentum: share
    of the last step kept. centered: divide by the spread, not by the size.
    """

    lr: Annotated[float, Member("(0, inf)", 1e-4, 3e-2, "log")] = 1e-3
    alpha: Annotated[float, Member("[0, 1)", 0.9, 0.999, "complement")] = 0.99
    eps: Annotated[float, Member("(0, inf)", 1e-10, 1e-4, "log")] = 1e-8
    momentum: Annotated[float, Member("[0, 1)", 0.0, 0.98, neutral=0.0)] = 0.0
    centered: bool = False


def rmsprop_means(weights: Tensor, centered: bool, **numbers: Any) -> Slots:
    """What the rule remembers; the mean of gradients only where it is centered."""
    return zeros("square", "momentum", *(["mean"] if centered else []))(weights)


def rmsprop(
    grad: Tensor,
    slots: Slots,
    step: Step,
    alpha: Tensor,
    eps: Tensor,
    momentum: Tensor,
    centered: bool,
) -> tuple[Tensor, Slots]:
    """grad: [M, P]; slots: square, momentum and, if centered, mean [M, P], consumed; the rest [M].

    Returns the direction [M, P] and new slots.
    """
    rest = 1 - alpha[:, None]
    new = {"square": slots["square"].lerp_(grad.square(), rest)}
    spread = new["square"]
    if centered:
        new["mean"] = slots["mean"].lerp_(grad, rest)
        spread = spread.addcmul(new["mean"], new["mean"], value=-1).clamp_(min=0)
    root = spread.sqrt().add_(eps[:, None])
    buffer = slots["momentum"].mul_(momentum[:, None]).addcdiv_(grad, root)
    return buffer, new | {"momentum": buffer}
