"""Who has won by now, and which recipes predict together.

To find that out takes seconds where there are many classes or trials. The training on all rows asks
for it, and the end of the study, when as a rule nothing has changed: so it is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shrinkage.search import ensemble
from shrinkage.search.contest import Finalist, finalists, leading

if TYPE_CHECKING:
    from shrinkage.search.study import Study

Key = tuple[tuple[int, str, int, int], ...]


@dataclass(frozen=True, eq=False)
class Standing:
    """found: finalists by number, `lead` the one that leads. blend: whose networks predict.

    key: the trials it was found of, how far each had come, and when its file was written.
    """

    found: dict[int, Finalist]
    lead: int
    blend: ensemble.Blend
    key: Key


def standing(study: Study) -> Standing | None:
    """As it is now; None where no trial has come far enough to predict."""
    trials = study.store.trials()
    key = tuple((t.number, t.status, len(t.rungs), _written(study, t.number)) for t in trials)
    if study.standing is None or study.standing.key != key:
        study.standing = _found(study, key)
    return study.standing


def _written(study: Study, number: int) -> int:
    """When the file of a trial's networks was; 0: it is not there."""
    try:
        return study.folder.trial(number).stat().st_mtime_ns
    except OSError:
        return 0


def _found(study: Study, key: Key) -> Standing | None:
    rows, metric = study.rows, study.problem.metric
    found = finalists(study.store, study.folder, rows)
    if not found:
        return None
    lead = leading(found, rows, metric)
    blend = ensemble.Blend({lead: 1.0})
    if study.settings.ensemble:
        blend = ensemble.of_trials(found, lead, rows, metric, study.settings.seed)
    return Standing(found, lead, blend, key)
