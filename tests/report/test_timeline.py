"""When things happened, as a log tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from shrinkage.report.facts import points
from shrinkage.report.searched import where_time_went
from shrinkage.report.timeline import Span, Timeline, in_lanes, timeline
from shrinkage.store.schema import Rung
from shrinkage.store.tables import Trial

FIRST = """\
2026-01-02 10:00:05,000 INFO classification, 455 training rows, 3 folds
2026-01-02 10:00:05,000 INFO data: a note
2026-01-02 10:00:10,500 INFO cohort 0 rung 0: 1 trials, 1 go on, 2.5 s
2026-01-02 10:00:11,000 INFO baseline gradient_boosting ended after 4.0 s
2026-01-02 10:00:20,000 WARNING cohort 0: something else
"""
DONE = "2026-01-02 10:00:25,000 INFO done after 30.0 s\n"
SECOND = """\
2026-01-03 08:00:00,000 INFO classification, 455 training rows, 3 folds
2026-01-03 08:00:06,000 INFO cohort 0 rung 1: 4 trials, 1 go on, 6.0 s
2026-01-03 08:00:08,000 INFO 4 networks on all rows are kept, 1.5 s
"""


def test_a_session_that_ended_counts_from_its_start() -> None:
    """It says 30 s at 10:00:25, so 10:00:10.5 was second 15.5."""
    found = timeline(FIRST + DONE)
    assert found.began == datetime(2026, 1, 2, 10, 0, 5)
    assert found.ended(0, 0) == pytest.approx(15.5)
    assert found.ended(0, 1) is None
    boosting = next(span for span in found.spans if span.kind == "baseline")
    assert (boosting.name, boosting.begin, boosting.end) == ("gradient_boosting", 12.0, 16.0)


def test_sessions_follow_each_other() -> None:
    """The first took 30 s in all; the second was killed, so its own clock goes on from there."""
    found = timeline(FIRST + DONE + SECOND)
    assert found.sessions == 2
    assert found.ended(0, 1) == pytest.approx(36.0)
    refit = next(span for span in found.spans if span.kind == "refit")
    assert (refit.name, refit.begin, refit.end) == ("4", pytest.approx(36.5), pytest.approx(38.0))


def test_a_rung_that_is_trained_again_ended_when_it_first_did() -> None:
    again = FIRST + DONE + SECOND.replace("rung 1", "rung 0")
    assert timeline(again).ended(0, 0) == timeline(FIRST + DONE).ended(0, 0)


def test_a_killed_session_begins_at_zero() -> None:
    assert timeline(FIRST).ended(0, 0) == pytest.approx(5.5)


TOLD = """\
2026-01-04 09:00:03,500 INFO regression, 96 training rows, 3 folds
2026-01-04 09:00:03,500 INFO session of 60.0 s, 3.5 s of it used, after 30.0 s
2026-01-04 09:00:04,000 INFO data: Column 'a' is constant: dropped.
2026-01-04 09:00:04,000 INFO phase: timing a few steps
2026-01-04 09:00:05,000 INFO phase: searching
2026-01-04 09:00:07,500 INFO baseline linear ended after 1.0 s
"""


def test_a_session_that_says_so_counts_from_its_start_while_it_runs() -> None:
    """It began at 09:00:00, at second 30 of the study."""
    found = timeline(TOLD)
    (span,) = found.spans
    assert (span.begin, span.end) == (pytest.approx(36.5), pytest.approx(37.5))
    assert found.last is not None
    assert found.last.started == datetime(2026, 1, 4, 9, 0, 0)
    assert (found.last.budget_s, found.last.before) == (60.0, 30.0)
    assert (found.last.task, found.last.rows, found.last.folds) == ("regression", 96, 3)
    assert (found.last.phase, found.last.done) == ("searching", False)
    assert found.last.notes == ("Column 'a' is constant: dropped.",)


def test_its_own_words_count_for_more_than_those_of_the_session_before() -> None:
    """The one before took 30 s by its own account, killed in the middle or not."""
    assert timeline(FIRST + TOLD).spans[-1].end == pytest.approx(37.5)
    ended = timeline(FIRST + DONE + TOLD)
    assert ended.spans[-1].end == pytest.approx(37.5)
    assert ended.ended(0, 0) == pytest.approx(15.5)
    assert ended.last is not None
    assert not ended.last.done, "the last session did not come to its end"


def test_a_log_of_an_earlier_version_tells_of_no_session() -> None:
    assert timeline(FIRST + DONE).last is None


@pytest.mark.parametrize("log", ["", "no line of ours\n", "\x00\xff"])
def test_a_log_without_anything_has_no_spans(log: str) -> None:
    assert timeline(log).spans == ()


def test_work_in_one_lane_does_not_overlap() -> None:
    spans = [Span("cohort", str(i), begin, begin + 3.0) for i, begin in enumerate((0, 1, 3, 4, 5))]
    placed = in_lanes(spans)
    assert [span.lane for span in placed] == [0, 1, 0, 1, 2]
    for one in placed:
        for other in placed:
            apart = one.end <= other.begin or other.end <= one.begin
            assert one is other or one.lane != other.lane or apart


class Counted(list):
    """How often it is gone through from the beginning."""

    times = 0

    def __iter__(self) -> Iterator:
        self.times += 1
        return super().__iter__()


def test_trials_and_work_are_gone_through_once_each_however_many_there_are() -> None:
    """Else a page that is made every second costs the square of their number."""

    def rounds(cohorts: int) -> tuple[int, ...]:
        work = [Span("cohort", f"{i}.0", i, i + 1.0) for i in range(cohorts)]
        score = (Rung(0, 1, 1 / 9, 0.5, 1.0),)
        every = [Trial(i, i // 2, "gp", "", "dropped", None, 0, score) for i in range(2 * cohorts)]
        spans, trials = Counted(work), Counted(every)
        found = Timeline(None, 1, spans)  # type: ignore[arg-type]
        chart = where_time_went(found, trials)
        assert chart.numbers is not None
        assert chart.numbers.rows[-1][0] == f"trials {2 * cohorts - 2} to {2 * cohorts - 1}, rung 1"
        ends = {point.trial: point.second for point in points(trials, found, True)}
        assert ends == {i: i // 2 + 1.0 for i in range(2 * cohorts)}
        return spans.times, trials.times

    assert rounds(3) == rounds(30)
