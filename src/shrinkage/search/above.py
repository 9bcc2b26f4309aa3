"""What layers above the search do within a study's time; whoever begins a study hands it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage.scores import Goal
from shrinkage.search.budget import Clock
from shrinkage.search.contest import Finalist
from shrinkage.search.result import Result
from shrinkage.search.rows import Rows

if TYPE_CHECKING:
    from shrinkage.search.study import Study

Optimism = Callable[[Mapping[int, Finalist], Rows, Goal, int, float], dict[str, Any] | None]
"""(who could win, rows, metric, seed, the winner's validation score) -> what result.json says under
"optimism"."""

Keep = Callable[["Study"], float]
"""A study with its plan -> the seconds of its budget that the look at the end shall have."""

Look = Callable[["Study", Result, Executor, Clock], None]
"""(study, what its result.json holds, idle processes, the clock of the whole session) -> nothing:
what it finds, it writes."""

Subgroups = Callable[
    [Path, Rows, Sequence[str], str, Mapping[str, Any], Mapping[str, np.ndarray]],
    dict[str, Any] | None,
]
"""(folder, rows, columns that the study was asked for, the table's name, result so far, what each
said of the test rows) -> what result.json says under "subgroups"."""


@dataclass(frozen=True)
class Above:
    """optimism: of the winner's validation score. keep, look: of what ingredients bought.

    subgroups: of groups of test rows, where somebody asked for them, now or before.
    """

    optimism: Optimism
    keep: Keep = lambda _study: 0.0
    look: Look = lambda *_: None
    subgroups: Subgroups = lambda *_: None
