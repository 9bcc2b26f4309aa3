"""Two made-up tables on which a cut at random says what no new row will keep.

    python benchmarks/cuts.py [--budget 40s] [--out FOLDER]

patients   250 of them, 8 rows each; ten numbers say who it is (a quarter of their spread is noise),
           one says a little of whether that patient is ill, which all of the patient's rows share
drift      3,000 rows over two years, whose boundary between classes turns slowly

Each is fitted twice, without and with the option that it asks for. Printed: test accuracy of the
winner, the plain network and both baselines.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from shrinkage import fit


def patients(count: int = 250, rows: int = 8, numbers: int = 10) -> pd.DataFrame:
    random = np.random.default_rng(0)
    ill = random.integers(0, 2, count)
    own = random.normal(size=(count, numbers))
    of = np.repeat(np.arange(count), rows)
    seen = own[of] + 0.25 * random.normal(size=(len(of), numbers))
    sign = ill - 0.5 + random.normal(size=count)
    frame = pd.DataFrame(seen, columns=[f"f{i}" for i in range(numbers)])
    frame = frame.assign(sign=sign[of] + random.normal(size=len(of)))
    frame = frame.assign(patient=[f"p{i:03d}" for i in of], y=np.where(ill[of] == 1, "ill", "well"))
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def drift(rows: int = 3000) -> pd.DataFrame:
    random = np.random.default_rng(0)
    day = np.sort(random.uniform(0, 730, rows))
    x = random.normal(size=(rows, 6))
    along = x[:, 0] * np.cos(day / 300) + x[:, 1] * np.sin(day / 300)
    up = 2 * along + x[:, 2] + 0.5 * random.normal(size=rows) > 0
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(6)])
    when = pd.Timestamp("2022-01-01") + pd.to_timedelta(day.astype(int), "D")
    frame = frame.assign(when=when, y=np.where(up, "up", "down"))
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", default="40s")
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    out = asked.out or Path(tempfile.mkdtemp())
    who = ("winner", "plain", "linear", "gradient_boosting")
    print(f"| table | cut | {' | '.join(who)} |")
    print("|---" * (2 + len(who)) + "|")
    for frame, option in ((patients(), {"together": "patient"}), (drift(), {"time": "when"})):
        for more in ({}, option):
            name = next(iter(option))
            given = frame if more else frame.drop(columns=option[name])
            folder = out / f"{name}{'' if more else '-at-random'}"
            run = fit(given, "y", budget=asked.budget, out=folder, first_look=False, **more)
            scores = [run.result["scores"][each] for each in who]
            said = [f"{s['test']['accuracy']:.3f}" if s else "–" for s in scores]
            print(f"| {option[name]} | {name if more else 'at random'} | {' | '.join(said)} |")


if __name__ == "__main__":
    main()
