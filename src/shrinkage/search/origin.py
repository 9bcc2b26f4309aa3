"""Where a study's networks start when it starts from a model: its recipe, layers, preparation.

The rows of the new table are prepared as that model prepares them, so its networks see what they
know. Nothing of the new table's rows enters the preparation.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

from shrinkage import scores
from shrinkage.catalog import entry_of
from shrinkage.engine import start
from shrinkage.engine.task import scaling_of
from shrinkage.errors import BadInput
from shrinkage.losses.pinball import Pinball
from shrinkage.losses.squared_error import SquaredError
from shrinkage.model import Model
from shrinkage.optim.layer_rates import LayerRates
from shrinkage.population.cohort import network_of
from shrinkage.recipe import Recipe
from shrinkage.search.aim import aimed
from shrinkage.search.folder import Folder
from shrinkage.space import Space

GENTLER, FROZEN = 0.5, 0.1
"""Trial 0 has the model's recipe with these layer rates; docs/log.md compares others."""

_SHAPING = (
    *("scaling", "architecture", "taper", "ensemble", "categories", "numbers", "normalization"),
)
"""Roles that decide which arrays a network has."""

_TRIED = 32
"""Points a structural dimension is tried at; no ready space has more options than that."""


def load(folder: str | Path) -> Model:
    """The networks of a saved model that saw the most rows, with their preparation.

    Raises BadInput where there is no model, or nothing in it to start from.
    """
    model = Model.load(folder)
    if not start.kept(network_of(model.recipe, model.shape)):
        raise BadInput(f"{folder} holds a network of one layer: there is nothing to start from")
    last = len(model.units) - 1  # all rows where the model has such a part, else the last fold
    at = [row for row, part in enumerate(model.parts) if part == last]
    return replace(
        model,
        weights=model.weights[at],
        statistics=model.statistics[at],
        preparers=[model.preparers[last]],
        units=[model.units[last]],
        parts=[0] * len(at),
        says=None,
        share=1.0,
        others=(),
    )


def save(model: Model, folder: Folder) -> None:
    """Keep it in the study's own folder, for workers and for resuming."""
    model.save(folder.start, {})
    _write_layers(model, folder)


def kept(folder: Folder) -> Model:
    """What `save` kept; its layers are written again, whatever became of their file."""
    model = load(folder.start)
    _write_layers(model, folder)
    return model


def _write_layers(model: Model, folder: Folder) -> None:
    network = network_of(model.recipe, model.shape)
    start.write(network, model.weights, model.statistics, folder.layers)


def recipe_for(model: Model, task: str, metric: scores.Goal) -> Recipe:
    """The model's recipe for this task, with gentler steps the further from the new head.

    metric: of the new study. A loss that stood for the earlier one, the mean or a quantile, makes
    room for its own.
    """
    recipe, loss = model.recipe, model.recipe.get("loss")
    if model.schema.task != task or isinstance(loss, SquaredError | Pinball):
        recipe = recipe.without("loss")
    recipe = aimed(recipe, task, metric)
    if any("layer_rates" in entry_of(each).excludes for each in recipe.ingredients):
        return recipe
    return recipe.using(LayerRates(gentler=GENTLER, frozen=FROZEN))


def check(model: Model, recipe: Recipe, space: Space, folder: str) -> None:
    """Raises BadInput where the recipe, or an option of the space, has no place for the layers."""
    _check(model, recipe, "--recipe", folder)
    for place, dimension in enumerate(space.dimensions):
        if dimension.structural:
            for step in range(_TRIED + 1):
                point: list[float | None] = [None] * space.size
                point[place] = step / _TRIED
                _check(model, space.decode(point), f"--space: {dimension.path}", folder)


def _check(model: Model, recipe: Recipe, what: str, folder: str) -> None:
    theirs = start.kept(network_of(model.recipe, model.shape))
    ours = start.kept(network_of(recipe, model.shape))
    if theirs == ours and scaling_of(recipe) == scaling_of(model.recipe):
        return
    roles = [role for role in _SHAPING if recipe.get(role) != model.recipe.get(role)]
    there, here = (", ".join(_shown(r, role) for role in roles) for r in (model.recipe, recipe))
    raise BadInput(
        f"{what} does not fit the networks in {folder}: {there} there, {here} here.\n"
        "To start from them, change only what keeps their layers: rates, noise, losses, decay."
    )


def _shown(recipe: Recipe, role: str) -> str:
    instance = recipe.get(role)
    if instance is None:
        return f"no {role}"
    fields = ", ".join(f"{k}={v}" for k, v in dataclasses.asdict(instance).items())
    return entry_of(instance).name + (f"({fields})" if fields else "")
