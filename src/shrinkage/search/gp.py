"""A Bayesian search: cohorts that a Gaussian process expects to improve most on the best.

    worth(cohort) = log Σ_j EI_j - α log Σ_j cost_j            `search.acquisition`

A cohort shares its structural choices, so each candidate cohort is one signature: of random
recipes, of the neighbours of the best recipes, and of those with one structural choice changed.
The worthiest full one is taken, and its numbers are moved along the gradient of log Σ_j EI_j.
Members asked for earlier and not heard of yet are believed to score what is expected of them.
The process (`search.surrogate`) learns from every rung, stopped members included.

What earlier studies of the same space learned may be its mean (`search.transfer`). Until eight
recipes are heard of (one, with earlier studies), and in every eighth cohort, recipes are random:
the process knows nothing of a part of the space from which it never asked. So they are where
trainings are so short that asking would cost a share of the study's time worth having.

Jones, Schonlau & Welch 1998, "Efficient Global Optimization of Expensive Black-Box Functions";
Snoek et al. 2012, "Practical Bayesian Optimization", section 3.2 (EI per second).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from shrinkage.dimension import Options, Range
from shrinkage.errors import BadInput
from shrinkage.randomness import Draws, derive
from shrinkage.recipe import Recipe
from shrinkage.search import acquisition, surrogate, transfer
from shrinkage.search.random import KEEP, RandomSearch
from shrinkage.search.surrogate import Observation
from shrinkage.space import INACTIVE, Space

FIRST = 8
"""Recipes heard of before the process is asked."""
RANDOM_EVERY = 8

_CANDIDATES = 144
"""Recipes looked at for a cohort; more only where the cohort itself is large."""
_SIGNATURES = 12
_REFINED = 16
"""Members whose numbers are moved along the gradient."""
_STEPS = 6
_NUDGE = 0.12
"""Deviation of a small change of a number, as a share of its range."""
_CHANGED = 0.25
"""The chance that a neighbour's coordinate differs."""

Point = tuple[float, ...]


@dataclass(frozen=True)
class Candidates:
    """Recipes of one signature and their points [n, d + 1], at the whole training."""

    recipes: list[Recipe]
    x: Tensor


@dataclass(frozen=True)
class Belief:
    """What a process expects. best: of all recipes heard of. pending: points asked for.

    lean: what earlier studies expect, which the process knows the rest of; None: nothing.
    """

    model: Any
    lean: Any
    best: float
    noise: float
    pending: Tensor

    def at(self, x: Tensor) -> tuple[Tensor, Tensor, float]:
        """(mean, cov, best) at x once the pending members are believed."""
        points = torch.cat([self.pending, x])
        mean, cov = surrogate.posterior(self.model, points)
        if self.lean is not None:
            mean = mean + self.lean(points)
        return acquisition.after(mean, cov, self.best, self.noise, len(self.pending))


@dataclass
class GPSearch:
    """A pure function of (space, seed, cohort, all it was told, pending, left).

    cost: of a recipe's whole training, in any one unit. earlier: what other studies of the same
    space were told, each by itself. allowed: seconds that its own work may have taken by now, after
    which it asks at random; None: as many as it takes, and only then is it the pure function.
    seconds: what it has taken.
    """

    space: Space
    seed: int
    cost: Callable[[Recipe], float]
    allowed: Callable[[], float] | None = None
    earlier: Sequence[Sequence[Observation]] = ()
    told: list[Observation] = field(default_factory=list)
    seconds: float = 0.0
    _known: tuple[int, Belief, list[Point]] | None = None
    _dry: int | None = None
    name: ClassVar[str] = "gp"

    def tell(self, recipe: Recipe, share: float, score: float | None) -> None:
        """A recipe outside of the space, such as the plain network, says nothing about it."""
        point = self._point(recipe)
        if point is not None:
            self.told.append(Observation(point, share, score))

    def ask(
        self, cohort: int, count: int, pending: Sequence[Recipe] = (), left: float = 0.0
    ) -> list[Recipe]:
        """pending: asked for and not heard of. left: share of the budget, and so α."""
        tried = {told.point for told in self.told}
        if len(tried) < (1 if self.earlier else FIRST) or self._idle:
            return RandomSearch(self.space, self.seed).ask(cohort, count)
        if cohort % RANDOM_EVERY == 0:
            # Points of their own, one after the other: every eighth of a sequence is spread badly.
            again = RandomSearch(self.space, derive(self.seed, "gp.random"))
            return again.ask(cohort // RANDOM_EVERY, count)
        began = time.perf_counter()
        try:
            found = self._best(cohort, count, pending, left, tried)
            self._dry = None if found else len(self.told)
            return found
        finally:
            self.seconds += time.perf_counter() - began

    @property
    def _idle(self) -> bool:
        """Whether it has had its time, or found nothing new and has heard nothing since."""
        spent = self.allowed is not None and self.seconds > self.allowed()
        return spent or self._dry == len(self.told)

    def _best(
        self, cohort: int, count: int, pending: Sequence[Recipe], left: float, tried: set[Point]
    ) -> list[Recipe]:
        """The cohort that is worth most; see `ask`. tried: points heard of."""
        points = dict.fromkeys(map(self._point, pending))
        asked = [point for point in points if point is not None and point not in tried]
        belief, best = self._belief(asked)
        taken = tried | set(asked)
        proposals = (self._fresh(each, taken) for each in self._proposals(cohort, count, best))
        every = [candidates for candidates in proposals if candidates is not None]
        if not every:
            return []
        # One look at all of them: what the process costs lies in the calls, not in the points.
        with torch.no_grad():
            mean, cov, bar = belief.at(torch.cat([candidates.x for candidates in every]))
        found: list[tuple[int, float, Candidates, list[int]]] = []
        end = 0
        for candidates in every:
            begin, end = end, end + len(candidates.recipes)
            costs = [self.cost(recipe) for recipe in candidates.recipes]
            here = mean[begin:end], cov[begin:end, begin:end]
            chosen, worth = acquisition.choose(*here, bar, belief.noise, count, costs, left)
            found.append((len(chosen), worth, candidates, chosen))
        # A full cohort goes before one with gaps: training a member less saves almost nothing.
        _, worth, candidates, chosen = max(found, key=lambda each: each[:2])
        return self._refined(belief, candidates, chosen, taken, worth, left)

    # -- what is known -------------------------------------------------------------------

    @cached_property
    def around(self) -> Space:
        return self.space.with_base()

    def _point(self, recipe: Recipe) -> Point | None:
        try:
            return tuple(self.around.encode(recipe))
        except BadInput:
            return None

    def _belief(self, pending: list[Point]) -> tuple[Belief, list[Point]]:
        """What is expected, and the points that the process knows, the best first."""
        size = self.space.size
        if self._known is None or self._known[0] != len(self.told):
            axes = surrogate.ordered(self.around)
            model, lean = surrogate.fitted(self.told, axes), None
            if self.earlier and (lean := self._studies.lean(model, derive(self.seed, "gp.lean"))):
                model = surrogate.fitted(self.told, axes, lean)
            points, noise = surrogate.points_of(model), surrogate.noise_of(model)
            belief = Belief(model, lean, -math.inf, noise, _whole([], size))
            with torch.no_grad():
                mean, _, _ = belief.at(_whole(points, size))
            order = mean.argsort(descending=True, stable=True).tolist()
            belief = replace(belief, best=float(mean.max()))
            self._known = len(self.told), belief, [points[i] for i in order]
        _, belief, leaders = self._known
        return replace(belief, pending=_whole(pending, size)), leaders

    @cached_property
    def _studies(self) -> transfer.Earlier:
        return transfer.Earlier.of(self.earlier, surrogate.ordered(self.around))

    # -- candidates ----------------------------------------------------------------------

    def _proposals(self, cohort: int, count: int, best: list[Point]) -> Iterator[list[Recipe]]:
        """Recipes of one signature at a time: near the best, one choice away, anywhere."""
        each = max(_CANDIDATES // _SIGNATURES, count + count // 2)
        kinds = max(3, min(_SIGNATURES, _CANDIDATES // each))
        places: dict[Point, Point] = {}
        for point in best:
            places.setdefault(self._structure(point), point)
        leaders = list(places.values())[: kinds // 3]
        draws = Draws((derive(self.seed, "gp"),), cohort)
        for i, point in enumerate(leaders):
            yield self._neighbours(draws, f"gp.near.{i}", point, each)
        for i in range(kinds // 3):
            moved = self._moved(draws, f"gp.moved.{i}", leaders[i % len(leaders)])
            yield self._neighbours(draws, f"gp.there.{i}", moved, each)
        seed = derive(self.seed, "gp.anywhere", cohort)
        for i in range(kinds - kinds // 3 - len(leaders)):
            yield self.space.sample(seed, i, each, keep=KEEP)

    def _structure(self, point: Point) -> Point:
        return tuple(u for u, d in zip(point, self.space.dimensions, strict=True) if d.structural)

    def _moved(self, draws: Draws, stream: str, point: Point) -> Point:
        """The point with one structural choice drawn anew; itself where there are none."""
        places = [i for i, d in enumerate(self.space.dimensions) if d.structural]
        if not places:
            return point
        which, where = draws.uniform(stream, (2,))[0].tolist()
        moved = list(point)
        moved[places[int(which * len(places))]] = where
        return tuple(moved)

    def _neighbours(self, draws: Draws, stream: str, point: Point, count: int) -> list[Recipe]:
        """Recipes with the point's structural choices and some other numbers."""
        size = (count, self.space.size)
        changed = draws.uniform(f"{stream}.changed", size)[0] < _CHANGED
        anew = draws.uniform(f"{stream}.anew", size)[0].double()
        small = draws.uniform(f"{stream}.small", size)[0] < 0.5
        start = torch.tensor(point, dtype=torch.float64)
        step = _NUDGE * draws.normal(f"{stream}.step", size)[0].double()
        numbers = torch.tensor([isinstance(d.over, Range) for d in self.space.dimensions])
        fixed = torch.tensor([d.structural for d in self.space.dimensions])
        # A number that does not count for this point starts from the base where it comes to count.
        idle = numbers & (start == INACTIVE)
        drawn = torch.where(small & numbers & ~idle, (start + step).clamp(0, 1), anew)
        changed &= ~fixed
        rows = torch.where(changed, drawn, start).tolist()
        kept = (idle & ~changed).tolist()
        return [
            self.around.decode([None if k else u for u, k in zip(*pair, strict=True)])
            for pair in zip(rows, kept, strict=True)
        ]

    def _fresh(self, recipes: Iterable[Recipe], taken: set[Point]) -> Candidates | None:
        """Those not tried yet, each once; None where there are none."""
        found = {self._point(recipe): recipe for recipe in recipes}
        fresh = {p: r for p, r in found.items() if p is not None and p not in taken}
        return Candidates(list(fresh.values()), _whole(fresh, self.space.size)) if fresh else None

    # -- the last part of the way --------------------------------------------------------

    def _refined(
        self,
        belief: Belief,
        candidates: Candidates,
        chosen: list[int],
        taken: set[Point],
        worth: float,
        left: float,
    ) -> list[Recipe]:
        """The chosen with their numbers moved uphill, or as they are where that gains nothing."""
        recipes = [candidates.recipes[i] for i in chosen]
        x = candidates.x[chosen]
        moved = self._climbed(belief, x, min(_REFINED, len(x)))
        if moved is x:
            return recipes
        after = [self._set(*pair) for pair in zip(recipes, moved.tolist(), strict=True)]
        fresh = self._fresh(after, taken)
        if fresh is None or len(fresh.recipes) < len(recipes):
            return recipes
        with torch.no_grad():
            mean, cov, best = belief.at(fresh.x)
            log_eis = acquisition.sequence(mean, cov, best, belief.noise)
        costs = [self.cost(recipe) for recipe in fresh.recipes]
        return fresh.recipes if acquisition.worth(log_eis, costs, left) > worth else recipes

    def _climbed(self, belief: Belief, x: Tensor, count: int) -> Tensor:
        """x [n, d + 1] with the free numbers of its first rows at a local optimum nearby."""
        low, high = self._limits(x[:count])
        free = high > low
        if not free.any():
            return x

        def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
            u = torch.from_numpy(values).requires_grad_()
            points = x[:count].clone()
            points[free] = u
            mean, cov, best = belief.at(points)
            value = -torch.logsumexp(acquisition.sequence(mean, cov, best, belief.noise), 0)
            (gradient,) = torch.autograd.grad(value, u)
            return float(value.detach()), gradient.numpy()

        bounds = list(zip(low[free].tolist(), high[free].tolist(), strict=True))
        start, options = x[:count][free].numpy(), {"maxiter": _STEPS, "maxfun": _STEPS + 2}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        moved = x.clone()
        moved[:count][free] = torch.from_numpy(found.x)
        return moved

    def _limits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where each coordinate may go: numbers that count and are on, within their range."""
        low, high = x.clone(), x.clone()
        for i, dimension in enumerate(self.space.dimensions):
            if isinstance(dimension.over, Options) or dimension.structural:
                continue
            off = dimension.over.off
            acts = (x[:, i] >= off) & (x[:, i] != INACTIVE)
            low[acts, i], high[acts, i] = off, 1.0
        return low, high

    def _set(self, recipe: Recipe, row: Sequence[float]) -> Recipe:
        """The recipe with its free numbers at the coordinates of a row."""
        at = torch.tensor([[*self.around.encode(recipe), 1.0]], dtype=torch.float64)
        low, high = self._limits(at)
        free = (high > low)[0].tolist()
        return recipe.set(
            {
                d.path: d.over.decode(u)
                for d, u, moves in zip(self.space.dimensions, row, free, strict=False)
                if moves
            }
        )


def _whole(points: Iterable[Point], size: int) -> Tensor:
    """x [n, size + 1] of some points at the whole of their training."""
    rows = [[*point, 1.0] for point in points]
    return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), size + 1)
