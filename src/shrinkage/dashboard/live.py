"""The page of a run that goes on: the report's own parts, as far as there is something in them.

Test scores are not among them: nothing that is shown before the end was chosen by, or may lead
anybody to choose by, the rows that were set aside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shrinkage.dashboard.state import RUNNING, State
from shrinkage.report import searched
from shrinkage.report.page import Block, Commands, Notes, Page, Section, Table, Text
from shrinkage.report.words import compared, names, pretty
from shrinkage.search.baseline import NAMES as BASELINES
from shrinkage.search.settings import is_own_recipe
from shrinkage.wording import clock, command, count, number

BEST = "best so far"


@dataclass(frozen=True)
class Tick:
    """What changes every second. left: in words. used: the share of the time that is gone."""

    phase: str
    left: str
    used: float


def tick(state: State, now: datetime) -> Tick:
    if state.status != RUNNING:
        return Tick("stopped", "", 1.0)
    left = clock(state.seconds_left(now))
    whole = clock(state.session.budget_s)
    return Tick(state.session.phase, f"{left} left of {whole}", round(state.used(now), 3))


def page(state: State) -> Page:
    """Everything but the clock."""
    source = Path(str(state.settings["source"])).name
    return Page(
        f"Predicting {state.settings['target']} from {source}",
        _about(state),
        _answer(state),
        _first(state),
        tuple(section for section in (_work(state), _noticed(state), _commands(state)) if section),
    )


def _about(state: State) -> str:
    session = state.session
    before = f", after {session.before:.0f} s of earlier sessions" if session.before else ""
    return (
        f"{session.task.capitalize()} judged by {pretty(state.metric)}, {session.rows:,} rows to "
        f"learn from, {count(session.folds, 'fold')}; begun at {session.started:%H:%M:%S}{before}."
    )


def _answer(state: State) -> tuple[str, ...]:
    said = [_stopped(state)] if state.status != RUNNING else []
    if not state.trials:
        names_ = _names(state)
        first = f"the {names_['plain']} and the {names_['default']}"
        return (*said, f"The first steps are timed; then {first}.")
    alive = sum(rung.alive for rung in state.rungs)
    asked = state.settings.get("trials")
    of = f" of {asked}" if asked else ""
    said.append(
        f"{len(state.trials)}{of} trials so far, {len(state.finished)} trained to the end"
        + (f"; {count(alive, 'network')} in the contest." if state.status == RUNNING else ".")
    )
    best = state.best
    if best is None:
        none = "has a score" if state.finished else "has come to its end"
        return (*said, f"No trial {none} yet.")
    references = [
        f"{label} {number(state.score(found))}"
        for label, found in (
            (_names(state)["plain"], state.plain),
            (_names(state)["default"], state.default),
        )
        if found is not None and found.score is not None
    ]
    beside = f" ({', '.join(references)})" if references else ""
    said.append(
        f"The best score so far is trial {best.number}'s: validation {compared(state.metric)} "
        f"{number(state.score(best))}{beside}."
    )
    said.append(
        "The score that a trial is chosen by flatters it. What it is worth is said at the end, on "
        "test rows that no choice has seen."
    )
    return tuple(said)


def _stopped(state: State) -> str:
    return (
        "This run did not come to its end: it was killed, or its machine went down. What was "
        f"finished is kept; go on with: {command('resume', state.folder.root)}"
    )


def _names(state: State) -> dict[str, str]:
    return names({**state.settings, "own_recipe": is_own_recipe(state.settings.get("recipe", ""))})


def _first(state: State) -> tuple[Block, ...]:
    metric, points, best = compared(state.metric), state.points, state.best
    greater = state.greater_is_better
    blocks: list[Block] = []
    leader = -1 if best is None else best.number
    if points:
        blocks.append(searched.over_time(points, leader, metric, greater, None, BEST))
    if state.trials:
        blocks.append(_rungs(state))
        blocks.append(_scores(state))
    if any(trial.score is not None for trial in state.trials):
        blocks.append(searched.trials(state.trials, leader, greater))
    return tuple(blocks)


def _rungs(state: State) -> Table:
    rows = tuple(
        (str(i + 1), f"{rung.share:.0%}", f"{rung.ended:,}", f"{rung.alive:,}")
        for i, rung in enumerate(state.rungs)
    )
    heads = ("rung", "of the training", "trials that came to it", "networks on the way")
    caption = "The contest: at each rung the best third of trials goes on"
    return Table(caption, heads, rows)


def _scores(state: State) -> Table:
    """References and baselines on the training rows, each out of fold."""
    rows = []
    labels = {**_names(state), "best": BEST}
    trials = {"plain": state.plain, "default": state.default, "best": state.best}
    for name in (*trials, *BASELINES):
        value, seconds = None, None
        if (trial := trials.get(name)) is not None:
            value, seconds = state.score(trial), trial.seconds
        elif (row := state.baselines.get(name)) is not None:
            value, seconds = row["validation"].get(state.metric), float(row["seconds"])
        known = "–" if seconds is None else f"{seconds:.1f}"
        score = "–" if value is None else number(value)
        rows.append((labels[name], score, known))
    own, theirs = compared(state.metric), pretty(state.metric)
    heads = ("", f"validation {own}", "seconds")
    caption = f"Validation scores; {state.session.rows:,} rows to learn from"
    caption += "" if own == theirs else f"; {theirs} of the baselines as it is"
    return Table(caption, heads, tuple(rows), strong=list(trials).index("best"))


def _work(state: State) -> Section | None:
    """Where the time goes, and who else works on the study."""
    if not state.timeline.spans and not state.clients:
        return None
    workers = max(1, int(state.settings.get("workers") or 0))
    who = "One process trains" if workers == 1 else f"{workers} processes train"
    blocks: list[Block] = [Text(f"{who} at a time; what has not come to its end is not drawn.")]
    if state.clients:
        alive = sum(client.alive for client in state.clients)
        blocks.append(
            Text(
                f"{count(len(state.clients), 'machine')} on this study, {alive} at work now. "
                "Trials are those of all; charts show what this machine trained, as its log tells."
            )
        )
    if state.timeline.spans:
        blocks.append(searched.where_time_went(state.timeline, state.trials))
    return Section("time", "Time", tuple(blocks))


def _noticed(state: State) -> Section | None:
    notes = state.session.notes
    return Section("data", "Noticed in the data", (Notes(notes),)) if notes else None


def _commands(state: State) -> Section:
    root = state.folder.root
    items = (
        ("Every trial, as a table", command("show", root)),
        ("The model, once the run has ended", command("predict", root, "DATA")),
    )
    return Section("again", "The same in a terminal", (Commands(items),))
