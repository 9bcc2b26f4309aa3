"""Mean ranks of methods over the cells where all of them ran, as a Markdown table.

    python ranks.py cells.jsonl --seconds 60 [--methods NAME ...] [--splits 0 1]
                    [--reference peers.csv] [--scores]

A cell is a set and a split. Rows that tie share the mean of their ranks. The interval is a
bootstrap over sets, whose splits stay together. A method of the reference that lacks one of the
cells is left out, and named.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

SCORES = {"accuracy, R²": ("acc", "r2", -1), "log loss, RMSE": ("logloss", "rmse", 1)}


def frame_of(
    path: Path,
    seconds: float,
    reference: Path | None = None,
    methods: list[str] | None = None,
    splits: list[int] | None = None,
) -> pd.DataFrame:
    """The cells asked for, a row each, and the reference's of the same sets and splits."""
    lines = pd.DataFrame(map(json.loads, path.read_text().splitlines()))
    found = lines[lines["seconds"] == seconds]
    if methods:
        found = found[found["method"].isin(methods)]
    if splits:
        found = found[found["split"].isin(splits)]
    if found.empty:
        raise SystemExit(f"{path}: no cell of {seconds:g} s, these methods and splits")
    if reference is None:
        return found
    where = found[["set", "split"]].drop_duplicates()
    theirs = pd.read_csv(reference).merge(where)
    complete = theirs.groupby("method")["set"].transform("size") == len(where)
    if lacking := sorted(set(theirs["method"][~complete])):
        print(f"left out, as they lack some of {len(where)} cells: {', '.join(lacking)}")
    theirs = theirs[complete]
    return pd.concat([found, theirs.assign(method=theirs["method"] + " (one fit)")])


def ranked(frame: pd.DataFrame, classes: str, numbers: str, sign: int) -> pd.DataFrame:
    """Ranks by cell (rows) and method; cells that some method lacks are left out."""
    # A search that ends without a model has the last rank, not none.
    value = sign * frame[classes].fillna(frame[numbers]).fillna(np.inf if sign > 0 else -np.inf)
    wide = frame.assign(value=value).pivot_table(
        index=["set", "split"], columns="method", values="value", dropna=False
    )
    wide = wide.dropna()
    return wide.round(6).rank(axis=1)


def interval(ranks: pd.DataFrame, draws: int = 2000) -> np.ndarray:
    """95 % of the mean rank of each method, [2, methods]."""
    by_set = [part.to_numpy() for _, part in ranks.groupby(level="set")]
    random = np.random.default_rng(0)
    means = []
    for _ in range(draws):
        some = random.integers(len(by_set), size=len(by_set))
        means.append(np.concatenate([by_set[i] for i in some]).mean(0))
    return np.quantile(means, [0.025, 0.975], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--methods", nargs="*", help="all of the file, unless told")
    parser.add_argument("--splits", type=int, nargs="*", help="all of the file, unless told")
    parser.add_argument("--scores", action="store_true", help="the scores of each cell, too")
    given = parser.parse_args()
    frame = frame_of(given.cells, given.seconds, given.reference, given.methods, given.splits)
    for title, (classes, numbers, sign) in SCORES.items():
        ranks = ranked(frame, classes, numbers, sign)
        low, high = interval(ranks)
        print(f"\n{title}: mean rank over {len(ranks)} cells of {ranks.shape[1]} methods\n")
        print("| method | mean rank | 95 % | first | median seconds |\n|---|---|---|---|---|")
        seconds = frame.groupby("method")["fit_s"].median()
        for at in np.argsort(ranks.mean().to_numpy()):
            name = ranks.columns[at]
            first = int((ranks.iloc[:, at] == ranks.min(axis=1)).sum())
            print(
                f"| {name} | {ranks.iloc[:, at].mean():.2f} | {low[at]:.1f} to {high[at]:.1f} "
                f"| {first} | {seconds[name]:.0f} |"
            )
        if given.scores:
            value = frame[classes].fillna(frame[numbers])
            wide = frame.assign(value=value).pivot_table(
                index=["set", "split"], columns="method", values="value"
            )
            print("\n" + wide.round(4).to_string())


if __name__ == "__main__":
    main()
