"""A cohort: members that share a signature, and their numbers stacked into tensors [M].

A member is a recipe, a seed and a fold. Where one member's recipe has an ingredient that
another's leaves out, the other gets its neutral value: off is a value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from shrinkage.augment.cells import Cells
from shrinkage.catalog import CATALOG, ENTRIES, Entry, entry_of
from shrinkage.ingredient import fields_of, neutral, structure, switchable
from shrinkage.nets.layout import DECAYED
from shrinkage.nets.network import Network
from shrinkage.nets.parts import Parts
from shrinkage.nets.table import TableShape, table_network
from shrinkage.population.dataset import Dataset
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Drawn, total_steps
from shrinkage.rows.scaling import Ranked

if TYPE_CHECKING:
    from shrinkage.population.captured import Captured
    from shrinkage.population.compiled import Compiled

Build = Callable[[Recipe], Network]
"""How a recipe becomes a network; the recipe's initialization decides its `start`."""


@dataclass(frozen=True)
class Member:
    """One what-if: a recipe, the seed of its randomness, and the fold it trains on."""

    recipe: Recipe
    seed: int = 0
    fold: int = 0


def network_of(recipe: Recipe, shape: TableShape) -> Network:
    """The network that a recipe describes, for a table of this shape."""

    def bound(role: str) -> partial[Any]:
        instance = recipe.get(role)
        return partial(entry_of(instance).apply, **dataclasses.asdict(instance))

    norm, ensemble, taper = map(recipe.get, ("normalization", "ensemble", "taper"))
    parts = Parts(
        bound("activation"),
        norm=entry_of(norm).name if norm else None,
        structure=structure(norm) if norm else {},
        k=ensemble.k if ensemble else None,
        taper=taper.ratio if taper else 1.0,
    )
    dim = recipe.get("categories").dim
    numbers = recipe.get("numbers")
    shape = shape.read(ranked=isinstance(recipe.get("scaling"), Ranked))
    return table_network(shape, bound("architecture"), bound("initialization"), parts, dim, numbers)


@dataclass(frozen=True)
class Cohort:
    """Members of one signature on one data set.

    Raises ValueError for members of different signatures, or folds that do not exist.
    """

    members: tuple[Member, ...]
    dataset: Dataset
    build: Build
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        signatures = {member.recipe.signature for member in self.members}
        if len(signatures) != 1:
            raise ValueError(f"a cohort shares one signature, got {len(signatures)}")
        folds = len(self.dataset.folds)
        if bad := [m.fold for m in self.members if not 0 <= m.fold < folds]:
            raise ValueError(f"fold {bad[0]} does not exist: the data set has {folds}")

    @property
    def recipe(self) -> Recipe:
        """Any member's recipe, for what all of them share."""
        return self.members[0].recipe

    @cached_property
    def network(self) -> Network:
        return self.build(self.recipe)

    @cached_property
    def total_steps(self) -> int:
        return total_steps(self.dataset.rows, self.recipe.batch_size, self.recipe.epochs)

    @cached_property
    def batch_size(self) -> int:
        return min(self.recipe.batch_size, self.dataset.rows)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        return tuple(member.seed for member in self.members)

    @cached_property
    def folds(self) -> Tensor:
        return torch.tensor([member.fold for member in self.members], device=self.device)

    @cached_property
    def hyper(self) -> dict[str, dict[str, Any]]:
        """Numbers by ingredient and field: [M] tensors per member, plain values if structural.

        Ingredients that are neutral for all members are left out, so they cost nothing.
        """
        found: dict[str, dict[str, Any]] = {}
        for entry in ENTRIES:
            if not entry.structural:
                continue
            instances = self._instances(entry)
            if present := [i for i in instances if i is not None]:
                assert len(present) == len(instances)
                found[entry.name] = {
                    field.name: self._stack(
                        [field.as_number(getattr(i, field.name)) for i in instances]
                    )
                    if field.per_member
                    else getattr(instances[0], field.name)
                    for field in fields_of(entry.kind)
                }
        return found

    def _instances(self, entry: Entry) -> list[Any]:
        """Each member's own; where it has none and another has, what is neutral, or None."""
        found = [member.recipe.get(entry.role) for member in self.members]
        own = [each if type(each) is entry.kind else None for each in found]
        absent = own.count(None) == len(own) or not switchable(entry.kind)
        off = None if absent else neutral(entry.kind)
        return [off if each is None else each for each in own]

    def _stack(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self.dataset.dtype, device=self.device)

    def active(self, place: str, *roles: str) -> list[tuple[Entry, dict[str, Any]]]:
        """What acts at a place, in order, with its stacked numbers."""
        found = self._active.get((place, roles))
        if found is None:
            found = self._active[place, roles] = [
                (CATALOG[name], numbers)
                for name, numbers in self.hyper.items()
                if CATALOG[name].place == place and (not roles or CATALOG[name].role in roles)
            ]
        return found

    @cached_property
    def drawn(self) -> Drawn:
        """Orders of the epoch that is served now: a call asks for a few of its steps."""
        return {}

    @cached_property
    def _active(self) -> dict[tuple[str, tuple[str, ...]], list[tuple[Entry, dict[str, Any]]]]:
        """What `active` has answered: every step asks the same few questions."""
        return {}

    @cached_property
    def optimizer(self) -> tuple[Entry, dict[str, Any]]:
        """The update rule and its numbers, without the rate."""
        (entry, numbers), *_ = self.active("update", "optimizer")
        return entry, {name: value for name, value in numbers.items() if name != "lr"}

    @cached_property
    def factors(self) -> Tensor:
        """The share of its rate that each member's schedule leaves at each step, [T, M]."""
        step = torch.arange(self.total_steps, dtype=torch.float64)
        columns = []
        for member in self.members:
            factor = torch.ones_like(step)
            for role in ("schedule", "warmup"):
                if (instance := member.recipe.get(role)) is not None:
                    function = entry_of(instance).apply
                    factor *= function(step, self.total_steps, **dataclasses.asdict(instance))
            columns.append(factor)
        return torch.stack(columns, 1).to(self.device, self.dataset.dtype)

    @cached_property
    def rates(self) -> Tensor:
        """The learning rate of each member at each step, [T, M]."""
        (_, numbers), *_ = self.active("update", "optimizer")
        return self.factors * numbers["lr"]

    @cached_property
    def patience(self) -> Tensor:
        """Epochs without a better score before a member stops, [M]; infinite: never."""
        stops = [member.recipe.get("early_stopping") for member in self.members]
        return torch.tensor([stop.patience if stop else torch.inf for stop in stops])

    @cached_property
    def smoothing(self) -> Tensor:
        """Share of the earlier epochs in the score that early stopping compares, [M]."""
        stops = [member.recipe.get("early_stopping") for member in self.members]
        return torch.tensor([s.smoothing if s else 0.0 for s in stops], dtype=torch.float64)

    @cached_property
    def validates(self) -> bool:
        """Whether a member's training depends on its validation scores."""
        watch = [getattr(member.recipe.get("plateau"), "watch", "") for member in self.members]
        return bool(torch.isfinite(self.patience).any()) or "validation" in watch

    @cached_property
    def snapshots(self) -> tuple[tuple[int, ...], ...]:
        """The steps after which each member keeps the network as it is then; () for none."""
        found = [member.recipe.get("snapshot") for member in self.members]
        return tuple(
            entry_of(its).apply(self.total_steps, its.count) if its else () for its in found
        )

    @cached_property
    def decayed(self) -> Tensor:
        """[P], 1 for the weights that penalties and decay act on."""
        return self.network.weights.mask(DECAYED).to(self.device, self.dataset.dtype)

    @cached_property
    def cells(self) -> Cells:
        """Of which cell of a row each input column of each member's fold tells."""
        count, places = self.dataset.cells
        at = {name: each.to(self.device)[self.folds] for name, each in places.items()}
        return Cells(count, at)

    @cached_property
    def class_share(self) -> Tensor:
        return self.dataset.class_share.to(self.device)[self.folds]

    @cached_property
    def compiled(self) -> Compiled | None:
        """The trainer of whole steps, where there is one for these members."""
        from shrinkage.population.compiled import Compiled

        return Compiled.of(self)

    @cached_property
    def captured(self) -> Captured | None:
        """Their steps as one graph, where the device replays graphs."""
        from shrinkage.population.captured import Captured

        return Captured.on(self.device)

    def select(self, keep: list[int]) -> Cohort:
        """The cohort of these members only; each trains on exactly as before."""
        if keep == list(range(len(self.members))):
            return self  # with all that it has computed so far
        members = tuple(self.members[i] for i in keep)
        return dataclasses.replace(self, members=members)


def by_signature(members: list[Member]) -> list[list[int]]:
    """Positions of members that can share a cohort, in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for i, member in enumerate(members):
        groups.setdefault(member.recipe.signature, []).append(i)
    return list(groups.values())
