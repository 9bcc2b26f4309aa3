"""One program on tables and splits, a JSON line a cell; cells that are there are left out.

python run.py PROGRAM DATA --seconds 60 --splits 0 1 2 --out cells.jsonl [-- more for shrinkage]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
import warnings
from pathlib import Path

import cells
from programs import PROGRAMS
from quiet import quiet


def done(path: Path) -> set[tuple]:
    if not path.is_file():
        return set()
    lines = map(json.loads, path.read_text().splitlines())
    return {(line["method"], line["set"], line["split"], line["seconds"]) for line in lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--splits", type=int, nargs="+", default=[0])
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="of the method in the file, where it is not the program's")
    # Before Python 3.12 argparse gives a last "*" nothing once options stand before it.
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, more = parser.parse_args(sys.argv[1:at]), sys.argv[at + 1 :]
    warnings.simplefilter("ignore")
    method = given.name or given.program
    for split in given.splits:
        for path in sorted(given.data.glob("*.csv*")):
            name = cells.name_of(path)
            key = method, name, split, given.seconds
            if (given.sets and name not in given.sets) or key in done(given.out):
                continue
            cell = cells.read(path, split)
            line = dict(zip(("method", "set", "split", "seconds"), key, strict=True))
            before = quiet()
            began = time.time()
            try:
                output = PROGRAMS[given.program](cell, given.seconds, split, *more)
                line |= cells.scored(cell, output)
            except Exception as error:  # one that fails is a result, too
                traceback.print_exc()
                line["error"] = f"{type(error).__name__}: {error}"[:300]
            line["fit_s"] = round(time.time() - began, 1)
            line |= {"before": before, "after": quiet()}
            with given.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
