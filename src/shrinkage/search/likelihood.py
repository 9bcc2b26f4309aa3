"""The surrogate's fit: hyperparameters that make its rows most probable.

    log p(y | θ) + log p(θ) = log N(y; m, K + noise I) + Σ log prior(θ_k)

    Matern52(r)  = (1 + √5 r + 5/3 r²) exp(-√5 r),   r² = Σ_d (x_d - x'_d)² / l_d²
    Hamming      = exp(-mean_d [x_d differs] / l_d)

| symbol | meaning | shape |
|---|---|---|
| n | rows | |
| d | dimensions that a kernel looks at | |
| K | covariance of the rows | `[n, n]` |

GPyTorch's kernels say what is computed; here it is computed again for rows that stay the same
while θ moves: what does not depend on θ is taken once, and a look costs a fifth of theirs.

Rasmussen & Williams 2006, "Gaussian Processes for Machine Learning", equations 2.30 and 4.17.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

with warnings.catch_warnings():
    # Their import compiles functions in a way that new releases of torch call deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.models import SingleTaskGP
    from botorch.models.kernels import CategoricalKernel
    from gpytorch.kernels import AdditiveKernel, Kernel, MaternKernel, ProductKernel, ScaleKernel
    from gpytorch.means import ConstantMean

_TINY = 1e-30
"""Keeps the root's slope finite where two rows are equal; it meets a factor 0 there."""


def covariance(kernel: Kernel, x: Tensor) -> Callable[[], Tensor]:
    """K [n, n] of the rows x [n, d] as a function of the kernel's parameters as they are then.

    Raises TypeError for a kernel that the surrogate does not use.
    """
    match kernel:
        case AdditiveKernel():
            terms = [covariance(each, x) for each in kernel.kernels]
            return lambda: sum((term() for term in terms[1:]), terms[0]())
        case ProductKernel():
            factors = [covariance(each, x) for each in kernel.kernels]
            return lambda: math.prod((factor() for factor in factors[1:]), start=factors[0]())
        case ScaleKernel():
            inner = covariance(kernel.base_kernel, x)
            return lambda: kernel.outputscale * inner()
        case MaternKernel() if kernel.nu == 2.5:
            squares = _apart(kernel, x).square()
            return lambda: _matern(kernel.lengthscale[0] ** -2 @ squares).reshape(len(x), -1)
        case CategoricalKernel():
            shares = (_apart(kernel, x) != 0).to(x.dtype) / len(kernel.active_dims)
            return lambda: torch.exp(-(1 / kernel.lengthscale[0]) @ shares).reshape(len(x), -1)
    raise TypeError(f"no covariance of a {type(kernel).__name__} is written here")


def _apart(kernel: Kernel, x: Tensor) -> Tensor:
    """Differences [d, n n] along the dimensions that a kernel looks at."""
    seen = x[:, kernel.active_dims].T
    return (seen[:, :, None] - seen[:, None, :]).flatten(1)


def _matern(squared: Tensor) -> Tensor:
    r = (5 * squared + _TINY).sqrt()
    return (1 + r + r * r / 3) * torch.exp(-r)


def log_posterior(model: SingleTaskGP) -> Callable[[], tuple[float, list[Tensor]]]:
    """log p(y | θ) + log p(θ) of a model's own rows and its slopes along `model.parameters()`.

    d log p(y | θ) = tr((α α' - C⁻¹) dC) / 2 + α'1 dm,   C = K + noise I,   α = C⁻¹ (y - m)
    """
    parameters = list(model.parameters())
    (x,), y = model.train_inputs, model.train_targets
    gram, prior = covariance(model.covar_module, x), log_prior(model)
    identity = torch.eye(len(y), dtype=y.dtype)

    def value() -> tuple[float, list[Tensor]]:
        c, m, own = gram() + model.likelihood.noise * identity, constant_of(model), prior()
        with torch.no_grad():
            factor = torch.linalg.cholesky(c)
            away = (y - m)[:, None]
            alpha = torch.cholesky_solve(away, factor)
            uphill = 0.5 * (alpha @ alpha.T - torch.cholesky_inverse(factor))
            logs = factor.diagonal().log().sum() + 0.5 * len(y) * math.log(2 * math.pi)
            found = own - 0.5 * (away * alpha).sum() - logs
        linear = (uphill * c).sum() + alpha.sum() * m + own
        return float(found), list(torch.autograd.grad(linear, parameters))

    return value


def log_prior(model: SingleTaskGP) -> Callable[[], Tensor]:
    """Σ log p(θ_k) of log-normal priors: log p(θ) = -log θ - ((log θ - μ) / σ)² / 2 - log σ√2π."""
    priors = [(prior, partial(of, module)) for _, module, prior, of, _ in model.named_priors()]
    sizes = torch.tensor([of().numel() for _, of in priors])
    loc, scale = (
        torch.stack([getattr(p, name) for p, _ in priors]).double().repeat_interleave(sizes)
        for name in ("loc", "scale")
    )
    constant = (scale.log() + 0.5 * math.log(2 * math.pi)).sum()

    def value() -> Tensor:
        logs = torch.cat([of().ravel() for _, of in priors]).log()
        return -(logs + 0.5 * ((logs - loc) / scale).square()).sum() - constant

    return value


def constant_of(model: SingleTaskGP) -> Tensor:
    """m: what is expected far from all rows."""
    return cast(ConstantMean, model.mean_module).constant


def fit(model: SingleTaskGP, iterations: int) -> None:
    """Move a model's hyperparameters uphill from where they are, within their bounds."""
    parameters = list(model.parameters())
    sizes = [p.numel() for p in parameters]
    low = {id(p): float(c.lower_bound) for _, p, c in model.named_parameters_and_constraints() if c}
    bounds = [(low.get(id(p)), None) for p in parameters for _ in range(p.numel())]
    value = log_posterior(model)

    def put(theta: np.ndarray) -> None:
        for parameter, part in zip(parameters, torch.from_numpy(theta).split(sizes), strict=True):
            parameter.data = part.reshape(parameter.shape).clone()

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        put(theta)
        here, slopes = value()
        scale = -1 / len(model.train_targets)
        return scale * here, scale * torch.cat([slope.ravel() for slope in slopes]).numpy()

    start = torch.cat([p.detach().ravel() for p in parameters]).numpy()
    options = {"maxiter": iterations}
    put(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
