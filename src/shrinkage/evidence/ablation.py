"""From a study's folder to ablation.json and ablation.md: an ablation from start to end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrinkage import kernels, scores
from shrinkage.engine import local
from shrinkage.errors import Interrupted
from shrinkage.evidence import data_worth, words
from shrinkage.evidence.ablate import BESIDE, Ablation, ablate
from shrinkage.evidence.arms import AROUND
from shrinkage.evidence.design import Design
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import Studied, studied
from shrinkage.evidence.words import FIRST_SHARE
from shrinkage.files import read_object, write_text
from shrinkage.scores import Function
from shrinkage.search.budget import Clock
from shrinkage.search.events import Progress, Watch
from shrinkage.search.result import Result
from shrinkage.search.settings import workers_for
from shrinkage.store.artifact import versions
from shrinkage.wording import command

NAME = "ablation.json"


@dataclass(frozen=True)
class Asked:
    """What a person asks of an ablation; started: time.monotonic() at which the budget began.

    data_worth: also what the recipe is worth in rows.
    """

    seeds: int
    budget_s: float
    margin: float | None
    workers: int | None
    started: float
    data_worth: bool = False


def ablated(
    root: Path, result: Result, metric: Function | None, asked: Asked, watch: Watch
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
        share = FIRST_SHARE if asked.data_worth else 1.0
        made.append(Rounds(design, pool, max(1, workers), clock, watch, share))
        return made[0]

    def further(known: Ablation, told: dict[str, Any]) -> dict[str, Any]:
        known.rounds.share = 1.0
        # Before other networks than those of the first table are counted.
        each = _seconds_a_seed(known.rounds, told, root, result)
        found = {} if each is None else {"seconds_a_seed": each}
        return found | ({"worth": data_worth.worth(known, told)} if asked.data_worth else {})

    try:
        found = ablate(study, rounds_of, asked.seeds, asked.margin, further)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; what was trained is kept: `{command('ablate', root)}` goes on from there"
        ) from None
    finally:
        local.stop(pool)
    asked_for = {"first_look": False, "seeds_asked": asked.seeds, "budget_s": asked.budget_s}
    asked_for |= {"margin_asked": asked.margin}
    return write(root, study, made[0], found | asked_for, clock.used)


def _seconds_a_seed(
    rounds: Rounds, found: Mapping[str, Any], root: Path, result: Result
) -> float | None:
    """What the first table takes for each seed; by this run's networks, or what was known."""
    if not rounds.networks:
        return (read_object(root / NAME) or result).get("seconds_a_seed")
    arms = len(found["ingredients"]) + BESIDE
    each = rounds.spent / rounds.networks / rounds.slots
    return round(each * arms * len(AROUND) * rounds.design.problem.folds, 2)


def write(
    root: Path, study: Studied, rounds: Rounds, found: dict[str, Any], wall_s: float
) -> dict[str, Any]:
    """ablation.json and ablation.md; returns what the first holds.

    found: what `evidence.ablate` says, and what was asked.
    """
    its = scores.find(study.problem.metric)
    told = {
        "metric": its.name,
        "greater_is_better": its.greater_is_better,
        "task": study.problem.task,
        **found,
        "folds": rounds.design.problem.folds,
        "rows": len(study.rows.train),
        "networks": rounds.kept,
        "recipe": study.winner.to_toml(),
        "recipe_hash": study.winner.hash,
        "seed": study.seed,
        "workers": rounds.slots,
        "device": study.problem.device,
        "precision": study.problem.precision,
        "versions": versions(),
        "wall_s": round(wall_s, 2),
    }
    write_text(root / NAME, json.dumps(told, indent=2, allow_nan=False) + "\n")
    write_text((root / NAME).with_suffix(".md"), words.markdown(told, str(root)))
    return told


def of(root: Path, recipe_hash: str) -> dict[str, Any] | None:
    """What ablation.json holds, where it is about this recipe; a later winner may be another."""
    told = read_object(root / NAME)
    if told is None or told.get("recipe_hash") != recipe_hash:
        return None
    return {"tuned": True, "first_look": False, **told}  # older ones do not say so
