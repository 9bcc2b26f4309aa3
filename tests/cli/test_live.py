"""The two lines that a terminal shows while networks train."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from shrinkage.cli import live
from shrinkage.cli.live import BLOCKS, Lines, sparkline
from shrinkage.recipe import Recipe
from shrinkage.search.budget import Clock
from shrinkage.search.cohort import Cohort, progress_of
from shrinkage.search.events import Progress


def heights(text: str) -> list[int]:
    return [BLOCKS.index(sign) for sign in text]


# -- the sparkline -----------------------------------------------------------------------------


def test_a_column_is_a_part_of_the_time() -> None:
    """The best is 1 from second 0, 2 from second 4, 8 from second 6; drawn at second 8."""
    history = [(0.0, 1.0), (4.0, 2.0), (6.0, 8.0)]
    assert heights(sparkline(history, 8.0, 8)) == [0, 0, 0, 1, 1, 7, 7, 7]
    assert heights(sparkline(history, 8.0, 4)) == [0, 1, 7, 7]
    assert heights(sparkline(history, 16.0, 4)) == [1, 7, 7, 7]


def test_it_begins_with_the_first_score() -> None:
    """The seconds before anything was known are not drawn."""
    late = [(100.0, 1.0), (104.0, 2.0), (106.0, 8.0)]
    assert sparkline(late, 108.0, 8) == sparkline([(s - 100, b) for s, b in late], 8.0, 8)


def test_unit_and_origin_of_a_score_do_not_matter() -> None:
    history = [(0.0, 0.2), (1.0, 0.4), (2.5, 0.47), (7.0, 0.9)]
    moved = [(second, 5 - 1000 * best) for second, best in history]
    up, down = heights(sparkline(history, 8.0, 24)), heights(sparkline(moved, 8.0, 24))
    assert up == sorted(up), "a score that grows"
    assert down == [len(BLOCKS) - 1 - height for height in up], "an error falls"
    assert (up[0], up[-1]) == (0, len(BLOCKS) - 1)


def test_what_never_changed_lies_in_the_middle() -> None:
    assert sparkline([(3.0, 0.9)], 3.0, 5) == BLOCKS[4] * 5
    assert sparkline([(3.0, 0.9)], 30.0, 5) == BLOCKS[4] * 5


@pytest.mark.parametrize("width", [0, 1, 2, 40])
def test_it_is_as_wide_as_asked(width: int) -> None:
    assert len(sparkline([(0.0, 1.0), (1.0, 2.0)], 3.0, width)) == width
    assert sparkline([], 3.0, width) == ""


# -- the lines ---------------------------------------------------------------------------------

LONG = Progress(
    "searching",
    "balanced_accuracy",
    tried=1234,
    alive=30,
    rungs=(300, 125, 45),
    best=0.9712,
    left_s=3599.0,
    budget_s=7200.0,
)


def drawn(*progress: Progress, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """What stands in a terminal after these."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    lines = Lines()
    for each in progress:
        lines.watch(each)
    Console(file=file, width=width, force_terminal=True, color_system=None).print(lines)
    file.flush()
    return raw.getvalue().decode(encoding).rstrip("\n").split("\n")


FIRST = Progress("searching", "balanced_accuracy", tried=9, best=0.9, left_s=7000, budget_s=7200)


def test_they_say_what_goes_on() -> None:
    first, second = drawn(FIRST, LONG)
    assert first.startswith("searching  59:59 left ")
    assert "1,234 trials" in first
    assert first.rstrip().endswith("networks 300·125·45 at rungs 1-3")
    best, line = second.rstrip().rsplit("  ", 1)
    assert best == "best balanced accuracy 0.9712"
    assert (line[0], line[-1]) == (BLOCKS[0], BLOCKS[-1])
    assert drawn(Progress("reading", "rmse", left_s=9.0, budget_s=10.0))[0].split() == [
        *("reading", "0:09", "left"), "━━"]  # fmt: skip
    alive = drawn(Progress("all rows", "rmse", tried=5, alive=8, left_s=9.0, budget_s=10.0))
    assert "8 networks in training" in alive[0]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_they_fit(width: int) -> None:
    """Two lines whatever the width is; at 80 columns nothing is cut off."""
    lines = drawn(FIRST, LONG, width=width)
    assert len(lines) == 2
    assert max(map(cell_len, lines)) <= width
    if width >= 80:
        assert "…" not in "".join(lines)


@pytest.mark.parametrize("nothing", [float("nan"), float("-inf")])
def test_a_score_that_is_no_number_is_not_drawn(nothing: float) -> None:
    """A person's metric may have no value yet."""
    before = replace(FIRST, best=nothing)
    assert drawn(before, before) == drawn(replace(FIRST, best=None))
    later = replace(FIRST, best=0.95, left_s=6000)
    assert drawn(before, FIRST, later) == drawn(FIRST, later)


def test_a_terminal_without_such_signs_gets_words() -> None:
    """Encoding them would fail, or fill the line with question marks."""
    for encoding in ("ascii", "latin-1"):
        first, second = drawn(FIRST, LONG, encoding=encoding)
        assert "networks 300/125/45 at rungs 1-3" in first
        assert second.rstrip() == "best balanced accuracy 0.9712, at first 0.9000"
        assert "?" not in first + second


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):  # a test is no terminal either
        with live.shown(quiet) as watch:
            watch(LONG)
    assert capsys.readouterr() == ("", "")


def test_a_search_tells_who_is_alive_at_each_rung() -> None:
    """Five folds: of a cohort of four trials one goes on to the last rung, another cohort has three
    on their way to the second, one has just begun, and one is done."""
    recipe = Recipe()
    made = [  # trials, alive, finished rungs, in training
        (4, 1, 2, True),
        (3, 3, 1, False),
        (6, 6, 0, True),
        (2, 0, 3, False),
    ]
    cohorts, first = [], 0
    for number, (trials, alive, rung, busy) in enumerate(made):
        numbers = range(first, first + trials)
        first += trials
        own = dict.fromkeys(numbers, recipe)
        cohorts.append(Cohort(number, "random", own, set(numbers[:alive]), rung, busy))
    given = "searching", "accuracy", cohorts, 5, 0.9, Clock(0.0, 60.0)
    found = progress_of(*given)
    assert found.rungs == (5 * 6, 5 * 3, 5 * 1)
    assert found.alive == 5 * (1 + 6), "those in training now"
    assert found.tried == 15
    # On all rows there is no contest any more.
    refit = progress_of(*given, alive=8)
    assert (refit.rungs, refit.alive) == ((), 8)
