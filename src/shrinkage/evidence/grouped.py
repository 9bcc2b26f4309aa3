"""From a study's rows to what is said of its groups: result.json's "subgroups", subgroups.json.

Nothing is trained or predicted: what both networks said of the test rows, once, was kept. All
columns that were asked for are judged together, so a further look makes every verdict stricter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from shrinkage import scores
from shrinkage.data.groups import Groups
from shrinkage.errors import BadInput
from shrinkage.evidence.stats import LEVEL
from shrinkage.evidence.subgroups import Effect, Group, Judged, Said, compared, verdicts
from shrinkage.files import read_object, write_text
from shrinkage.paired import Interval
from shrinkage.search import rows as study_rows
from shrinkage.search import said, shared
from shrinkage.search.folder import Folder
from shrinkage.search.rows import Rows
from shrinkage.wording import command

FILE = "subgroups.json"

BOTH = PLAIN, WINNER = "plain", "winner"

_STAND_IN = {"classification": "log_loss", "regression": "rmse"}


def concluding(
    root: Path,
    rows: Rows,
    columns: Sequence[str],
    name: str,
    result: Mapping[str, Any],
    outputs: Mapping[str, np.ndarray],
) -> dict[str, Any] | None:
    """`told` of these columns and those that the folder's study was asked for before, if any."""
    before = asked_for(root, read_object(Folder(root).result) or {})
    for asked in ([*dict.fromkeys([*before, *columns])], columns):
        # What a folder remembers, or an earlier version allowed, may not cost a study.
        with suppress(BadInput):
            return told(rows, asked, name, result, outputs) if asked else None
    return None


def told(
    rows: Rows,
    columns: Sequence[str],
    name: str,
    result: Mapping[str, Any],
    outputs: Mapping[str, np.ndarray],
) -> dict[str, Any] | None:
    """What is known of the groups of these columns; None where the plain network did not predict.

    name: of the table, for errors. result: what result.json holds so far. outputs: what was said of
    the test rows, by contender. Raises BadInput for a column that is not there.
    """
    cut = [rows.groups(column, name) for column in dict.fromkeys(columns)]
    if PLAIN not in outputs or WINNER not in outputs:
        return None
    asked, task = result["metric"], result["task"]
    # What a person's own function makes of a few rows is not known when it is not at hand.
    metric = scores.find(_STAND_IN[task] if asked.startswith(scores.OWN) else asked)
    # R² of a group is as much about how its target spreads as about the networks.
    second = "mae" if metric.name == "rmse" else scores.beside(metric.name, task)
    # As they are kept, so that whoever reads them later gets the same numbers.
    plain, winner = (outputs[name].astype(np.float32).astype(np.float64) for name in BOTH)
    everyone = Said(rows.target(rows.test), plain, winner, rows.test_clusters)
    found = [_compared(metric, everyone, groups) for groups in cut]
    others = [_compared(scores.find(second), everyone, groups) for groups in cut]
    gains = verdicts({(i, j): g.gain for i, j, g in _each(found) if g.gain})
    # Of two groups the gap is one: the second is the first with the other sign.
    twins = {(i, 1): (i, 0) for i, part in enumerate(found) if len(part) == 2}
    changes = {(i, j): g.change for i, j, g in _each(found) if g.change}
    same = {key: first for key, first in twins.items() if {key, first} <= changes.keys()}
    moves = verdicts(changes, same)
    tests = len(gains)
    return {
        "metric": metric.name,
        "asked": asked,
        "greater_is_better": metric.greater_is_better,
        "second": second,
        "rows": len(everyone),
        "tests": {"gain": tests, "change": len(changes) - len(same)},
        "level": LEVEL,
        "recipe_hash": result["recipe_hash"],
        "columns": [
            {
                "column": groups.column,
                "about": groups.about,
                "groups": [
                    {"name": groups.names[j]}
                    | _group(group, others[i][j], gains.get((i, j)), moves.get((i, j)), tests)
                    for j, group in enumerate(found[i])
                ],
                "worst": {
                    who: _worst(groups, found[i], who, metric.greater_is_better) for who in BOTH
                },
            }
            for i, groups in enumerate(cut)
        ],
    }


def _compared(metric: scores.Metric, everyone: Said, groups: Groups) -> list[Group]:
    return compared(metric, everyone, groups.codes, len(groups.names))


def _each(found: Sequence[Sequence[Group]]) -> list[tuple[int, int, Group]]:
    return [(i, j, group) for i, part in enumerate(found) for j, group in enumerate(part)]


def _worst(groups: Groups, found: Sequence[Group], who: str, greater: bool) -> str | None:
    known = {
        name: own.value
        for name, group in zip(groups.names, found, strict=True)
        if (own := getattr(group, who)) is not None
    }
    return (min if greater else max)(known, key=lambda name: known[name]) if known else None


def _group(
    group: Group, second: Group, gain: Judged | None, change: Judged | None, tests: int
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rows": group.rows,
        PLAIN: _interval(group.plain),
        WINNER: _interval(group.winner),
        "gain": gain and _judged(gain) | {"detectable": gain.effect.detectable(tests)},
        "gap": None,
        "second": None,
        "why": group.why,
    }
    if change is not None:
        found["gap"] = {
            PLAIN: _interval(group.gap_plain),
            WINNER: _interval(group.gap_winner),
            "change": _judged(change),
        }
    if second.gain is not None:
        found["second"] = {
            PLAIN: _interval(second.plain),
            WINNER: _interval(second.winner),
            "gain": _effect(second.gain),
        }
    return found


def _interval(found: Interval | None) -> dict[str, Any] | None:
    return found and {"value": found.value, "interval": [found.low, found.high]}


def _effect(found: Effect) -> dict[str, Any]:
    return {"value": found.mean, "interval": list(found.interval())}


def _judged(found: Judged) -> dict[str, Any]:
    return {
        **_effect(found.effect),
        "p_value": found.effect.p_value,
        "p_adjusted": found.p_adjusted,
        "verdict": found.verdict,
    }


def of_folder(
    root: Path, result: Mapping[str, Any], columns: Sequence[str], url: str | None = None
) -> dict[str, Any]:
    """`told` of a finished study; url: of its server. Raises BadInput."""
    folder = Folder(root)
    table = study_rows.load(folder.work)
    rows = len(table.test)
    outputs = {
        name: output for name in BOTH if (output := said.kept(folder.work, name, rows)) is not None
    }
    with shared.opened(folder, url, read_only=True) as store:
        source = str(store.settings()["source"])
    found = told(table, columns, source, result, outputs)
    if found is None:
        raise BadInput(
            f"{root} does not hold what both networks said of the test rows: the plain network was "
            "not\ntrained to the end, or an earlier version wrote it; go on with "
            f"`{command('resume', root, '--budget', '1m')}`"
        )
    return found


def asked_for(root: Path, result: Mapping[str, Any]) -> list[str]:
    """The columns of this study that somebody looked at, in that order."""
    looks = (result.get("subgroups"), read_object(root / FILE))
    parts = [each for look in looks if look for each in look.get("columns", ())]
    names = [each.get("column") for each in parts if isinstance(each, Mapping)]
    return [*dict.fromkeys(name for name in names if isinstance(name, str))]


def bring_up_to_date(
    root: Path, result: Mapping[str, Any], more: Sequence[str] = (), url: str | None = None
) -> None:
    """Bring subgroups.json up to date, with more columns; nothing where nobody asked for any.

    Raises BadInput before anything is written.
    """
    if not more and not (root / FILE).exists():
        return
    found = of_folder(root, result, [*asked_for(root, result), *more], url)
    write_text(root / FILE, json.dumps(found, indent=2, allow_nan=False) + "\n")
