"""What becomes of work that has ended: a rung is written, a cohort is halved, or has failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from shrinkage.engine.task import RungResult
from shrinkage.errors import Unwritable
from shrinkage.search import journal, memory
from shrinkage.search.cohort import Cohort, ended
from shrinkage.search.contest import DEFAULT
from shrinkage.search.halving import RUNGS
from shrinkage.store.tables import Finished, claim_of

if TYPE_CHECKING:
    from shrinkage.search.study import Study

log = logging.getLogger("shrinkage")


def take(study: Study, what: Cohort | str, future: Future) -> None:
    """What a cohort's rung, or the baseline of this name, has come to."""
    try:
        found = future.result()
    except Unwritable:
        raise
    except Exception as error:
        if isinstance(what, Cohort) and memory.ran_out(error):
            _halve(study, what, error)
            return
        # One recipe that cannot run must not end a study; without trial 0 there is none.
        log.exception("%s failed", what if isinstance(what, str) else f"cohort {what.number}")
        if isinstance(what, Cohort) and DEFAULT in what.trials:
            raise
        if isinstance(what, Cohort):
            _fail(study, what, f"{type(error).__name__}: {error}")
        else:
            study.baselines.give_up(what)
        return
    if isinstance(what, str):
        study.baselines.keep(what, found)
    else:
        commit(study, what, found)


def _fail(study: Study, cohort: Cohort, reason: str) -> None:
    reasons: dict[int, tuple[str, int]] = dict.fromkeys(cohort.alive, (reason, 0))
    nothing = RungResult(scores={}, reasons=reasons, step=0, part=0.0, halted=False, seconds=0.0)
    commit(study, cohort, nothing)


def _halve(study: Study, cohort: Cohort, error: BaseException) -> None:
    """Go on with two cohorts in place of one that memory does not hold."""
    memory.let_go(error)
    count = len(cohort.alive)
    log.warning("cohort %d: no memory for %d trials: %s", cohort.number, count, error)
    if count == 1:
        if DEFAULT in cohort.alive:
            raise memory.too_little(study.folder.root)
        _fail(study, cohort, "no memory for it")
        return
    parts = memory.halves(cohort)
    study.memory_holds = max(1, count // 2)
    numbers = study.store.split(cohort.number, [part.alive for part in parts])
    cohort.busy = False
    if numbers is None:
        study.known.news(at_once=True)
        return
    for part, number in zip(parts, numbers, strict=True):
        part.number = number
    study.folder.checkpoint(cohort.number, cohort.rung - 1).unlink(missing_ok=True)
    study.store.note(f"Memory did not hold {count} recipes at once: smaller cohorts went on.")
    study.known.replace(cohort, parts)


def commit(study: Study, cohort: Cohort, found: RungResult) -> None:
    """Write a finished rung, whole, and decide who goes on."""
    study.known.news(at_once=True)
    cohort.busy = False
    if found.halted:
        _let_go(study, cohort, found)
        return
    written = ended(cohort, found, study.known.seen[cohort.rung], _files(study, cohort, found))
    if not study.store.finish_rung(cohort.number, written, study.clock.used):
        log.info("cohort %d was taken over by another machine", cohort.number)
        study.known.news(at_once=True)
        return
    _learn(study, cohort, found, written)
    study.tell()
    journal.RUNG.say(
        cohort=cohort.number,
        rung=cohort.rung,
        trials=len(written.scores),
        go_on=len(cohort.alive) - len(written.changes),
        seconds=found.seconds,
    )
    for number, (status, reason) in written.changes.items():
        if reason is not None:
            log.info("trial %d %s: %s", number, status, reason)
    _go_on(study, cohort, written.changes)


def _let_go(study: Study, cohort: Cohort, found: RungResult) -> None:
    """Time was up: the database says nothing of the rung, and a resumed study trains it again."""
    study.known.halted.add(cohort.number)
    if not cohort.reference:  # what they were by then is not what others may finish
        for number in cohort.alive:
            study.folder.trial(number).unlink(missing_ok=True)
    cohort.alive.clear()
    study.store.claims.give_up(claim_of(cohort.number))
    message = "cohort %d rung %d: time was up, %.1f s"
    log.info(message, cohort.number, cohort.rung, found.seconds)


def _files(study: Study, cohort: Cohort, found: RungResult) -> dict[int, bytes]:
    """What trials leave at their last rung, for those who cannot read this folder."""
    if not study.store.shared or cohort.rung < len(RUNGS) - 1:
        return {}
    return {number: study.folder.trial(number).read_bytes() for number in found.scores}


def _learn(study: Study, cohort: Cohort, found: RungResult, written: Finished) -> None:
    """What the rung says of costs and of its trials."""
    known, rung = study.known, cohort.rung
    if scored := [cohort.trials[number] for number in found.scores]:
        known.costs.learn(scored, found.part, found.seconds)
    for number, score in written.scores.items():
        known.trained(number, rung, found.part, written.seconds)
        told = cohort.trials[number], RUNGS[rung], score
        known.hear(number, rung, told, last=rung == len(RUNGS) - 1)


def _go_on(study: Study, cohort: Cohort, changes: Mapping[int, object]) -> None:
    """With those that the rung did not end; checkpoints that nobody needs any more go."""
    cohort.alive -= set(changes)
    if cohort.rung:
        study.folder.checkpoint(cohort.number, cohort.rung - 1).unlink(missing_ok=True)
    cohort.rung += 1
    if cohort.done:
        study.folder.checkpoint(cohort.number, cohort.rung - 1).unlink(missing_ok=True)
        study.store.claims.give_up(claim_of(cohort.number))
