"""`shrinkage resume`: go on with a study."""

from __future__ import annotations

from typing import Annotated

import typer

from shrinkage.cli import options


def resume(
    folder: options.Run,
    budget: Annotated[
        str | None, typer.Option(help="More time; default: what was left of the first budget.")
    ] = None,
    store: options.Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json.")] = False,
) -> None:
    """Go on with a run that was killed, or give a finished one more time.

    Example: shrinkage resume run --budget 5m
    """
    from shrinkage.cli import main
    from shrinkage.engine import local

    with local.warming(None):
        from shrinkage.cli import live, terminal
        from shrinkage.run import resume as run_resume

        with live.shown(as_json) as watch:
            run = run_resume(folder, budget, store=store, started=main.STARTED, watch=watch)
    if as_json:
        terminal.print_json(run.result)
    else:
        terminal.print_result(run.result, folder)
