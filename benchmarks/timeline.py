"""The time line of a run as a picture: what each worker did when.

python benchmarks/timeline.py RUN docs/timeline.svg
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

LINE = re.compile(r"^(\S+ \S+) INFO (.*)$")
DONE = [
    (re.compile(r"cohort (\d+) rung (\d+): .*, ([\d.]+) s$"), "cohort"),
    (re.compile(r"cohort (\d+) rung (\d+): time was up, ([\d.]+) s$"), "cut off"),
    (re.compile(r"baseline (\w+) ended after ([\d.]+) s$"), "baseline"),
    (re.compile(r"(\d+) networks on all rows are kept, ([\d.]+) s$"), "all rows"),
]
COLOURS = {"default": "#1b9e77", "plain": "#7570b3", "search": "#66a61e", "baseline": "#999999",
           "all rows": "#d95f02", "cut off": "#e7298a"}  # fmt: skip


@dataclass(frozen=True)
class Task:
    kind: str
    label: str
    start: float
    end: float


def tasks(log: Path) -> tuple[list[Task], float]:
    """Finished tasks in seconds since the log began, and its length."""
    found, first, now = [], None, 0.0
    for line in log.read_text().splitlines():
        if not (parts := LINE.match(line)):
            continue
        at = datetime.strptime(parts[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()
        first = at if first is None else first
        now = at - first
        for pattern, kind in DONE:
            if its := pattern.match(parts[2]):
                seconds = float(its[its.lastindex or 1])
                label = its[1]
                if kind == "cohort":
                    kind = {"0": "default", "1": "plain"}.get(its[1], "search")
                    label = f"{its[1]}.{its[2]}"
                found.append(Task(kind, label, max(0.0, now - seconds), now))
    return found, now


def lanes(found: list[Task]) -> list[list[Task]]:
    """Tasks by worker: each goes to the first worker that was free when it began."""
    workers: list[list[Task]] = []
    for task in sorted(found, key=lambda task: task.start):
        free = (w for w in workers if w[-1].end <= task.start + 0.3)
        worker = next(free, None)
        if worker is None:
            workers.append(worker := [])
        worker.append(task)
    return workers


def main() -> None:
    found, length = tasks(Path(sys.argv[1]) / "run.log")
    workers = lanes(found)
    mpl.rcParams.update({"font.size": 9, "svg.hashsalt": "shrinkage"})
    figure, axes = pyplot.subplots(figsize=(9, 0.8 + 0.55 * len(workers)))
    for row, worker in enumerate(workers):
        for task in worker:
            width = task.end - task.start
            axes.barh(row, width, left=task.start, color=COLOURS[task.kind], edgecolor="white")
        busy = sum(task.end - task.start for task in worker) / max(length, 1e-9)
        axes.text(length * 1.01, row, f"{busy:.0%} busy", va="center")
    for kind, colour in COLOURS.items():
        axes.barh(0, 0, color=colour, label=kind)
    axes.set_yticks(range(len(workers)), [f"worker {k + 1}" for k in range(len(workers))])
    axes.set_xlabel("seconds since the study began")
    axes.legend(ncol=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(sys.argv[2], bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
