"""Numbers and lists in words, the same everywhere: in a terminal, a report, a page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence


def number(value: float | None) -> str:
    """Four digits that matter, without an exponent for everyday sizes."""
    if value is None:
        return "-"
    if value and abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def signed(value: float) -> str:
    """A difference: its sign is always there."""
    return ("+" if value >= 0 else "") + number(value + 0.0)  # of -0.0 it makes 0.0


def ends(low: float, high: float, say: Callable[[float], str] = number) -> str:
    """The ends of a 95 % interval."""
    return f"{say(low)} to {say(high)}"


def clock(seconds: float) -> str:
    """Minutes and seconds, 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def count(number: int, thing: str) -> str:
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
