"""What earlier studies taught, as the mean of a new study's surrogate.

    lean(x)     = Σ_i w_i mean_i(x)                earlier studies i, each with its own process
    y - lean    ~ the process of `search.surrogate`
    w_i         = how often study i orders the new study's rows best, over rows drawn anew

An order is judged by its wrong pairs, among rows of one rung. The new study's own process is
judged with each row left out, and competes: what it wins is the weight that nobody gets. So where
the earlier studies order the rows worse, lean is 0, and the search is what it would be without
them. A study that is usually worse than the own process at its 95 % worst gets no chance to win by
luck: else many bad studies would together outvote a good one ("weight dilution").

    left out    mean_-j = y_j - α_j / C⁻¹_jj,   α = C⁻¹ (y - m)

| symbol | meaning | shape |
|---|---|---|
| n | rows of the new study | |
| k | earlier studies, and the new one behind them | |
| S | times that rows are drawn | |

Feurer, Letham, Hutter & Bakshy 2018, "Practical Transfer Learning for Bayesian Optimization"
(ranking-weighted ensembles); Golovin et al. 2017, "Google Vizier", section 3.3 (a process of what
earlier ones leave); left out: Rasmussen & Williams 2006, equation 5.12.

Differs from the papers: what is drawn anew are rows and not predictions; the new study's process
learns the rest of what the others expect, and is not averaged with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shrinkage.randomness import Draws
from shrinkage.search import surrogate
from shrinkage.search.likelihood import constant_of
from shrinkage.search.surrogate import Observation, SingleTaskGP

Lean = Callable[[Tensor], Tensor]
"""What earlier studies expect, [n], at points x [n, d + 1]."""

_DRAWN = 256
_FEWEST = 3
"""Of fewer rows no order is worth a judgement: all earlier studies count alike."""


@dataclass(frozen=True)
class Earlier:
    """The processes of earlier studies, fitted once."""

    models: tuple[SingleTaskGP, ...]

    @classmethod
    def of(cls, studies: Sequence[Sequence[Observation]], axes: Sequence[bool]) -> Earlier:
        """axes: which dimensions are ordered. Studies that tell nothing are left out."""
        return cls(tuple(surrogate.fitted(told, axes) for told in studies if told))

    def lean(self, own: SingleTaskGP, seed: int) -> Lean | None:
        """own: the new study's process as it would be without them. None: they are no help."""
        (x,), y = own.train_inputs, own.train_targets
        found = self.weights(x, y, left_out(own), seed)
        kept = [(m, w) for m, w in zip(self.models, found.tolist(), strict=True) if w > 0]
        if not kept:
            return None

        def expected(points: Tensor) -> Tensor:
            means = [weight * surrogate.expected(model, points) for model, weight in kept]
            return torch.stack(means).sum(0)

        return expected

    def weights(self, x: Tensor, y: Tensor, own: Tensor, seed: int) -> Tensor:
        """w [k - 1] of the earlier studies; own: what the new study's process says of its rows."""
        if len(y) < _FEWEST:
            return torch.full((len(self.models),), 1 / max(1, len(self.models)), dtype=y.dtype)
        orders = torch.stack([*(surrogate.expected(model, x) for model in self.models), own])
        return won(wrong_pairs(orders, y, x[:, -1]), seed)[:-1]


def left_out(model: SingleTaskGP) -> Tensor:
    """What a process says of each of its rows [n] without having seen it."""
    (x,), y = model.train_inputs, model.train_targets
    with torch.no_grad():
        gram = model.covar_module(x).to_dense()
        noise = surrogate.noise_of(model) * torch.eye(len(y), dtype=y.dtype)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram + noise))
        return y - inverse @ (y - constant_of(model)) / inverse.diagonal()


def wrong_pairs(orders: Tensor, y: Tensor, rung: Tensor) -> Tensor:
    """[k, n, n]: 1 where a pair of rows of one rung stands in another order than y has it.

    orders: [k, n]. y, rung: [n]. A tie in an order is half wrong, a tie in y is no pair.
    """

    def signs(values: Tensor) -> Tensor:
        return torch.sign(values[..., :, None] - values[..., None, :])

    truth = signs(y) * (rung[:, None] == rung[None, :])
    return 0.5 * (truth.abs() - signs(orders) * truth)


def won(wrong: Tensor, seed: int) -> Tensor:
    """Share [k] of the draws in which each has the fewest wrong pairs; the last one is our own.

    wrong: [k, n, n]. Those that share a win share its weight.
    """
    n = wrong.shape[-1]
    places = (Draws((seed,)).uniform("transfer.rows", (_DRAWN, n))[0] * n).long()
    counts = torch.zeros(_DRAWN, n, dtype=wrong.dtype)
    counts.scatter_add_(1, places, torch.ones(_DRAWN, n, dtype=wrong.dtype))
    losses = torch.einsum("sa,kab,sb->ks", counts, wrong, counts)
    hopeless = losses[:-1].median(1).values > losses[-1].quantile(0.95)
    losses[:-1][hopeless] = torch.inf
    best = (losses == losses.min(0).values).to(wrong.dtype)
    return (best / best.sum(0)).mean(1)
