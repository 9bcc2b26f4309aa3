"""A hidden layer by one kernel, where there is a kernel for all that the recipe chose.

Equals `Run.hidden` spelled out. Kernels train: inference, which has no draws, is by torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from shrinkage import kernels
from shrinkage.nets.batch_norm import batch_norm_running, check_rows
from shrinkage.nets.norms import NORMS
from shrinkage.nets.precision import product

if TYPE_CHECKING:
    from shrinkage.nets.parts import Run


def possible(run: Run, x: Tensor) -> bool:
    """Whether all between this layer's matrix product and the next one is for a kernel."""
    noisy = run.training("activation_noise") or run.training("drop_connect")
    known = run.parts.activation.func.__name__ in kernels.ACTIVATIONS
    plain = run.draws is not None and run.parts.k is None and not noisy
    return known and plain and kernels.usable(x)


def hidden(run: Run, x: Tensor, name: str, stream: str, layer: int, norm: str) -> Tensor:
    """As `Run.hidden`."""
    # Numba is loaded when it is needed: it takes longer to import than a small model to predict.
    from shrinkage.kernels.activation import coded
    from shrinkage.kernels.hidden import hidden
    from shrinkage.kernels.noise import noise

    assert run.draws is not None
    bias = run.weights[f"{name}.bias"]
    z = product(x, run.weights[f"{name}.weight"])
    _, rows, width = z.shape
    kind, own = NORMS[run.parts.norm] if norm and run.parts.norm else None, None
    if kind is not None:
        scale, shift = (run.weights[f"{norm}.{key}"] for key in ("scale", "shift"))
        if (units := width // scale.shape[1]) > 1:  # of a channel
            scale, shift = (x.repeat_interleave(units, 1) for x in (scale, shift))
        own = scale, shift, kind.groups(width, **run.parts.structure)
    activation = run.parts.activation
    code = coded(activation.func.__name__, activation.keywords)
    thinning = noise(run.draws, f"dropout.{stream}", run.dropout_rate(layer))
    if kind is not None and kind.running:
        check_rows(rows)
    y, mean, variance = hidden(z, bias, own, code, thinning)
    if kind is not None and kind.running:
        before = run.statistics[f"{norm}.mean"], run.statistics[f"{norm}.variance"]
        numbers = run.training("batch_norm") or {}
        batch = mean + bias.detach(), variance
        after = batch_norm_running(*before, *batch, rows=rows, **numbers)
        run.changed |= zip((f"{norm}.mean", f"{norm}.variance"), after, strict=True)
    return y
