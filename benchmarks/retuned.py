"""An ablation with one learning rate, and the same one with the rate tuned in every arm.

    python benchmarks/retuned.py [--seeds 10] [--rate 0.018]

The table is scikit-learn's diabetes. The winner has a Huber loss whose delta no residual reaches:
half the squared error. Under SGD that is the squared error at half the rate, and nothing else, so
the truth is known: the loss buys nothing that a smaller rate would not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from shrinkage.data.source import read
from shrinkage.engine import local
from shrinkage.engine.task import Problem
from shrinkage.evidence import ablate, arms
from shrinkage.evidence.rounds import Rounds
from shrinkage.evidence.studied import Studied
from shrinkage.losses.huber import Huber
from shrinkage.nets.mlp import Mlp
from shrinkage.optim.sgd import Sgd
from shrinkage.recipe import Recipe
from shrinkage.rows.minibatch import Minibatch
from shrinkage.search import cutting, rows
from shrinkage.search.budget import Clock
from shrinkage.search.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # pyright: ignore
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.018)
    asked = parser.parse_args()
    sizes = Minibatch(batch_size=16, epochs=5), Mlp(width=32, depth=1)
    plain = Recipe(*sizes, Sgd(lr=asked.rate)).for_task("regression")
    winner = plain.using(Huber(delta=100.0))
    cut = cutting.cut(read("diabetes"), Settings("diabetes", "target", cv="5"))
    shape = rows.shape_of(rows.prepare(cut, "standard")[1], 1)
    with tempfile.TemporaryDirectory() as place:
        problem = Problem(Path(place), len(cut.folds), shape, "regression", "rmse")
        study = Studied(Path(place), cut, problem, winner, plain, 0)
        clock, pool = Clock(time.monotonic(), 1e6), local.executor(0)
        found = ablate.left_out(study, lambda design: Rounds(design, pool, 1, clock), asked.seeds)
        tell("tuned in every arm", found)
        grid = arms.around(winner, plain)
        for name, recipe in ((ablate.WINNER, winner), ("without huber", plain)):
            found.read(arms.Arm(name, grid.arm(name, recipe).recipes[:1]), found.seeds)
        tell("one rate", found)


def tell(rates: str, found: ablate.Ablation) -> None:
    told = ablate.first_table(found, None)
    huber = told["ingredients"]["huber"]
    low, high = huber["interval"]
    print(
        f"{rates}: huber lowers RMSE by {huber['effect']:+.2f} ({low:+.2f} to {high:+.2f}), "
        f"{huber['verdict']}; RMSE {told['score']:.2f} with, {huber['score_without']:.2f} without; "
        f"rates with {told['rates']}, without {huber['rates']}"
    )


if __name__ == "__main__":
    main()
