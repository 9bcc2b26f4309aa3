"""What an update rule remembers between steps: named buffers of the parameters' shape."""

from __future__ import annotations

from torch import Tensor

Slots = dict[str, Tensor]
