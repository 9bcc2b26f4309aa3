"""What a run.log is told is what is read back from it."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from string import Formatter
from threading import Event, Thread

import pytest

from shrinkage.search import journal
from shrinkage.search.runlog import logging_to

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


def test_studies_in_threads_of_one_process_have_logs_of_their_own(tmp_path: Path) -> None:
    """Each hears what its own thread says; helpers of no study are heard by both."""
    log, level, steps = logging.getLogger("shrinkage"), logging.getLogger("shrinkage").level, []
    first_in, second_in, first_out = Event(), Event(), Event()

    def one() -> None:
        with logging_to(tmp_path / "a.log"):
            first_in.set()
            second_in.wait(10)
            log.info("of a")
        first_out.set()

    def other() -> None:
        first_in.wait(10)
        with logging_to(tmp_path / "b.log"):
            second_in.set()
            first_out.wait(10)
            log.info("of b")
            helper = Thread(target=lambda: log.info("of nobody"))
            helper.start()
            helper.join()
            steps.append(log.level)

    threads = [Thread(target=one), Thread(target=other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    said = {name: (tmp_path / f"{name}.log").read_text() for name in "ab"}
    assert "of a" in said["a"]
    assert "of b" not in said["a"]
    assert "of a" not in said["b"]
    assert "of b" in said["b"]
    assert "of nobody" in said["b"]
    assert steps == [logging.INFO], "though the first has ended"
    assert log.level == level
