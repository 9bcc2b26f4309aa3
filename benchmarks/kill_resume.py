"""Kill a run at random moments with SIGKILL, resume it, and count what was lost.

    python benchmarks/kill_resume.py [--runs 20] [--budget 30] [--seed 0] [--workers 2]

For each run: fit breast_cancer, kill its whole process group (odd runs: the first process
alone) at a uniformly random moment of the time it surely runs, resume. A run passes where the
resume exits with 0, every rung and baseline that was in the database at the kill is there
unchanged, the winner's test scores are recomputed exactly from the saved model, and no temporary
file is left.
A kill before the study began has nothing to resume: then the same fit has to work. Processes
that outlive their killed parent by 2 s are counted as faults, too.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cli.processes import command, database, kill, leftovers, start, wait_for
from shrinkage.data.builtin import load
from shrinkage.data.split import test_split
from shrinkage.model import Model

TABLE = "breast_cancer"
_RUNNING = 0.85
"""A run ends a little before its budget: what is killed after that was not running."""


def recomputed(run: Path) -> dict[str, float]:
    """The winner's accuracy and log loss on the test rows, from the saved model alone."""
    frame, model = load(TABLE), Model.load(run)
    rows = frame.iloc[test_split(frame["target"], "classification")[1]]
    probability = model.predict_proba(rows)
    labels = [model.schema.classes.index(label) for label in rows["target"]]
    eps = np.finfo(np.float32).eps
    chosen = np.clip(probability[np.arange(len(rows)), labels], eps, 1 - eps)
    hits = model.predict(rows) == rows["target"].to_numpy()
    return {"accuracy": float(hits.mean()), "log_loss": float(-np.log(chosen).mean())}


def one(place: Path, moment: float, asked: argparse.Namespace, *, whole_group: bool) -> dict:
    """Kill one run at this moment and resume it. Returns a row of the table."""
    run, faults = place / "run", []
    fit = ("fit", TABLE, "--out", run, "--budget", f"{asked.budget}s", "--workers", asked.workers)
    process = start(*fit)
    time.sleep(moment)
    running = process.poll() is None
    workers = kill(process, whole_group=whole_group)
    if not wait_for(lambda: not [p for p in workers if Path(f"/proc/{p}").exists()], 2):
        faults.append("workers outlive their parent")
    began, before = (run / "study.db").exists(), database(run)
    done = command("resume", run, "--budget", asked.resume) if began else command(*fit)
    after = database(run)
    if done.returncode:
        faults.append(f"exit {done.returncode}: {done.stderr.strip()[-120:]}")
    else:
        reported = json.loads((run / "result.json").read_text())["scores"]["winner"]["test"]
        for name, value in recomputed(run).items():
            if abs(reported[name] - value) > 1e-6:
                faults.append(f"{name} {reported[name]} is reported, {value} is true")
    lost = len(before.rungs - after.rungs) + len(before.baselines - after.baselines)
    if lost:
        faults.append("rungs are lost")
    if left := leftovers(run):
        faults.append(f"left behind: {', '.join(left[:3])}")
    return {
        "moment": f"{moment:.1f} s",
        "killed": "after its end" if not running else "group" if whole_group else "parent",
        "begun": "yes" if began else "no",
        "rungs": len(before.rungs),
        "lost": lost,
        "after": len(after.rungs),
        "verdict": "; ".join(faults) or "ok",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of the run killed")
    parser.add_argument("--resume", default="12s", help="budget of the resume")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    passed = 0
    titles = ("run", "moment", "killed", "begun", "rungs", "lost", "after", "verdict")
    print("{:>4} {:>8} {:>14} {:>6} {:>6} {:>5} {:>6}  {}".format(*titles))
    for number in range(asked.runs):
        moment = moments.uniform(0, _RUNNING * asked.budget)
        with tempfile.TemporaryDirectory() as place:
            row = one(Path(place), moment, asked, whole_group=number % 2 == 0)
        passed += row["verdict"] == "ok"
        print(
            "{:>4} {moment:>8} {killed:>14} {begun:>6} {rungs:>6} {lost:>5} {after:>6}  "
            "{verdict}".format(number + 1, **row),
            flush=True,
        )
    print(f"\n{passed} of {asked.runs} resumed without a fault")
    return 0 if passed == asked.runs else 1


if __name__ == "__main__":
    sys.exit(main())
