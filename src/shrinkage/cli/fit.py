"""`shrinkage fit`: from a table to a proven model."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from shrinkage.cli import options


def fit(
    data: Annotated[
        str, typer.Argument(help="CSV, TSV (.gz too), Parquet, Feather, NPZ, or a built-in name.")
    ],
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[str, typer.Option(help="auto, classification or regression.")] = "auto",
    metric: Annotated[
        str,
        typer.Option(
            help="accuracy, balanced_accuracy, f1, roc_auc, log_loss; rmse, mae, r2, pinball_0.9 "
            "or another quantile; auto: accuracy or rmse."
        ),
    ] = "auto",
    budget: options.Budget = "5m",
    out: Annotated[
        str | None, typer.Option(help="A new folder for the model. Default: shrinkage-run, -2 ...")
    ] = None,
    test: Annotated[str, typer.Option(help="Share of rows set aside, or a file.")] = "0.2",
    cv: Annotated[str, typer.Option(help="auto, holdout, K folds, or KxREPEATS.")] = "auto",
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Trial 0: plain, default, a TOML file or a run. Default: the space's base."
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="What to search: tabular, finetune, two_layers, or a TOML file. Default: tabular."
        ),
    ] = None,
    start_from: Annotated[
        str | None, typer.Option(help="A run or model whose layers networks start with.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of splits, weights and search.", min=0)] = 0,
    workers: options.Workers = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="Of matrix products in wide layers: auto, float32, bfloat16; tf32 on a GPU."
        ),
    ] = "auto",
    single: Annotated[
        bool, typer.Option("--single", help="Networks of one recipe only; no ensemble.")
    ] = False,
    trials: Annotated[
        int | None,
        typer.Option(
            help="At most so many trials; no training on all rows and no first look then.", min=2
        ),
    ] = None,
    search: Annotated[
        str,
        typer.Option(help="What proposes recipes: random, auto, or the extras gp and optuna."),
    ] = "auto",
    prior: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of earlier studies to learn from, or a server's URL; several times."
        ),
    ] = None,
    portfolio: Annotated[
        bool,
        typer.Option("--portfolio", help="First try what did well on other tables; no gain seen."),
    ] = False,
    first_look: Annotated[
        bool, typer.Option(help="End with a first look at what each ingredient bought.")
    ] = True,
    by: options.By = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this column although it looks like an identifier; may be repeated.",
            metavar="COLUMN",
        ),
    ] = None,
    together: Annotated[
        str | None,
        typer.Option(
            help="Rows with the same value of this column, such as a patient's, stay on one side "
            "of every split; networks do not read it unless kept.",
            metavar="COLUMN",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="Validate and test on the rows that are latest by this column: dates, or numbers "
            "that grow; networks do not read it unless kept.",
            metavar="COLUMN",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="PostgreSQL URL of a study on several machines; password: PGPASSWORD.",
            metavar="URL",
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(help="Name of the shared study, with --store; joined if it exists."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, with its cost; no more.")
    ] = False,
) -> None:
    """Find, train, score and save the recipe that generalizes on your table.

    Example: shrinkage fit customers.csv --target churned --budget 2m --out run
    """
    from shrinkage.cli import main
    from shrinkage.engine import local

    asked = {
        "task": task,
        "metric": metric,
        "budget": budget,
        "test": test,
        "cv": cv,
        "recipe": recipe,
        "space": space,
        "start_from": start_from,
        "seed": seed,
        "workers": workers,
        "device": device,
        "precision": precision,
        "single": single,
        "trials": trials,
        "search": search,
        "prior": prior or (),
        "portfolio": portfolio,
        "first_look": first_look,
        "by": by or (),
        "keep": keep or (),
        "together": together,
        "time": time,
        "started": main.STARTED,
    }
    # What follows imports torch and pandas for seconds; a first worker does so meanwhile.
    with nullcontext() if dry_run else local.warming(workers, others=True):
        from shrinkage import run as program
        from shrinkage.cli import live, terminal

        if dry_run:
            plan = program.plan(data, target, **asked)
            terminal.print_json(plan.to_json()) if as_json else terminal.print_plan(plan)
            return
        with live.shown(as_json) as watch:
            run = program.fit(data, target, out=out, store=store, study=study, watch=watch, **asked)
    if as_json:
        terminal.print_json(run.result)
    else:
        terminal.print_result(run.result, str(run.folder))
