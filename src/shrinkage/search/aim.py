"""What networks are trained for, where their recipe does not say."""

from __future__ import annotations

from shrinkage import scores
from shrinkage.losses.pinball import Pinball
from shrinkage.recipe import Recipe


def aimed(recipe: Recipe, task: str, metric: scores.Goal) -> Recipe:
    """The recipe with a loss that fits the task, and the quantile where the metric is one.

    A network trained for the mean never predicts a quantile, whatever else its recipe does.
    Raises BadInput as `Recipe.for_task` does.
    """
    level = scores.quantile_of(metric)
    if level is not None and recipe.get("loss") is None:
        recipe = recipe.using(Pinball(level=level))
    return recipe.for_task(task)
