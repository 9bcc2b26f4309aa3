"""Memory that ran out is met by smaller cohorts: half the trials train at once, from the start."""

from __future__ import annotations

import resource
import sys
import traceback
from concurrent.futures import BrokenExecutor
from pathlib import Path

import torch

from shrinkage.errors import BadInput
from shrinkage.search.cohort import Cohort
from shrinkage.wording import command

_SHARE = 0.8
"""Of the free memory; the rest is for what no estimate knows."""


def ran_out(error: BaseException) -> bool:
    """Whether this says so. A process that was killed counts: the system kills the largest."""
    known = isinstance(error, (BrokenExecutor, MemoryError, torch.OutOfMemoryError))
    # torch's allocator on CPUs has no exception of its own.
    return known or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))


def let_go(error: BaseException) -> None:
    """Free what the failed step still holds in this process, here or on its device."""
    traceback.clear_frames(error.__traceback__)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def peak(who: int) -> float:
    """Largest resident memory so far, in MiB. who: resource.RUSAGE_SELF, or RUSAGE_CHILDREN.

    Linux tells KiB, macOS bytes.
    """
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(who).ru_maxrss * unit / 2**20


def room(device: str, each: int) -> int | None:
    """Members of `each` bytes that a GPU's free memory holds; None where it is not the limit."""
    if device == "cpu":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(_SHARE * free) // each)


def halves(cohort: Cohort) -> tuple[Cohort, Cohort]:
    """Two cohorts that share what is alive of this one, under its number until they have theirs.

    They train again from the start to the rung where it stood: members are themselves in any
    company, so the scores are those that it would have had.
    """
    alive = sorted(cohort.alive)
    middle = len(alive) // 2
    first, second = (
        Cohort(cohort.number, cohort.source, {n: cohort.trials[n] for n in part}, set(part))
        for part in (alive[:middle], alive[middle:])
    )
    first.rung = second.rung = cohort.rung
    return first, second


def too_little(folder: Path) -> BadInput:
    return BadInput(
        "no memory for the first recipe's networks, or their process was killed: close other\n"
        "programs, or ask for fewer folds or a smaller recipe (--cv, --recipe);\n"
        f"go on with `{command('resume', folder)}`"
    )
