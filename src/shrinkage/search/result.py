"""result.json, what a finished study found: reading it, or saying why there is none."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

from shrinkage import scores
from shrinkage.errors import BadInput
from shrinkage.search.folder import Folder
from shrinkage.wording import command

_NEEDED = {"task", "metric", "rows", "winner", "recipe", "scores", "notes"}


def whole(result: object) -> TypeGuard[dict[str, Any]]:
    """Whether a result has what everyone who reads one needs."""
    return isinstance(result, dict) and set(result) >= _NEEDED


def read_result(folder: Folder) -> dict[str, Any]:
    """What the folder's study found. Raises BadInput where there is no result, or half of one."""
    root, path = folder.root, folder.result
    try:
        result = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        hint = "it is not a study's folder"
        if folder.begun:
            hint = f"its run did not end; go on with `{command('resume', root)}`"
        if folder.held:
            hint = f"its run goes on; follow it with `{command('watch', root)}`"
        raise BadInput(f"{root} holds no result.json: {hint}") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    except ValueError:
        result = None
    if not whole(result):
        raise BadInput(f"{path} is damaged: write it again with `{command('resume', root)}`")
    if "greater_is_better" not in result:  # of an earlier version
        result["greater_is_better"] = scores.find(result["metric"]).greater_is_better
    return result
