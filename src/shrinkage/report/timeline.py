"""When a study did what, as its run.log tells: seconds of all its sessions, one after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) [A-Z]+ (.*)")
_BEGIN = re.compile(r"(?:classification|regression), \d+ training rows")
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
class Timeline:
    """began: of the first session, in local time. sessions: how often the study was run."""

    began: datetime | None
    sessions: int
    spans: tuple[Span, ...]

    def ended(self, cohort: int, rung: int) -> float | None:
        """When a cohort finished a rung."""
        name = f"{cohort}.{rung}"
        return next((s.end for s in self.spans if s.kind == "cohort" and s.name == name), None)


def timeline(log: str) -> Timeline:
    """Everything that ended, from a run.log. Lines of other kinds are passed over.

    A session that came to its end says how long the study had run by then; one that was killed
    is taken to have begun when the one before it ended.
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
        first = session[0][0]
        done = _DONE.match(text)
        end = float(done[1]) if done else before + (last - first).total_seconds()
        for moment, said in session:
            if (span := _span(said, end - (last - moment).total_seconds())) is not None:
                spans.append(span)
        before = end
    began = sessions[0][0][0] if sessions else None
    return Timeline(began, len(sessions), tuple(in_lanes(spans)))


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
