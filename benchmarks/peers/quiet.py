"""Whether a machine is quiet, before and after a cell: what runs beside, and how fast it is.

A low priority does not make a test quiet: Linux shares time among sessions first (`autogroup`), and
looks at `nice` within each.
"""

from __future__ import annotations

import time
from pathlib import Path

_STAT = Path("/proc/stat")
_LOOP = 3_000_000


def quiet() -> dict[str, float | None]:
    """cores_busy: of other processes, over a second; None where the system does not say.

    loop_s: of a fixed loop, the best of three; what is longer than usual is a slower machine.
    """
    began, before = time.perf_counter(), _idle_s()
    time.sleep(1)
    waited, after = time.perf_counter() - began, _idle_s()
    busy = None
    if before is not None and after is not None:
        busy = round(_cores() - (after - before) / waited, 2)
    return {"cores_busy": busy, "loop_s": round(min(_loop() for _ in range(3)), 3)}


def _cores() -> int:
    lines = _STAT.read_text().splitlines()
    return sum(line.startswith("cpu") and line[3].isdigit() for line in lines)


def _idle_s() -> float | None:
    """Seconds that all cores were idle since the machine began, or waited for a disk."""
    if not _STAT.is_file():
        return None
    _, _, _, _, idle, waiting, *_ = _STAT.read_text().splitlines()[0].split()
    return (int(idle) + int(waiting)) / 100  # USER_HZ is 100 wherever Linux runs


def _loop() -> float:
    began, total = time.perf_counter(), 0
    for number in range(_LOOP):
        total += number
    return time.perf_counter() - began


if __name__ == "__main__":
    print(quiet())
