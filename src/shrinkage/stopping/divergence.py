"""Divergence: a member whose loss is no longer a number, or has exploded, leaves training.

A step size too large for the curvature makes the loss grow without bound. The member is taken
out of its population with the reason; the others never see its numbers, because no operation
of a step mixes members.
"""

from __future__ import annotations

import math

EXPLODED = 1e4
"""A loss above this many times (|first loss| + 1) has exploded. Healthy training on scaled
targets starts near 1 and falls (below 0 with a confidence penalty, perhaps from the start); 1e4
leaves room for a bad start of a large rate."""


def divergence(loss: float, first: float, step: int) -> str | None:
    """The reason why a member with this loss should leave, or None."""
    if math.isnan(loss):
        return f"loss is not a number at step {step}"
    if math.isinf(loss):
        return f"loss is infinite at step {step}"
    if loss > EXPLODED * (abs(first) + 1):
        return f"loss exploded from {first:.3g} to {loss:.3g} at step {step}"
    return None
