"""What a terminal shows while networks train: two lines that change.

searching  0:34 left ━━━━━━━━━━━━━━━━━━  27 trials  networks 45·15·5 at rungs 1-3
best accuracy 0.9930  ▁▁▁▃▃▃▃▅▅▅▆▆▆▆▆▆▆▆▆█
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from shrinkage.cli.terminal import console
from shrinkage.report.words import compared
from shrinkage.search.events import Progress, Watch, nobody
from shrinkage.wording import clock, count, number

BLOCKS = "▁▂▃▄▅▆▇█"
_WIDEST_BAR, _NARROWEST_BAR = 20, 6
_WIDEST_SPARKLINE, _NARROWEST_SPARKLINE = 40, 8
_A_SECOND = 4
"""How often the lines are drawn again; more would take time from training."""


def sparkline(history: Sequence[tuple[float, float]], now: float, width: int) -> str:
    """The best score over time: a column is an equal part of the time since the first score.

    history: (second, best from then on), by growing second.   now: the second it is drawn.
    A column shows the best at its end. The lowest block is the least of all, the highest the
    most; a score that never changed lies in the middle.
    """
    if not history or width < 1:
        return ""
    first = history[0][0]
    ends = [first + (now - first) * (column + 1) / width for column in range(width)]
    shown = [[best for second, best in history if second <= end or second == first] for end in ends]
    values = [known[-1] for known in shown]
    low, high = min(best for _, best in history), max(best for _, best in history)
    if high == low:
        return BLOCKS[len(BLOCKS) // 2] * width
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round(top * (value - low) / (high - low))] for value in values)


def facts(progress: Progress, plain: bool) -> str:
    """Trials, and the networks alive at each rung. plain: where no sign beyond ASCII is shown."""
    parts = []
    if progress.tried:
        parts.append(count(progress.tried, "trial"))
    if any(progress.rungs):
        alive = ("/" if plain else "·").join(map(str, progress.rungs))
        parts.append(f"networks {alive} at rungs 1-{len(progress.rungs)}")
    elif progress.alive:
        parts.append(f"{count(progress.alive, 'network')} in training")
    return "  ".join(parts)


def best_line(
    progress: Progress, history: Sequence[tuple[float, float]], width: int, plain: bool
) -> str:
    """The best score, and how it came about; "" before there is a finite one."""
    if progress.best is None or not math.isfinite(progress.best):
        return ""
    said = f"best {compared(progress.metric)} {number(progress.best)}"
    if plain:
        first = history[0][1] if history else progress.best
        return said if first == progress.best else f"{said}, at first {number(first)}"
    room = min(_WIDEST_SPARKLINE, width - len(said) - 2)
    if room < _NARROWEST_SPARKLINE:
        return said
    return f"{said}  {sparkline(history, _used(progress), room)}"


def _used(progress: Progress) -> float:
    return progress.budget_s - progress.left_s


class Lines:
    """What is drawn: made anew for the width that the terminal has at that moment."""

    def __init__(self) -> None:
        self.progress = Progress("starting", "")
        self.history: list[tuple[float, float]] = []

    def watch(self, progress: Progress) -> None:
        """Take up a snapshot; a new best becomes a part of the history, where it is finite."""
        self.progress = progress
        best = progress.best
        if best is None or not math.isfinite(best):
            return
        if not self.history or self.history[-1][1] != best:
            self.history.append((_used(progress), best))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress, plain = self.progress, not _drawable(options.encoding)
        begin = f"{progress.phase:<10}"
        if progress.budget_s:
            begin += f" {clock(progress.left_s)} left"
        end = facts(progress, plain)
        room = options.max_width - len(begin) - len(end) - 3
        line = Table.grid(padding=(0, 1, 0, 0))
        cells: list[Text | ProgressBar] = [Text(begin, no_wrap=True, overflow="ellipsis")]
        if room >= _NARROWEST_BAR and progress.budget_s:
            used = _used(progress) / progress.budget_s
            cells.append(ProgressBar(1.0, used, width=min(_WIDEST_BAR, room)))
        cells.append(Text(f" {end}" if end else "", no_wrap=True, overflow="ellipsis"))
        line.add_row(*cells)
        best = best_line(progress, self.history, options.max_width, plain)
        yield Group(line, Text(best, no_wrap=True, overflow="ellipsis")) if best else line


def _drawable(encoding: str) -> bool:
    try:
        (BLOCKS + "·").encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@contextmanager
def shown(quiet: bool) -> Iterator[Watch]:
    """A watch that draws; silent where nobody looks."""
    if quiet or not console.is_terminal:
        yield nobody
        return
    lines = Lines()
    with Live(lines, console=console, transient=True, refresh_per_second=_A_SECOND):
        yield lines.watch
