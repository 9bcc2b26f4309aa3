"""result.json, what a finished study found: reading it, or saying why there is none."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, TypeGuard

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.files import read_object
from shrinkage.search.folder import Folder
from shrinkage.wording import command


class Counts(TypedDict):
    """Rows of each part, and how often the training rows were cut."""

    training: int
    validation: int
    test: int
    folds: int


class Winner(TypedDict):
    """The trial that won, or that leads the ensemble; how many networks its model has."""

    trial: int
    source: str
    networks_on_folds: int
    networks_on_all_rows: int


class Result(TypedDict):
    """What result.json holds; what an earlier version did not write is not required.

    scores: by contender, "validation" and "test" by metric and "seconds"; null where it did not
    run. budget_s, wall_s: of all sessions. optimism: what choosing by the validation score flatters
    it by. together: the column that says which rows belong together, and how many of its values
    training and test rows have. time: the column by which later rows judge. test_looks: sessions in
    this folder at whose end the test rows were scored. ensemble, calibration, cutoff, decision,
    copies, against_plain, subgroups: see `finish`, `calibrate`, `copies` and `evidence.grouped`;
    null or absent where there is nothing to tell.
    """

    task: str
    metric: str
    greater_is_better: bool
    rows: Counts
    winner: Winner
    recipe: str
    recipe_hash: str
    scores: dict[str, Any]
    budget_s: float
    wall_s: float
    n_trials: int
    n_trials_finished: int
    n_members_diverged: int
    notes: list[str]
    without_effect: list[str]
    seed: int
    workers: int
    versions: dict[str, str]
    interrupted: NotRequired[bool]
    shared: NotRequired[Any]
    diverged: NotRequired[list[str]]
    together: NotRequired[Any]
    time: NotRequired[Any]
    start_from: NotRequired[str | None]
    own_recipe: NotRequired[bool]
    device: NotRequired[str]
    precision: NotRequired[str]
    peak_memory_mb: NotRequired[dict[str, float]]
    optimism: NotRequired[Any]
    ensemble: NotRequired[Any]
    calibration: NotRequired[Any]
    cutoff: NotRequired[float | None]
    decision: NotRequired[Any]
    copies: NotRequired[Any]
    against_plain: NotRequired[Any]
    subgroups: NotRequired[Any]
    test_looks: NotRequired[int]
    seconds_a_seed: NotRequired[float]


_NEEDED = {"task", "metric", "rows", "winner", "recipe", "scores", "notes"}


def whole(result: object) -> TypeGuard[Result]:
    """Whether a result has what everyone who reads one needs."""
    return isinstance(result, dict) and set(result) >= _NEEDED


def found_result(folder: Folder) -> Result | None:
    """What the folder's study found; None where there is no result, or half of one."""
    result = read_object(folder.result)
    if not whole(result):
        return None
    if "greater_is_better" not in result:  # of an earlier version
        result["greater_is_better"] = scores.find(result["metric"]).greater_is_better
    return result


def read_result(folder: Folder) -> Result:
    """The same. Raises BadInput, with what to do, where there is none."""
    root, path = folder.root, folder.result
    if (result := found_result(folder)) is not None:
        return result
    try:
        path.read_bytes()
    except FileNotFoundError:
        hint = "it is not a study's folder"
        if folder.begun:
            hint = f"its run did not end; go on with `{command('resume', root)}`"
        if folder.held:
            hint = f"its run goes on; follow it with `{command('watch', root)}`"
        raise BadInput(f"{root} holds no result.json: {hint}") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    raise BadInput(f"{path} is damaged: write it again with `{command('resume', root)}`")
