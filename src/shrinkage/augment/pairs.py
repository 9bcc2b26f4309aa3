"""What mixing two rows has in common: the share of the first, and where the second lies."""

from __future__ import annotations

import torch
from scipy.special import betaincinv
from torch import Tensor

from shrinkage.batch import per_member


def mixing_share(quantile: Tensor, alpha: Tensor) -> Tensor:
    """lam [M] in [0.5, 1]: the folded Beta(alpha, alpha) at this quantile; 1 where alpha is 0."""
    a = alpha.detach().to("cpu", torch.float64).numpy()
    q = quantile.detach().to("cpu", torch.float64).numpy()
    lam = torch.from_numpy(betaincinv(a.clip(min=1e-3), a.clip(min=1e-3), q))
    lam = torch.maximum(lam, 1 - lam).to(alpha)
    return torch.where(alpha > 0, lam, torch.ones_like(lam))


def rows_at(x: Tensor, partner: Tensor) -> Tensor:
    """x: [M, B, ...]; partner: int [M, B]. Returns each row's partner, [M, B, ...]."""
    index = partner.reshape(*partner.shape, *[1] * (x.dim() - 2)).expand_as(x)
    return torch.gather(x, 1, index)


def blend(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """share * x + (1 - share) * other; x, other: [M, B, ...]; share: [M]; exactly x at 1."""
    return torch.lerp(other, x, per_member(share, x).to(x.dtype))
