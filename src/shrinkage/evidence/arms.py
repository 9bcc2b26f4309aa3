"""The arms of an ablation: what the winner's recipe is without each of its ingredients.

Every role in which the winner differs from the plain network is a switch. Off is nothing where the
plain network has nothing there, and its choice where it must have one: its optimizer, activation,
architecture. The learning rate is no switch: it is tuned in every arm, on one grid, because the
best rate moves when an ingredient goes, and a gain of the rate would be booked as the ingredient's.
Epochs are the winner's in all arms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shrinkage.catalog import entry_of
from shrinkage.errors import BadInput
from shrinkage.ingredient import fields_of
from shrinkage.nets.table import TableShape
from shrinkage.recipe import Recipe
from shrinkage.search.effect import without_effect


@dataclass(frozen=True)
class Switch:
    """One ingredient of the winner. on: as the winner has it. off: in its place, or None."""

    role: str
    on: Any
    off: Any

    @property
    def name(self) -> str:
        return entry_of(self.on).name

    @property
    def setting(self) -> str:
        """What differs from off: "rate=0.2", "depth=3, was 2", "" where the name says it all."""
        values, plain = _told(self.on), {} if self.off is None else _told(self.off)
        if type(self.off) is not type(self.on):
            was = f"was {entry_of(self.off).name}" if self.off is not None else ""
            return ", ".join(filter(None, [_listed(values), was]))
        return ", ".join(
            f"{name}={_short(value)}, was {_short(plain[name])}"
            for name, value in values.items()
            if value != plain[name]
        )

    def turned_off(self, recipe: Recipe) -> Recipe:
        kept = recipe.without(self.role)
        return kept if self.off is None else kept.using(self.off)


@dataclass(frozen=True)
class Arm:
    """A recipe at several learning rates, of which cross-fitting picks one."""

    name: str
    recipes: tuple[Recipe, ...]


def switches(
    winner: Recipe, plain: Recipe, task: str, shape: TableShape
) -> tuple[list[Switch], list[str]]:
    """What can be switched, in the order of a step, and a sentence for each that changes nothing.

    winner, plain: for the same task. Raises BadInput where the winner is the plain network.
    """
    found, idle = [], []
    plain = as_long(plain, winner)
    # On the way to the plain network its architecture takes the winner's place.
    networks = winner, winner.using(plain.get("architecture"))
    for on in winner.ingredients:
        role = entry_of(on).role
        off = plain.get(role)
        if role == "optimizer" and type(on) is type(off):
            off = _like(off, lr=on.lr)
        if on == off:
            continue
        sentences = [_idle(on, network, task, shape) for network in networks]
        if all(sentences):
            idle += sentences[0]
        else:
            found.append(Switch(role, on, off))
    if not found:
        raise BadInput(
            "the winner is the plain network, up to its learning rate: there is no ingredient "
            "to take out;\nmore time may find a better recipe: `shrinkage resume DIR --budget 5m`"
        )
    return found, idle


def as_long(plain: Recipe, winner: Recipe) -> Recipe:
    """The plain network with the winner's epochs."""
    return plain.using(_like(plain.get("batches"), epochs=winner.epochs))


@dataclass(frozen=True)
class Grid:
    """The learning rates at which arms are tuned: the same for all with one optimizer.

    optimizers: the winner's, then the plain network's, whose rates the grid is built around.
    factors: times the rate of the arm's own optimizer.
    """

    optimizers: tuple[Any, Any]
    factors: tuple[float, ...]

    def arm(self, name: str, recipe: Recipe) -> Arm:
        """The recipe at each of its rates."""
        its = recipe.get("optimizer")
        own = next(each for each in self.optimizers if type(each) is type(its))
        rates = [_in_range(own, own.lr * factor) for factor in self.factors]
        return Arm(name, tuple(recipe.using(_like(its, lr=rate)) for rate in rates))


AROUND = (1.0, 0.5, 2.0)
"""Times a rate: the grid around it."""


def around(winner: Recipe, plain: Recipe, factors: tuple[float, ...] = AROUND) -> Grid:
    """Once, half and twice the winner's rate: for arms that are the winner but for a little."""
    return Grid((winner.get("optimizer"), plain.get("optimizer")), factors)


def between(winner: Recipe, plain: Recipe) -> Grid:
    """From the winner's rate to the plain network's: for arms anywhere between the two.

    Where they are within a factor of two, or of different optimizers, as `around`.
    """
    last, first = winner.get("optimizer"), plain.get("optimizer")
    ratio = first.lr / last.lr
    if type(first) is not type(last) or 0.5 <= ratio <= 2:
        return around(winner, plain)
    return Grid((last, first), (1.0, ratio**0.5, ratio))


def without(winner: Recipe, off: Sequence[Switch]) -> Recipe:
    """Raises BadInput where what stands in their places does not work beside the rest."""
    for switch in off:
        winner = switch.turned_off(winner)
    return winner


def with_(plain: Recipe, on: Sequence[Switch]) -> Recipe | None:
    """The plain network with these; None where they do not work together."""
    try:
        return plain.using(*(switch.on for switch in on))
    except BadInput:
        return None


def _idle(on: Any, recipe: Recipe, task: str, shape: TableShape) -> list[str]:
    if entry_of(on).role == "categories" and not shape.cardinalities:
        return [f"{entry_of(on).name} changes nothing: there are no categorical columns."]
    return without_effect([on], recipe, task, shape)


def _like(instance: Any, **values: Any) -> Any:
    return dataclasses.replace(instance, **values)


def _in_range(optimizer: Any, rate: float) -> float:
    """The rate, rounded so that it reads well; halved until the optimizer allows it."""
    (number,) = (f.number for f in fields_of(type(optimizer)) if f.name == "lr")
    rate = float(f"{rate:.3g}")
    while number is not None and not number.allows(rate):
        rate /= 2
    return rate


def _told(instance: Any) -> dict[str, Any]:
    """Its numbers, without those that are tuned or equal in all arms."""
    values = dataclasses.asdict(instance)
    return {name: value for name, value in values.items() if name not in ("lr", "epochs")}


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    """A patience of a billion epochs has no limit."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value < 1e9 else "unlimited"
