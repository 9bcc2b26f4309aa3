"""The lines of a run.log that are read back: how a run stands, and when it did what.

Each stands here once, as a form that is filled when it is written, and matched when it is read:

    RUNG.say(cohort=3, rung=1, trials=4, go_on=2, seconds=1.5)
    RUNG.read("cohort 3 rung 1: 4 trials, 2 go on, 1.5 s")["seconds"]   ->   "1.5"

All other lines are for people alone.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from string import Formatter

log = logging.getLogger("shrinkage")

_WHEN = "%Y-%m-%d %H:%M:%S"
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) [A-Z]+ (.*)")

FORMATTER = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
"""How a run.log is written: local time, to the millisecond."""


@dataclass(frozen=True)
class Line:
    """form: as `str.format` takes it. Its fields are whole numbers (d), other numbers (f), text."""

    form: str

    def say(self, **values: object) -> None:
        log.info("%s", self.form.format(**values))

    def read(self, text: str) -> dict[str, str] | None:
        """The fields of a line of this form; None of any other."""
        found = self._pattern.fullmatch(text)
        return found and found.groupdict()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        what = {"d": r"\d+", "f": r"[\d.]+", "": ".+"}
        parts = [
            re.escape(text) + (f"(?P<{name}>{what[(spec or '')[-1:]]})" if name else "")
            for text, name, spec, _ in Formatter().parse(self.form)
        ]
        return re.compile("".join(parts))


BEGIN = Line("{task}, {rows:d} training rows, {folds:d} folds")
SESSION = Line("session of {budget:.1f} s, {used:.1f} s of it used, after {before:.1f} s")
NOTE = Line("data: {note}")
PHASE = Line("phase: {phase}")
RUNG = Line("cohort {cohort:d} rung {rung:d}: {trials:d} trials, {go_on:d} go on, {seconds:.1f} s")
BASELINE = Line("baseline {name} ended after {seconds:.1f} s")
REFIT = Line("{networks:d} networks on all rows are kept, {seconds:.1f} s")
DONE = Line("done after {used:.1f} s")


def moments(text: str) -> list[tuple[datetime, str]]:
    """When each line of a run.log was written, and what it says; other lines are passed over."""
    found = filter(None, map(_LINE.match, text.splitlines()))
    return [
        (datetime.strptime(line[1], _WHEN).replace(microsecond=1000 * int(line[2])), line[3])
        for line in found
    ]
