"""The surrogate: a Gaussian process over recipes and shares of their epochs.

    y(x, s)   = m + f(x, s) + g(s) + noise
    cov f     = a · Matern52(ordered) · Hamming(unordered) · Matern52(fidelity)
    cov g     = b · Matern52(fidelity)                         what all recipes have in common
    Hamming   = exp(-mean_d [x_d differs] / l_d)
    fidelity  = 1 + log(share) / log(9)                        0, 1/2, 1 at the rungs

| symbol | meaning | shape |
|---|---|---|
| n | rows: one a rung that a trial has finished | |
| d | dimensions of the space | |
| x | a recipe's point, `Space.encode`, and its fidelity behind it | `[n, d + 1]` |
| y | standardized scores, larger is better | `[n]` |

Ranges, and options that are numbers in rising order, have a distance; other options are equal or
they are not. A field that does not count stands at 0.5 whatever it would be, and the option that
made it count or not stands beside it: so conditions need no kernel of their own.

A score is a mean over folds with one seed. All recipes see the same folds, seeds and draws, so
what these have in common is in m and g; what is left of them is the noise, and its variance is
learned with everything else. Where a recipe is told more than once, every score is a row: repeats
say outright how large the noise is.

Priors that grow with d: Hvarfner et al. 2024, "Vanilla Bayesian Optimization Performs Great in
High Dimensions", section 5. Fidelity as an input: Kandasamy et al. 2017, "Multi-fidelity Bayesian
Optimisation with Continuous Approximations", section 2.
"""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from shrinkage.search import likelihood
from shrinkage.search.halving import RUNGS
from shrinkage.space import Space

with warnings.catch_warnings():  # as in `likelihood`
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.models import SingleTaskGP
    from botorch.models.kernels import CategoricalKernel
    from gpytorch.constraints import GreaterThan
    from gpytorch.distributions import MultivariateNormal
    from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.priors import LogNormalPrior
    from gpytorch.settings import debug

MOST_ROWS = 320
"""Rows that the posterior knows."""
FIT_ROWS = 128
"""Rows that lengths, scales and noise are fitted to: a fit stays well below a second."""
_ITERATIONS = 10
_LEAST_NOISE, _LEAST_LENGTH, _LEAST_SCALE = 1e-4, 0.025, 1e-4
_CLIPPED = 3.0
"""A score this many deviations below the median says "bad"; how bad teaches nothing."""


@dataclass(frozen=True)
class Observation:
    """A point of the space, the share of its epochs, and its score; None: diverged."""

    point: tuple[float, ...]
    share: float
    score: float | None


def fidelity(share: float) -> float:
    """0 at the first rung, 1 at the whole training."""
    return 1 - math.log(share) / math.log(RUNGS[0])


def ordered(space: Space) -> list[bool]:
    """Which dimensions have a distance, and not only equality."""
    return [dimension.ordered for dimension in space.dimensions]


def standardized(scores: Sequence[float | None]) -> Tensor:
    """y [n]: mean 0, deviation 1, failures as the worst seen, far worse than usual cut off.

    A failure is None, or infinite: no fold's score, or not every one's.

    Deviations are measured robustly at first: one recipe that learned nothing must not make all
    others look alike.
    """
    known = [score for score in scores if score is not None and math.isfinite(score)]
    worst = min(known, default=0.0)
    finite = [max(worst, -math.inf if s is None else s) for s in scores]
    y = torch.tensor(finite, dtype=torch.float64)
    middle = y.median()
    spread = 1.4826 * (y - middle).abs().median()
    spread = spread if spread > 0 else y.std(correction=0)
    if spread > 0:
        y = y.clamp(min=float(middle - _CLIPPED * spread))
    deviation = y.std(correction=0)
    return (y - y.mean()) / (deviation if deviation > 0 else 1.0)


def rows_of(told: Sequence[Observation]) -> tuple[Tensor, Tensor]:
    """x [n, d + 1] and y [n], in an order that does not depend on the order of telling."""
    order = sorted(told, key=_place)
    x = torch.tensor([[*t.point, fidelity(t.share)] for t in order], dtype=torch.float64)
    return x, standardized([t.score for t in order])


def thinned(x: Tensor, y: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """At most so many rows: the better half of them are the best, the others spread over all.

    `rows_of` orders by a hash, so an even spread over its order is one over the rows.
    """
    if len(y) <= most:
        return x, y
    best = y.argsort(descending=True, stable=True)
    rest = best[most // 2 :].sort().values
    even = torch.arange(most - most // 2) * len(rest) // (most - most // 2)
    kept = torch.cat([best[: most // 2], rest[even]]).sort().values
    return x[kept], y[kept]


def kernel_of(axes: Sequence[bool]) -> Kernel:
    """The prior covariance. axes: which of the d dimensions are ordered."""
    d = len(axes)
    numbers = [i for i, has_distance in enumerate(axes) if has_distance]
    names = [i for i, has_distance in enumerate(axes) if not has_distance]
    own: Kernel = _matern([d], 0.0, 0.5)
    if numbers:
        own = own * _matern(numbers, math.sqrt(2) + 0.5 * math.log(len(numbers)), math.sqrt(3))
    if names:
        own = own * CategoricalKernel(
            ard_num_dims=len(names),
            active_dims=names,
            lengthscale_prior=LogNormalPrior(0.0, 1.0),
            lengthscale_constraint=_above(_LEAST_LENGTH, 1.0),
        )
    return _scaled(own) + _scaled(_matern([d], 0.0, 0.5))


def _matern(places: list[int], loc: float, scale: float) -> Kernel:
    """Matern 5/2 with a length a dimension, each log-normal."""
    return MaternKernel(
        2.5,
        ard_num_dims=len(places),
        active_dims=places,
        lengthscale_prior=LogNormalPrior(loc, scale),
        lengthscale_constraint=_above(_LEAST_LENGTH, 0.5 * math.sqrt(len(places))),
    )


def _scaled(kernel: Kernel) -> Kernel:
    prior = LogNormalPrior(0.0, 1.0)
    return ScaleKernel(
        kernel, outputscale_prior=prior, outputscale_constraint=_above(_LEAST_SCALE, 0.7)
    )


def _above(low: float, start: float) -> GreaterThan:
    """Held by the optimizer itself, so that nothing is squeezed through a softplus."""
    return GreaterThan(low, transform=None, initial_value=start)


def model_of(x: Tensor, y: Tensor, axes: Sequence[bool]) -> SingleTaskGP:
    """The process with the priors' hyperparameters, conditioned on the rows."""
    noise = GaussianLikelihood(
        noise_prior=LogNormalPrior(-3.0, 1.0),
        noise_constraint=_above(_LEAST_NOISE, 0.05),
    )
    covariance = kernel_of(axes)
    model = SingleTaskGP(
        x, y[:, None], likelihood=noise, covar_module=covariance, outcome_transform=None
    )
    return model.eval()


def fitted(
    told: Sequence[Observation],
    axes: Sequence[bool],
    lean: Callable[[Tensor], Tensor] | None = None,
) -> SingleTaskGP:
    """The process whose hyperparameters make some rows most probable, conditioned on more.

    lean: what is expected at points beforehand (`search.transfer`); the process is of what it
    leaves, with scores as far apart as it expects them at these rows. Starts from the same values
    each time, so equal histories give equal models.
    """
    x, y = thinned(*rows_of(told), MOST_ROWS)
    if lean is not None:
        expected = lean(x)
        y = y * expected.std(correction=0) - expected
    sample = model_of(*thinned(x, y, FIT_ROWS), axes)
    likelihood.fit(sample, _ITERATIONS)
    model = model_of(x, y, axes)
    model.load_state_dict(sample.state_dict())
    return model


def posterior(model: SingleTaskGP, x: Tensor) -> tuple[Tensor, Tensor]:
    """mean [n] and covariance [n, n] of the scores without noise at x [n, d + 1]."""
    found = _at(model, x)
    return found.mean, found.covariance_matrix


def expected(model: SingleTaskGP, x: Tensor) -> Tensor:
    """mean [n] alone, without gradients."""
    with torch.no_grad():
        return _at(model, x).mean


def _at(model: SingleTaskGP, x: Tensor) -> MultivariateNormal:
    # Its debugging warns of points that are its own rows, and what is expected there is asked for.
    with debug(False):
        return model(x)


def warm() -> None:
    """Load what a first fit would stop for: torch's symbolic shapes take up to a second."""
    torch.broadcast_shapes((1,), (1,))


def points_of(model: SingleTaskGP) -> list[tuple[float, ...]]:
    """The points of its rows, each once, whatever the shares."""
    (x,) = model.train_inputs
    return sorted({tuple(row[:-1]) for row in x.tolist()})


def noise_of(model: SingleTaskGP) -> float:
    """The variance of a score about its mean."""
    return float(model.likelihood.noise.detach())


def _place(told: Observation) -> tuple[int, tuple[float, ...], float, float]:
    row = torch.tensor([*told.point, told.share], dtype=torch.float64).numpy().tobytes()
    return zlib.crc32(row), told.point, told.share, -math.inf if told.score is None else told.score
