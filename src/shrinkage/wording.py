"""Numbers and lists in words, the same everywhere: in a terminal, a report, a page."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path


def number(value: float | None, beside: float = 0.0) -> str:
    """Four decimals, and three digits that matter at least; no exponent for everyday sizes.

    A dash where there is no number, or none that is finite.

    beside: a number that it stands beside; the larger of both tells the decimals.
    """
    if value is None or not math.isfinite(value):
        return "-"
    size = max(abs(value), abs(beside))
    if 1e-4 <= size < 0.01:
        return f"{value:.{2 - math.floor(math.log10(size))}f}"
    if size < 100:
        return f"{value:.4f}" if size >= 0.01 or not value else f"{value:.3g}"
    return f"{value:,.1f}" if size < 1e9 else f"{value:.4g}"


def signed(value: float, beside: float = 0.0) -> str:
    """A difference: its sign is always there."""
    return ("+" if value >= 0 else "") + number(value + 0.0, beside)  # of -0.0 it makes 0.0


def ends(low: float, high: float, say: Callable[[float, float], str] = number) -> str:
    """The ends of a 95 % interval."""
    return f"{say(low, high)} to {say(high, low)}"


def effect(value: float, interval: Sequence[float]) -> tuple[str, str]:
    """A difference and the ends of its interval, with the same decimals."""
    low, high = interval
    return signed(value, max(low, high, key=abs)), ends(low, high, signed)


def command(*words: str | Path) -> str:
    """A command of ours, to be pasted into a shell: `shrinkage`, then these words."""
    return shlex.join(["shrinkage", *map(str, words)])


def clock(seconds: float) -> str:
    """Minutes and seconds, 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def count(number: int, thing: str) -> str:
    """A count as a sentence says it: '1 row', '2,399 rows'."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def listed(parts: Sequence[str]) -> str:
    """One, two and three."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def times(factor: float) -> str:
    """A factor: two digits that matter."""
    if 0.95 <= factor < 9.95:
        return f"{factor:.1f}"
    return f"{factor:.2g}" if factor < 1 else f"{factor:,.0f}"


def table(
    heads: Sequence[str], rows: Iterable[Iterable[str]], text: Collection[int] | None = None
) -> list[str]:
    """The lines of a Markdown table. text: columns set to the left, as all are where None."""
    rule = ["---" if text is None or i in text else "---:" for i in range(len(heads))]
    return [f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows)]
