"""Checkpoints: a training on disk, from which it continues bit for bit.

One safetensors file: all tensors of the state and of the outcomes, and as metadata the step,
the living members and the reasons of those that left. The cohort itself (recipes, seeds,
folds, data) is the study's to keep; a checkpoint names it by a key and refuses another's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from shrinkage.errors import BadInput
from shrinkage.files import replacing
from shrinkage.population.cohort import Cohort
from shrinkage.population.state import State
from shrinkage.population.train import Outcome, Training
from shrinkage.slots import Slots

FORMAT = 5


def key(cohort: Cohort) -> str:
    """What a checkpoint belongs to."""
    return json.dumps([(m.recipe.hash, m.seed, m.fold) for m in cohort.members])


def save(training: Training, path: Path) -> None:
    """Write the training to `path`, atomically: a killed write leaves the old file."""
    state = training.state
    tensors = {name: value for name, value in vars(state).items() if isinstance(value, Tensor)}
    for ingredient, slots in state.slots.items():
        tensors |= {f"slots.{ingredient}.{name}": value for name, value in slots.items()}
    for position, outcome in training.left.items():
        tensors[f"left.{position}.weights"] = outcome.weights
        tensors[f"left.{position}.statistics"] = outcome.statistics
        tensors[f"left.{position}.curves"] = outcome.curves
    about = {
        "format": FORMAT,
        "key": key(training.cohort),
        "step": state.step,
        "alive": training.alive,
        "left": {str(p): [o.step, o.reason] for p, o in training.left.items()},
    }
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path, sync=False) as temporary:
        save_file(on_cpu, temporary, {"training": json.dumps(about)})


def load(cohort: Cohort, path: Path) -> Training:
    """The training in `path`, on the cohort's device.

    Raises BadInput for a damaged file, another format, or another cohort's checkpoint.
    """
    try:
        with safe_open(path, "pt", device=str(cohort.device)) as file:
            about = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about["format"] < FORMAT:
            raise ValueError("an older version of shrinkage wrote it")
        newer, foreign = about["format"] > FORMAT, about["key"] != key(cohort)
        training = None if newer or foreign else _restored(cohort, about, tensors)
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise BadInput(f"{path} is not a readable checkpoint: {error}") from None
    if newer:
        raise BadInput(f"{path} was written by a newer version of shrinkage; upgrade to read it")
    if training is None:
        raise BadInput(f"{path} belongs to another cohort")
    return training


def _restored(cohort: Cohort, about: dict[str, Any], tensors: dict[str, Tensor]) -> Training:
    """KeyError or TypeError where something is missing, or too much."""
    slots: dict[str, Slots] = {}
    for name, tensor in tensors.items():
        if name.startswith("slots."):
            _, ingredient, slot = name.split(".")
            slots.setdefault(ingredient, {})[slot] = tensor
    plain = {name: tensor for name, tensor in tensors.items() if "." not in name}
    for name in ("score_total", "score_weight", "best_score", "best_epoch"):
        plain[name] = plain[name].cpu()
    left = {
        int(position): Outcome(
            tensors[f"left.{position}.weights"],
            tensors[f"left.{position}.statistics"],
            tensors[f"left.{position}.curves"],
            *rest,
        )
        for position, rest in about["left"].items()
    }
    state = State(step=about["step"], slots=slots, **plain)
    return Training(cohort, state, tuple(about["alive"]), left)
