"""What a person asks of a study, checked before any work begins."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import torch

from shrinkage import scores
from shrinkage.clusters import Clusters, count
from shrinkage.engine.local import cores
from shrinkage.errors import BadInput
from shrinkage.recipe import load

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DEVICES = ("cpu", "cuda")
_PRECISIONS = {
    "cpu": ["auto", "float32", "bfloat16"],
    "cuda": ["auto", "float32", "bfloat16", "tf32"],
}
SHORTEST_S = 10.0
"""Less does not load the libraries, train two networks and write the files."""


@dataclass(frozen=True)
class Settings:
    """Plain values, so that a study can be resumed from its database.

    source: what to read, as a person named it. test: a share, or a file's path.
    recipe, space: TOML texts of trial 0 and of the space around it.
    workers: processes; 0 runs everything in this one. trials: at most so many; None: no limit.
    metric: a name, or a function (target, output) -> number, which no database brings back.
    keep_all: use columns that look like identifiers too, and accept few rows.
    refit: train the winner on all training rows in the time that is left.
    ensemble: several recipes may predict together.
    precision: of matrix products: auto, float32, bfloat16 or, on a GPU, tf32.
    start_from: folder of the model that networks start from; "": random weights.
    prior: folders or URLs of earlier studies that the search learns from.
    search: what proposes recipes: random, gp, optuna or auto; see `search.proposers`.
    portfolio: recipes that did well on other tables are tried first; see `search.portfolio`.
    first_look: at what ingredients bought, at the end, where time allows.
    by: columns whose groups of test rows the winner is compared on; they decide nothing.
    keep: columns that are used although they look like identifiers.
    time: the column by which later rows judge; "": rows are dealt at random.
    together: the column whose equal values say which rows belong together; "": no rows do.
    """

    source: str
    target: str
    task: str = "auto"
    metric: scores.Goal | scores.Function = "auto"
    budget_s: float = 300.0
    test: float | str = 0.2
    cv: str = "auto"
    recipe: str = ""
    space: str = ""
    seed: int = 0
    workers: int = 0
    device: str = "cpu"
    trials: int | None = None
    keep_all: bool = False
    refit: bool = True
    start_from: str = ""
    ensemble: bool = True
    precision: str = "auto"
    search: str = "auto"
    prior: tuple[str, ...] = ()
    portfolio: bool = False
    first_look: bool = False
    by: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    together: str = ""
    time: str = ""

    def __post_init__(self) -> None:
        # JSON brings them back as lists.
        for name in ("prior", "by", "keep"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        """What the database keeps; of a metric that is a function, the name."""
        return dataclasses.asdict(dataclasses.replace(self, metric=scores.name_of(self.metric)))


def is_own_recipe(recipe: str) -> bool:
    """Whether a person gave this recipe, as TOML, or asked for one that is not the default."""
    return bool(recipe) and recipe != load("default").to_toml()


def seconds(text: str | float) -> float:
    """'90', '90s', '5m', '1.5h' or '1h30m' in seconds.

    Raises BadInput for anything else, and for less than `SHORTEST_S`.
    """
    parts = re.findall(r"(\d+(?:\.\d*)?)\s*([a-z]*)", str(text).strip().lower())
    joined = "".join(number + unit for number, unit in parts)
    if not parts or joined != re.sub(r"\s", "", str(text).lower()):
        raise BadInput(f"--budget {text}: expected a time such as 90s, 5m or 1h30m")
    if unknown := [unit for _, unit in parts if unit not in _UNITS]:
        raise BadInput(f"--budget {text}: '{unknown[0]}' is no unit; use s, m, h or d")
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not SHORTEST_S <= total < float("inf"):
        raise BadInput(f"--budget {text}: at least {SHORTEST_S:g} s are needed")
    return total


def test_part(text: str) -> float | str:
    """A share in (0, 1), or the path of a file.

    Raises BadInput for a number outside (0, 1).
    """
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 < share < 1:
        raise BadInput(f"--test {text}: expected a share between 0 and 1, such as 0.2, or a file")
    return share


def metric_for(metric: scores.Goal | scores.Function, task: str) -> scores.Goal:
    """The metric's name, "auto" being accuracy or rmse; a function becomes a metric.

    Raises BadInput for a metric that does not exist or belongs to the other task.
    """
    if isinstance(metric, scores.Metric):
        return metric
    if callable(metric):
        return scores.own(metric, task)
    return scores.default_metric(task) if metric == "auto" else scores.find(metric, task).name


def folds_for(cv: str, rows: int, clusters: Clusters = None) -> tuple[str, int]:
    """(cv as `data.split.inside` takes it, repeats): "auto", "holdout", "5" or "5x2".

    auto repeats its folds below 1,000 rows, where one partition says little; of fewer than 20
    clusters of rows that belong together there are few partitions.
    Raises BadInput for anything else.
    """
    found = re.fullmatch(r"(auto|holdout|[1-9]\d*)(?:x([1-9]\d?))?", cv)
    if not found:
        raise BadInput(f"--cv {cv}: expected auto, holdout, a number of folds K, or KxREPEATS")
    if cv == "auto":
        return cv, 2 if rows < 1000 and count(clusters, 20) >= 20 else 1
    return found[1], int(found[2] or 1)


def workers_for(workers: int | None, device: str) -> int:
    """Processes to use: one a core on a CPU, none but this one on a GPU."""
    if workers is not None and workers < 0:
        raise BadInput(f"--workers {workers}: expected 0 (this process only) or more")
    if device != "cpu":
        return 0
    return workers if workers is not None else cores()


def device_for(name: str) -> str:
    """ "auto" is the GPU where there is one.

    Raises BadInput for a device that torch does not have here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.partition(":")[0] not in _DEVICES:
        raise BadInput(f"--device {name}: expected auto, {' or '.join(_DEVICES)}")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"--device {name}: {reason}; use auto or cpu") from None
    return "cpu" if name.startswith("cpu") else name  # cpu:0 is what torch calls it, too


def precision_for(name: str, device: str) -> str:
    """The name, checked. Raises BadInput for one that this device does not have."""
    known = _PRECISIONS[device.partition(":")[0]]
    if name not in known:
        raise BadInput(f"--precision {name}: expected {', '.join(known[:-1])} or {known[-1]}")
    return name
