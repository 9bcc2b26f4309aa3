"""Kill one of two machines on a study at a random moment, and count what the other lost.

    python benchmarks/shared_kills.py [--runs 10] [--trials 16] [--budget 90] [--seed 0]

For each run: two commands begin one study of breast_cancer at once, through a PostgreSQL server
started here; one is killed with SIGKILL, with its workers, at a uniformly random moment of the
first `--until` seconds after the first trials are there. Nothing helps the other: it waits until
the claims run out. A run passes where the other exits with 0, every rung and baseline that was in
the database at the kill is there unchanged, trials are numbered without gaps and no recipe is tried
twice, every trial came to its end with all of its rungs, no claim is left, and the winner's test
scores are recomputed from the saved model. `taken`: trials that the killed machine had claimed and
the other brought to their end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kill_resume import TABLE, recomputed

import postgres
from cli.processes import kill, leftovers, start, wait_for
from postgres import ask
from shrinkage.search.halving import RUNGS

_SCORES = "select trial, rung, step, score, seconds from rung"
_BASELINES = "select name, seconds from baseline"
_HELD = """
select number from trial join claim on what = 'cohort ' || cohort
where status = 'running' and owner = '{}'
"""


def faults_of(url: str, before: set, scored: set, trials: int) -> list[str]:
    """What is wrong in the database after the other machine has ended."""
    rungs, rows = ask(url, _SCORES), ask(url, "select number, status, hash from trial")
    found = []
    baselines = set(ask(url, _BASELINES))
    if not (before <= set(rungs) and scored <= baselines):
        found.append("something recorded was lost or changed")
    if sorted(number for number, _, _ in rows) != list(range(trials)):
        found.append(f"{len(rows)} trials, not 0 to {trials - 1}")
    if len({hash_ for _, _, hash_ in rows}) != len(rows):
        found.append("a recipe was tried twice")
    for number, status, _ in rows:
        mine = sorted(row[1] for row in rungs if row[0] == number)
        whole = mine == list(range(len(mine))) and (status != "finished" or len(mine) == len(RUNGS))
        if status == "running" or not whole:
            found.append(f"trial {number} is {status} after rungs {mine}")
    if ask(url, "select what from claim"):
        found.append("claims are left")
    return found


def one(server: str, place: Path, moment: float, asked: argparse.Namespace) -> dict:
    """One study, one kill. Returns a row of the table."""
    url, faults = postgres.database(server), []
    fit = ["fit", TABLE, "--budget", f"{asked.budget}s", "--workers", 1, "--trials", asked.trials]
    fit += ["--recipe", asked.recipe, "--store", url, "--study", "s", "--out"]
    unlucky, other = start(*fit, place / "one"), start(*fit, place / "other")
    links = [place / name / "store.json" for name in ("one", "other")]
    begun = wait_for(
        lambda: all(path.is_file() for path in links) and ask(url, "select 1 from trial"),
        asked.budget,
    )
    time.sleep(moment if begun else 0)
    ended = unlucky.poll() is not None
    kill(unlucky, whole_group=True)
    before, scored = set(ask(url, _SCORES)), set(ask(url, _BASELINES))
    held = ask(url, _HELD.format(json.loads(links[0].read_text())["client"]))
    began = time.time()
    _, error = other.communicate(timeout=asked.budget + 120)
    if other.returncode:
        faults.append(f"exit {other.returncode}: {error.strip()[-120:]}")
    else:
        faults += faults_of(url, before, scored, asked.trials)
        result = json.loads((place / "other" / "result.json").read_text())
        reported = result["scores"]["winner"]["test"]
        for metric, value in recomputed(place / "other").items():
            if abs(reported[metric] - value) > 1e-6:
                faults.append(f"{metric} {reported[metric]} is reported, {value} is true")
    if left := leftovers(place / "other"):
        faults.append(f"left behind: {', '.join(left[:3])}")
    return {
        "moment": f"{moment:.1f} s",
        "killed": "after its end" if ended else "running",
        "rungs": len(before),
        "taken": len(held),
        "after": len(ask(url, _SCORES)),
        "other": f"{time.time() - began:.0f} s",
        "verdict": "; ".join(faults) or "ok",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--budget", type=float, default=90.0)
    parser.add_argument("--until", type=float, default=20.0, help="latest moment of a kill")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    moments, passed = random.Random(asked.seed), 0
    titles = ("run", "moment", "killed", "rungs", "taken", "after", "other", "verdict")
    form = "{:>4} {:>8} {:>14} {:>6} {:>6} {:>6} {:>6}  {}"
    print(form.format(*titles))
    with postgres.serving() as server:
        for number in range(asked.runs):
            moment = moments.uniform(0, asked.until)
            with tempfile.TemporaryDirectory() as place:
                row = one(server, Path(place), moment, asked)
            passed += row["verdict"] == "ok"
            print(form.format(number + 1, *row.values()), flush=True)
    print(f"\n{passed} of {asked.runs} studies came to their end without a fault")
    return 0 if passed == asked.runs else 1


if __name__ == "__main__":
    sys.exit(main())
