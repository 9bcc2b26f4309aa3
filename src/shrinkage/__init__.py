"""shrinkage: find the training recipe under which a neural network generalizes, and prove it.

from shrinkage import Classifier, Regressor, fit, ablate, Recipe, Space
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shrinkage.errors import BadInput, NoEffectWarning, UnseenWarning
    from shrinkage.estimator import Classifier, Regressor
    from shrinkage.model import Model
    from shrinkage.recipe import Recipe
    from shrinkage.run import Run, ablate, fit, resume, subgroups
    from shrinkage.space import Space

__version__ = "0.1.0"

_HOMES = {
    "BadInput": "errors",
    "NoEffectWarning": "errors",
    "UnseenWarning": "errors",
    "Classifier": "estimator",
    "Regressor": "estimator",
    "Model": "model",
    "Recipe": "recipe",
    "Run": "run",
    "ablate": "run",
    "fit": "run",
    "resume": "run",
    "subgroups": "run",
    "Space": "space",
}

__all__ = [
    "BadInput",
    "Classifier",
    "Model",
    "NoEffectWarning",
    "Recipe",
    "Regressor",
    "Run",
    "Space",
    "UnseenWarning",
    "__version__",
    "ablate",
    "fit",
    "resume",
    "subgroups",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: `import shrinkage` itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'shrinkage' has no attribute '{name}'")
    return getattr(import_module(f"shrinkage.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
