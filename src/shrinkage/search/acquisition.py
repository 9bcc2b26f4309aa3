"""What a candidate is worth: log EI, a cohort's joint worth, and worth per unit of cost.

    EI(x)     = E[max(f(x) - best, 0)] = sd h(u),   u = (mean - best) / sd
    h(u)      = φ(u) + u Φ(u)
    cohort    = log Σ_j EI_j - α log Σ_j cost_j     EI_j: with the members before j believed

| symbol | meaning | shape |
|---|---|---|
| n | candidates | |
| mean, cov | of the surrogate's posterior at the candidates | `[n]`, `[n, n]` |
| best | the best that is expected so far | |
| noise | variance of a score about its mean | |
| α | how much cost counts: 1 at the start, 0 when the budget is used up | |

log EI: Ament et al. 2023, "Unexpected Improvements to Expected Improvement", section 4. A chosen
member is believed to score what is expected of it ("kriging believer": Ginsbourger et al. 2010,
section 4): means stay, variances near it shrink, so the next one goes elsewhere. Cooling the
exponent of cost: Lee et al. 2020, "Cost-aware Bayesian Optimization", section 3.

Differs from the papers: log EI - α log cost, and never EI / log cost, which turns negative where
a unit of cost is smaller than 1. Costs are certain, so uncertain ones win nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_ROOT_HALF_PI = math.sqrt(math.pi / 2)
_NEAR, _FAR = -1.0, -1e4
_LEAST = 1e-12
"""A variance below this is rounding."""


def log_h(u: Tensor) -> Tensor:
    """log(φ(u) + u Φ(u)), any shape, finite for every finite u, and so is its gradient.

    Above -1 as written; below, φ(u) (1 - sqrt(π/2) |u| erfcx(|u| / sqrt 2)); far below, what
    that tends to: φ(u) / u².
    """
    near, mid, far = u.clamp(min=_NEAR), u.clamp(_FAR, _NEAR), u.clamp(max=_FAR)
    density = torch.exp(-0.5 * near**2 - _LOG_ROOT_2PI)
    above = torch.log(density + near * torch.special.ndtr(near))
    rest = _ROOT_HALF_PI * -mid * torch.special.erfcx(-mid / math.sqrt(2))
    below = -0.5 * mid**2 - _LOG_ROOT_2PI + torch.log1p(-rest)
    away = -0.5 * far**2 - _LOG_ROOT_2PI - 2 * torch.log(-far)
    return torch.where(u > _NEAR, above, torch.where(u > _FAR, below, away))


def log_ei(mean: Tensor, variance: Tensor, best: Tensor | float) -> Tensor:
    """log E[max(f - best, 0)] for f ~ N(mean, variance); all of one shape."""
    sd = variance.clamp(min=_LEAST).sqrt()
    return log_h((mean - best) / sd) + sd.log()


def believe(cov: Tensor, i: int, noise: float) -> Tensor:
    """cov [n, n] after candidate i scored, with noise, what was expected of it."""
    column = cov[:, i]
    return cov - torch.outer(column, column) / (cov[i, i].clamp(min=_LEAST) + noise)


def after(
    mean: Tensor, cov: Tensor, best: float, noise: float, pending: int
) -> tuple[Tensor, Tensor, float]:
    """(mean, cov, best) of the candidates behind the first `pending`, once those are believed."""
    for i in range(pending):
        cov = believe(cov, i, noise)
    if pending:
        best = max(best, float(mean[:pending].detach().max()))
    return mean[pending:], cov[pending:, pending:], best


def sequence(mean: Tensor, cov: Tensor, best: Tensor | float, noise: float) -> Tensor:
    """log EI_j [n] of all candidates in their order, each with those before it believed."""
    found = []
    for i in range(len(mean)):
        found.append(log_ei(mean[i], cov[i, i], best))
        best = torch.maximum(mean[i], torch.as_tensor(best, dtype=mean.dtype))
        cov = believe(cov, i, noise)
    return torch.stack(found)


def choose(
    mean: Tensor,
    cov: Tensor,
    best: float,
    noise: float,
    count: int,
    costs: Sequence[float],
    alpha: float,
) -> tuple[list[int], float]:
    """The `count` candidates that are worth most together, one after the other, and their worth.

    costs: of each candidate, in any one unit. alpha: 0 is plain EI, 1 is EI per unit of cost.
    """
    log_costs = torch.tensor(costs, dtype=mean.dtype).log()
    chosen: list[int] = []
    worths: list[Tensor] = []
    for _ in range(min(count, len(mean))):
        values = log_ei(mean, cov.diagonal(), best)
        merit = values - alpha * log_costs
        merit[chosen] = -math.inf
        i = int(merit.argmax())
        chosen.append(i)
        worths.append(values[i])
        best = max(best, float(mean[i]))
        cov = believe(cov, i, noise)
    return chosen, worth(torch.stack(worths), [costs[i] for i in chosen], alpha)


def worth(log_eis: Tensor, costs: Sequence[float], alpha: float) -> float:
    """log Σ EI_j - α log Σ cost_j of a cohort. log_eis: [n], as `sequence` gives them."""
    return float(torch.logsumexp(log_eis, 0)) - alpha * math.log(sum(costs))
