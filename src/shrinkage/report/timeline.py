"""When a study did what, as its run.log tells: seconds of all its sessions, one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) [A-Z]+ (.*)")
_BEGIN = re.compile(r"(classification|regression), (\d+) training rows, (\d+) folds")
_SESSION = re.compile(r"session of ([\d.]+) s, ([\d.]+) s of it used, after ([\d.]+) s")
_PHASE = re.compile(r"phase: (.+)")
_NOTE = re.compile(r"data: (.+)")
_DONE = re.compile(r"done after ([\d.]+) s")
_RUNG = re.compile(r"cohort (\d+) rung (\d+): (\d+) trials, .*?([\d.]+) s")
_BASELINE = re.compile(r"baseline (\w+) ended after ([\d.]+) s")
_REFIT = re.compile(r"(\d+) networks on all rows are kept, ([\d.]+) s")


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
        name = f"{cohort}.{rung}"
        return next((s.end for s in self.spans if s.kind == "cohort" and s.name == name), None)


def timeline(log: str) -> Timeline:
    """Everything that ended, from a run.log. Lines of other kinds are passed over.

    A session says when it begins how long the study had run by then. Those of earlier versions
    say so when they end; one that was killed is taken to have begun when the one before it ended.
    """
    sessions: list[list[tuple[datetime, str]]] = []
    for line in log.splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        moment = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f")
        if _BEGIN.match(found[2]) or not sessions:
            sessions.append([])
        sessions[-1].append((moment, found[2]))
    spans: list[Span] = []
    before = 0.0
    for session in sessions:
        last, text = session[-1]
        if told := _first(_SESSION, session):
            moment, times = told
            end = float(times[2]) + float(times[3]) + (last - moment).total_seconds()
        elif done := _DONE.match(text):
            end = float(done[1])
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


def _first(pattern: re.Pattern[str], lines: Lines) -> tuple[datetime, re.Match[str]] | None:
    """The first line that matches, with its moment."""
    found = ((moment, pattern.match(said)) for moment, said in lines)
    return next(((moment, match) for moment, match in found if match), None)


def _session(lines: Lines) -> Session | None:
    begin, told = _first(_BEGIN, lines), _first(_SESSION, lines)
    if begin is None or told is None:
        return None
    moment, times = told
    phases = [found[1] for _, said in lines if (found := _PHASE.match(said))]
    return Session(
        moment - timedelta(seconds=float(times[2])),
        float(times[1]),
        float(times[3]),
        begin[1][1],
        int(begin[1][2]),
        int(begin[1][3]),
        phases[-1] if phases else "",
        _first(_DONE, lines) is not None,
        tuple(found[1] for _, said in lines if (found := _NOTE.match(said))),
    )


def _span(said: str, end: float) -> Span | None:
    if found := _RUNG.match(said):
        return Span("cohort", f"{found[1]}.{found[2]}", end - float(found[4]), end)
    if found := _BASELINE.match(said):
        return Span("baseline", found[1], end - float(found[2]), end)
    if found := _REFIT.match(said):
        return Span("refit", found[1], end - float(found[2]), end)
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
