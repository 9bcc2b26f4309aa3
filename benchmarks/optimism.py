"""Optimism where the truth is known: how far off corrected validation scores are.

    python benchmarks/optimism.py [--studies 200] [--json FILE]

Every row of the table is a situation, drawn anew for each of 200 studies. Each study chooses by
the rule of `search.choose`. Printed are the mean error of the winner's validation score (its
bias), and of corrected scores, as a share of that bias: 0 is exact, 100 % corrects nothing, less
than 0 corrects too much; with 95 % intervals over studies. `noise` is the standard deviation of
the error of the corrected score in place of the uncorrected one, `held` how often its 95 %
interval holds the truth. `folds` is what `evidence.optimism` does; beside it stand

    bootstrap   choose on bootstrap rows, score the rows left out (Tsamardinos et al. 2018)
    both        the same, with the trials drawn with replacement, too
    efron       choose on bootstrap rows, score on them and on all rows (Efron 1983)

The mean error over all trials of a study is known to be 0 and subtracted (a control variate), so
that intervals are narrower than the noise that all trials share.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtr

from shrinkage import scores
from shrinkage.evidence.optimism import Contest, optimism
from shrinkage.measures import EPS
from shrinkage.search.choose import choose_each

RESAMPLES = 100


@dataclass(frozen=True)
class Case:
    """trials x rows with losses of this correlation between trials.

    true: (random, trials) -> how much worse each trial is than 0, in standard deviations of a
    row's loss; trial 0 is the default, trial 1 plain.
    kept: of the trials, so many are left by a comparison at a rung, on the same rows, whose
    scores correlate with the final ones by `alike` beyond what rows share.
    """

    name: str
    trials: int
    rows: int
    correlation: float
    true: Callable[[np.random.Generator, int], np.ndarray] = field(
        default=lambda random, trials: np.zeros(trials)
    )
    metric: str = "log_loss"
    kept: int | None = None
    alike: float = 0.8


def few(better: int, gap: float) -> Callable:
    """So many trials are better than all others by this."""
    return lambda random, trials: (
        -gap * ((np.arange(trials) >= 2) & (np.arange(trials) < 2 + better))
    )


def spread(random: np.random.Generator, trials: int) -> np.ndarray:
    return np.r_[0.0, 0.2, random.normal(0, 0.05, trials - 2)]


def mostly_worse(random: np.random.Generator, trials: int) -> np.ndarray:
    return np.r_[0.0, 0.3, random.exponential(0.3, trials - 2)]


def poor_default(random: np.random.Generator, trials: int) -> np.ndarray:
    return np.r_[0.15, 0.2, random.exponential(0.1, trials - 2)]


CASES = [
    *(
        Case(f"all equal, {metric}", 20, 300, 0.7, metric=metric)
        for metric in ("log_loss", "accuracy", "rmse", "roc_auc")
    ),
    Case("all equal, 3 trials", 3, 300, 0.7),
    Case("all equal, 100 trials", 100, 300, 0.7),
    Case("all equal, 2,000 rows", 100, 2000, 0.9, metric="accuracy"),
    Case("all equal, 60 rows", 20, 60, 0.7, metric="accuracy"),
    Case("3 of 20 better by 0.1", 20, 300, 0.7, few(3, 0.1)),
    Case("3 of 20 better by 0.1", 20, 300, 0.7, few(3, 0.1), "accuracy"),
    Case("3 of 20 better by 0.3", 20, 300, 0.7, few(3, 0.3)),
    Case("1 of 30 better by 0.1", 30, 300, 0.8, few(1, 0.1)),
    Case("spread by 0.05", 40, 500, 0.8, spread),
    Case("mostly much worse", 40, 500, 0.8, mostly_worse),
    Case("a poor default", 40, 500, 0.8, poor_default, "accuracy"),
    Case("9 of 27 pass a rung", 27, 500, 0.7, kept=9),
    Case("3 of 27 pass a rung", 27, 500, 0.7, kept=3),
]
OFFSET = 1.0
"""Mean margin of a right answer, in its standard deviations: accuracy 0.84, ROC AUC 0.92."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


def truth(metric: str, worse: np.ndarray) -> np.ndarray:
    """What trials would score on endless rows.   worse: [T].   Returns [T]."""
    margin = OFFSET - worse
    if metric == "accuracy":
        return ndtr(margin)
    if metric == "roc_auc":
        return ndtr(np.sqrt(2) * margin)
    if metric == "rmse":
        return 1 + worse
    surprise = -np.log(np.clip(ndtr(margin[:, None] + NODES), EPS, 1 - EPS))
    return surprise @ WEIGHTS / WEIGHTS.sum()


def outputs_of(metric: str, noise: np.ndarray, worse: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Predictions [T, n] or probabilities [T, n, 2] of trials.   noise: [T, n], standard normal."""
    if metric == "rmse":
        return target + noise * (1 + worse[:, None])
    right = ndtr(OFFSET - worse[:, None] + noise)
    first = np.where(target == 1, 1 - right, right)
    return np.stack([first, 1 - first], -1)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A study: its contest, the truth of those who could win, and how lucky all trials were."""

    contest: Contest
    truth: np.ndarray
    luck: float


def study(case: Case, random: np.random.Generator) -> Drawn:
    worse = case.true(random, case.trials)
    shape, own = (case.trials, case.rows), np.sqrt(1 - case.correlation)
    common = np.sqrt(case.correlation) * random.normal(size=case.rows)
    mine = random.normal(size=shape)
    regression = case.metric == "rmse"
    target = random.normal(size=case.rows) if regression else random.integers(0, 2, case.rows)
    metric, true = scores.find(case.metric), truth(case.metric, worse)
    outputs = outputs_of(case.metric, common + own * mine, worse, target)
    found = _scored(metric, outputs, target)
    kept = np.arange(case.trials)
    if case.kept is not None:
        before = case.alike * mine + np.sqrt(1 - case.alike**2) * random.normal(size=shape)
        rung = _scored(
            metric, outputs_of(case.metric, common + own * before, worse, target), target
        )
        rank = np.argsort(-rung if metric.greater_is_better else rung)
        kept = np.r_[0, 1, rank[rank > 1][: case.kept]]
    losses = np.stack([_losses(metric, each, target) for each in outputs[kept]])
    everywhere = [np.arange(case.rows)]
    views = [[each] for each in outputs[kept]]
    contest = Contest(metric, target, losses, views, everywhere, 0, 1)
    return Drawn(contest, true[kept], float((found - true).mean()))


def _scored(metric: scores.Metric, outputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    return metric.function(torch.from_numpy(outputs), torch.from_numpy(target)).numpy()


def _losses(metric: scores.Metric, output: np.ndarray, target: np.ndarray) -> np.ndarray:
    return scores.row_losses(metric, torch.from_numpy(output), torch.from_numpy(target)).numpy()


def bootstrap(contest: Contest, random: np.random.Generator) -> float:
    """What to add to the winner's score: choose on a bootstrap sample, score what it leaves out."""
    counts = _samples(contest, random)
    return _left_out(contest, counts, contest.chosen(counts))


def both(contest: Contest, random: np.random.Generator) -> float:
    """The same; each sample holds some of the trials only, and always the first two."""
    counts, found = _samples(contest, random), []
    trials = len(contest.losses)
    for row in counts[:, None]:
        held = np.unique(np.r_[0, 1, random.integers(0, trials, trials)])
        at = choose_each(contest.losses[held], row, 0, 1)
        found.append(_left_out(contest, row, held[at]))
    return float(np.mean(found))


def efron(contest: Contest, random: np.random.Generator) -> float:
    """Score the trial that a bootstrap sample chooses on all rows and on the sample."""
    counts, rows = _samples(contest, random), np.arange(len(contest.target))
    found = []
    for trial, count in zip(contest.chosen(counts), counts.astype(int), strict=True):
        sample = np.repeat(rows, count)
        found.append(contest.score(int(trial), rows) - contest.score(int(trial), sample))
    return float(np.mean(found))


def _samples(contest: Contest, random: np.random.Generator) -> np.ndarray:
    n = len(contest.target)
    return random.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float64)


def _left_out(contest: Contest, counts: np.ndarray, chosen: np.ndarray) -> float:
    found, winner = [], contest.winner
    for trial, count in zip(chosen, counts, strict=True):
        out = np.flatnonzero(count == 0)
        same = trial == winner
        found.append(0.0 if same else contest.score(int(trial), out) - contest.score(winner, out))
    return float(np.nanmean(found))


OTHERS = {"bootstrap": bootstrap, "both": both, "efron": efron}


def measured(case: Case, place: int, studies: int) -> dict:
    """Errors [studies] of each estimate, positive where it is too good, and what was asked."""
    errors: dict[str, list[float]] = {name: [] for name in ("none", "folds", *OTHERS)}
    raw, held, seconds = [], [], []
    for number in range(studies):
        random = np.random.default_rng((number, place))
        drawn = study(case, random)
        contest = drawn.contest
        begin = time.perf_counter()
        found = optimism(contest, number)
        seconds.append(time.perf_counter() - begin)
        true = drawn.truth[contest.winner]
        sign = 1 if contest.metric.greater_is_better else -1
        values = {"none": found.validation, "folds": found.corrected}
        values |= {name: found.validation + of(contest, random) for name, of in OTHERS.items()}
        for name, value in values.items():
            errors[name].append(sign * (value - true - drawn.luck))
        raw.append((found.validation - true, found.corrected - true))
        held.append(found.interval[0] <= true <= found.interval[1])
    bias = float(np.mean(errors["none"]))
    deviation = np.std(raw, axis=0, ddof=1)
    return {
        "case": case.name,
        "metric": case.metric,
        "trials": case.trials,
        "rows": case.rows,
        "correlation": case.correlation,
        "studies": studies,
        "bias": [bias, _half_width(errors["none"])],
        "left": {
            name: [float(np.mean(each)) / abs(bias), _half_width(each) / abs(bias)]
            for name, each in errors.items()
            if name != "none"
        },
        "noise": float(deviation[1] / deviation[0]),
        "held": float(np.mean(held)),
        "seconds": float(np.mean(seconds)),
    }


def _half_width(errors: list[float]) -> float:
    return float(1.96 * np.std(errors, ddof=1) / np.sqrt(len(errors)))


def line(found: dict) -> str:
    """One row of the table."""
    cells = [
        f"{found['case']}, {found['metric']}",
        f"{found['trials']} x {found['rows']:,}",
        "{:.4f} ± {:.4f}".format(*found["bias"]),
        *(f"{share:+.0%} ± {width:.0%}" for share, width in found["left"].values()),
        f"{found['noise']:.2f}",
        f"{found['held']:.0%}",
        f"{1000 * found['seconds']:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    names = "case", "trials x rows", "bias", "folds", *OTHERS, "noise", "held", "ms"
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|", flush=True)
    rows = []
    for place, case in enumerate(CASES):
        rows.append(measured(case, place, given.studies))
        print(line(rows[-1]), flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
