"""What a run.log is told is what is read back from it."""

from __future__ import annotations

import logging
from datetime import datetime
from string import Formatter

import pytest

from shrinkage.search import journal

LINES = {name: line for name, line in vars(journal).items() if isinstance(line, journal.Line)}
SAMPLE = {"d": 17, "f": 2.54, "": "a (text), of [any] kind"}


def filled(line: journal.Line) -> dict[str, object]:
    return {
        name: SAMPLE[(spec or "")[-1:]]
        for _, name, spec, _ in Formatter().parse(line.form)
        if name is not None
    }


@pytest.mark.parametrize("name", LINES)
def test_a_line_comes_back_and_is_no_other_line(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = LINES[name]
    values = filled(line)
    with caplog.at_level(logging.INFO, "shrinkage"):
        line.say(**values)
    (text,) = caplog.messages
    said = {key: f"{v:.1f}" if isinstance(v, float) else str(v) for key, v in values.items()}
    assert line.read(text) == said
    assert [other for other, its in LINES.items() if its.read(text)] == [name]


def test_a_line_keeps_its_moment_to_the_millisecond() -> None:
    record = logging.LogRecord("shrinkage", logging.INFO, "", 0, "done after 3.0 s", None, None)
    written = journal.FORMATTER.format(record)
    ((moment, said),) = journal.moments(f"{written}\nTraceback: of no moment\n")
    assert said == "done after 3.0 s"
    assert abs(moment.timestamp() - record.created) < 0.002
    assert moment.microsecond == 1000 * int(record.msecs)
    assert isinstance(moment, datetime)
