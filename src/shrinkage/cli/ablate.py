"""`shrinkage ablate`: what each ingredient of the winner bought."""

from __future__ import annotations

from typing import Annotated

import typer

from shrinkage.cli import options


def ablate(
    folder: options.Run,
    seeds: Annotated[int, typer.Option(help="Trainings of every arm, at most.", min=2)] = 10,
    budget: options.Budget = "5m",
    margin: Annotated[
        float | None,
        typer.Option(
            help="A difference that does not matter; default: 0.005 of a score, 1 % of a loss.",
            min=0.0,
        ),
    ] = None,
    data_worth: Annotated[
        bool,
        typer.Option("--data-worth", help="Also how many times the rows the recipe is worth."),
    ] = False,
    workers: options.Workers = None,
    store: options.Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print ablation.json.")] = False,
) -> None:
    """Train the winner without each of its ingredients, and say what each one bought.

    Example: shrinkage ablate run --seeds 10 --budget 5m
    """
    from shrinkage.cli import main
    from shrinkage.engine import local

    with local.warming(workers):
        from shrinkage import run as program
        from shrinkage.cli import live, terminal

        asked = {"seeds": seeds, "budget": budget, "margin": margin, "workers": workers}
        asked |= {"data_worth": data_worth, "store": store, "started": main.STARTED}
        with live.shown(as_json) as watch:
            result = program.ablate(folder, **asked, watch=watch)
    if as_json:
        terminal.print_json(result)
    else:
        terminal.print_ablation(result, folder)
