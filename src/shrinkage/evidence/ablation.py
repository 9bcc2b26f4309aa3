"""From a study's folder to ablation.json and ablation.md: an ablation from start to end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrinkage import kernels, scores
from shrinkage.engine import local
from shrinkage.errors import Interrupted
from shrinkage.evidence import words
from shrinkage.evidence.ablate import ablate
from shrinkage.evidence.design import Design
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import studied
from shrinkage.files import write_text
from shrinkage.scores import Function
from shrinkage.search.budget import Clock
from shrinkage.search.events import Progress, Watch
from shrinkage.search.settings import workers_for
from shrinkage.store.artifact import versions


@dataclass(frozen=True)
class Asked:
    """What a person asks of an ablation; started: time.time() at which the budget began."""

    seeds: int
    budget_s: float
    margin: float | None
    workers: int | None
    started: float


def ablated(
    root: Path, result: dict[str, Any], metric: Function | None, asked: Asked, watch: Watch
) -> dict[str, Any]:
    """Train, judge, write; returns what ablation.json holds. Raises BadInput."""
    clock = Clock(asked.started, asked.budget_s)
    watch(Progress("reading", result["metric"], left_s=clock.left, budget_s=clock.budget_s))
    study = studied(root, result, metric)
    workers = workers_for(asked.workers, study.problem.device)
    pool = local.executor(workers)
    kernels.available()  # where they are not compiled yet, that begins now, beside the run

    made: list[Rounds] = []

    def rounds_of(design: Design) -> Rounds:
        made.append(Rounds(design, pool, max(1, workers), clock, watch))
        return made[0]

    try:
        found = ablate(study, rounds_of, asked.seeds, asked.margin)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; what was trained is kept: `shrinkage ablate {root}` goes on from there"
        ) from None
    finally:
        local.stop(pool)
    its = scores.find(study.problem.metric)
    told = {
        "metric": its.name,
        "greater_is_better": its.greater_is_better,
        "task": study.problem.task,
        "seeds_asked": asked.seeds,
        **found,
        "folds": made[0].design.problem.folds,
        "rows": len(study.rows.train),
        "networks": made[0].kept,
        "recipe": study.winner.to_toml(),
        "recipe_hash": study.winner.hash,
        "seed": study.seed,
        "workers": workers,
        "device": study.problem.device,
        "precision": study.problem.precision,
        "versions": versions(),
        "budget_s": asked.budget_s,
        "wall_s": round(clock.used, 2),
    }
    write_text(root / "ablation.json", json.dumps(told, indent=2, allow_nan=False) + "\n")
    write_text(root / "ablation.md", words.markdown(told, str(root)))
    return told
