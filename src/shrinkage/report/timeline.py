"""When a study did what, as its run.log tells: seconds of all its sessions, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from shrinkage.search import journal


@dataclass(frozen=True)
class Span:
    """A piece of work. kind: cohort, baseline or refit.

    name: of a cohort "3.1" for its second rung; of a baseline its name; of a refit how many.
    begin, end: seconds since the study began. lane: work of one lane does not overlap.
    """

    kind: str
    name: str
    begin: float
    end: float
    lane: int = 0


@dataclass(frozen=True)
class Session:
    """The last session of a study, as far as its log goes.

    started: when its budget began, in local time. before: seconds of earlier sessions.
    phase: what went on last. done: it came to its end. notes: what was noticed in the data.
    """

    started: datetime
    budget_s: float
    before: float
    task: str
    rows: int
    folds: int
    phase: str
    done: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Timeline:
    """began: of the first session, in local time. sessions: how often the study was run.

    last: None where nothing was logged, or by a version that did not log its budget.
    """

    began: datetime | None
    sessions: int
    spans: tuple[Span, ...]
    last: Session | None = None

    def ended(self, cohort: int, rung: int) -> float | None:
        """When a cohort finished a rung."""
        return self._ends.get(f"{cohort}.{rung}")

    @cached_property
    def _ends(self) -> dict[str, float]:
        """Of cohorts, by name: the first end of each."""
        return {s.name: s.end for s in reversed(self.spans) if s.kind == "cohort"}


def timeline(log: str) -> Timeline:
    """Everything that ended, from a run.log. Lines of other kinds are passed over.

    A session says when it begins how long the study had run by then. Those of earlier versions
    say so when they end; one that was killed is taken to have begun when the one before it ended.
    """
    sessions: list[list[tuple[datetime, str]]] = []
    for moment, said in journal.moments(log):
        if journal.BEGIN.read(said) or not sessions:
            sessions.append([])
        sessions[-1].append((moment, said))
    spans: list[Span] = []
    before = 0.0
    for session in sessions:
        last, text = session[-1]
        if told := _first(journal.SESSION, session):
            moment, times = told
            begun = float(times["used"]) + float(times["before"])
            end = begun + (last - moment).total_seconds()
        elif done := journal.DONE.read(text):
            end = float(done["used"])
        else:
            end = before + (last - session[0][0]).total_seconds()
        for moment, said in session:
            if (span := _span(said, end - (last - moment).total_seconds())) is not None:
                spans.append(span)
        before = end
    began = sessions[0][0][0] if sessions else None
    last_ = _session(sessions[-1]) if sessions else None
    return Timeline(began, len(sessions), tuple(in_lanes(spans)), last_)


Lines = Sequence[tuple[datetime, str]]


def _first(line: journal.Line, lines: Lines) -> tuple[datetime, dict[str, str]] | None:
    """When the first of these was written, and its fields."""
    found = ((moment, line.read(said)) for moment, said in lines)
    return next(((moment, fields) for moment, fields in found if fields), None)


def _every(line: journal.Line, lines: Lines) -> list[dict[str, str]]:
    return [fields for _, said in lines if (fields := line.read(said))]


def _session(lines: Lines) -> Session | None:
    begin, told = _first(journal.BEGIN, lines), _first(journal.SESSION, lines)
    if begin is None or told is None:
        return None
    (_, about), (moment, times) = begin, told
    phases = _every(journal.PHASE, lines)
    return Session(
        started=moment - timedelta(seconds=float(times["used"])),
        budget_s=float(times["budget"]),
        before=float(times["before"]),
        task=about["task"],
        rows=int(about["rows"]),
        folds=int(about["folds"]),
        phase=phases[-1]["phase"] if phases else "",
        done=bool(_every(journal.DONE, lines)),
        notes=tuple(each["note"] for each in _every(journal.NOTE, lines)),
    )


_SPANS = (
    ("cohort", journal.RUNG, "{cohort}.{rung}"),
    ("baseline", journal.BASELINE, "{name}"),
    ("refit", journal.REFIT, "{networks}"),
)
"""Kinds of work, the lines that tell of their end, and what each piece is called."""


def _span(said: str, end: float) -> Span | None:
    for kind, line, name in _SPANS:
        if found := line.read(said):
            return Span(kind, name.format(**found), end - float(found["seconds"]), end)
    return None


def in_lanes(spans: Sequence[Span]) -> list[Span]:
    """The spans by their begin, each in the first lane that is free: one lane a process."""
    free: list[float] = []
    placed = []
    for span in sorted(spans, key=lambda s: (s.begin, s.end)):
        fits = [lane for lane, until in enumerate(free) if until <= span.begin + _SLACK_S]
        lane = fits[0] if fits else len(free)
        free[lane : lane + 1] = [span.end]
        placed.append(replace(span, lane=lane))
    return placed


_SLACK_S = 0.3
"""A log line is written a moment after the work it tells of has ended."""
