"""Optuna's TPE as a search, to compare with: `--search optuna`, extra `optuna`.

Each cohort is asked of a study made anew from all that was told: a recipe trained to its end is a
complete trial; one that was stopped, or has rungs to go, a pruned one with its scores by rung; one
that diverged is pruned without any, which TPE takes as the worst. Recipes not heard of yet are
running trials. Optuna asks choice by choice, so a field is asked for where it counts. The first
recipe of a cohort is asked for freely; the others are given its structural choices.

Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from shrinkage.dimension import Dimension, Options
from shrinkage.errors import BadInput
from shrinkage.randomness import derive
from shrinkage.recipe import Recipe
from shrinkage.space import Space

Distribution = FloatDistribution | IntDistribution | CategoricalDistribution
Scores = dict[float, float | None]
"""By share of the epochs; None: diverged."""


@dataclass
class OptunaSearch:
    """A pure function of (space, seed, cohort, count, all it was told, pending)."""

    space: Space
    seed: int
    told: dict[Recipe, Scores] = field(default_factory=dict)
    name: ClassVar[str] = "optuna"

    def tell(self, recipe: Recipe, share: float, score: float | None) -> None:
        """A recipe outside of the space, such as the plain network, is left out when asked."""
        self.told.setdefault(recipe, {})[share] = score

    def ask(
        self, cohort: int, count: int, pending: Sequence[Recipe] = (), left: float = 0.0
    ) -> list[Recipe]:
        study = self._study(cohort, [recipe for recipe in pending if recipe not in self.told])
        first = self._asked(study, {})
        structural = {d.path for d in self.around.dimensions if d.structural}
        shared = {path: value for path, value in first.params.items() if path in structural}
        others = [self._asked(study, shared) for _ in range(count - 1)]
        return [self._recipe(trial) for trial in (first, *others)]

    @cached_property
    def around(self) -> Space:
        return self.space.with_base()

    def _study(self, cohort: int, pending: Sequence[Recipe]) -> optuna.Study:
        """A study of all that was told, in an order that does not depend on that of telling."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seed = derive(self.seed, "optuna", cohort) % 2**32
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
        heard = [*self.told.items(), *((recipe, None) for recipe in pending)]
        for recipe, scores in sorted(heard, key=lambda each: each[0].hash):
            if (trial := self._trial(recipe, scores)) is not None:
                study.add_trial(trial)
        return study

    def _trial(self, recipe: Recipe, scores: Scores | None) -> FrozenTrial | None:
        """What Optuna is told of a recipe; None for one outside of the space."""
        try:
            point = self.around.encode(recipe)
        except BadInput:
            return None
        counting = self.around.counting(point)
        at = [(d, u) for d, u, c in zip(self.around.dimensions, point, counting, strict=True) if c]
        same: dict[str, Any] = {
            "params": {d.path: _value(d, u) for d, u in at},
            "distributions": {d.path: _distribution(d) for d, _ in at},
        }
        if scores is None:
            return optuna.trial.create_trial(state=TrialState.RUNNING, **same)
        if (whole := scores.get(1.0)) is not None:
            return optuna.trial.create_trial(value=whole, **same)
        heard = {round(1000 * share): s for share, s in scores.items() if s is not None}
        steps = heard if len(heard) == len(scores) else {}
        return optuna.trial.create_trial(state=TrialState.PRUNED, intermediate_values=steps, **same)

    def _asked(self, study: optuna.Study, given: dict[str, Any]) -> optuna.Trial:
        """A trial with all values that count; those in `given` are taken as they are."""
        study.enqueue_trial(given)
        trial = study.ask()
        roles = [d for d in self.around.dimensions if d.is_role]
        point: list[float | None] = [_suggested(trial, d) for d in roles]
        point += [None] * (self.around.size - len(point))
        for dimension, counts in zip(
            self.around.dimensions, self.around.counting(point), strict=True
        ):
            if counts and not dimension.is_role:
                _suggested(trial, dimension)
        return trial

    def _recipe(self, trial: optuna.Trial) -> Recipe:
        values = trial.params
        return self.around.decode(
            [
                _coordinate(d, values[d.path]) if d.path in values else None
                for d in self.around.dimensions
            ]
        )


def _distribution(dimension: Dimension) -> Distribution:
    """Of a range its coordinate, of rising numbers their place, of other options themselves."""
    if not isinstance(dimension.over, Options):
        return FloatDistribution(0.0, 1.0)
    if dimension.ordered:
        return IntDistribution(0, len(dimension.over.values) - 1)
    return CategoricalDistribution(tuple(dict.fromkeys(dimension.over.values)))


def _suggested(trial: optuna.Trial, dimension: Dimension) -> float:
    """The coordinate that Optuna suggests."""
    over = _distribution(dimension)
    if isinstance(over, FloatDistribution):
        value = trial.suggest_float(dimension.path, over.low, over.high)
    elif isinstance(over, IntDistribution):
        value = trial.suggest_int(dimension.path, over.low, over.high)
    else:
        value = trial.suggest_categorical(dimension.path, over.choices)
    return _coordinate(dimension, value)


def _value(dimension: Dimension, u: float) -> Any:
    """What Optuna knows a coordinate as."""
    if not isinstance(dimension.over, Options):
        return u
    value = dimension.over.decode(u)
    return dimension.over.values.index(value) if dimension.ordered else value


def _coordinate(dimension: Dimension, value: Any) -> float:
    """The inverse of `_value`."""
    if not isinstance(dimension.over, Options):
        return value
    return dimension.over.encode(dimension.over.values[value] if dimension.ordered else value)
