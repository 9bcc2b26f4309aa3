"""`shrinkage show`: what a study found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from shrinkage.cli import options
from shrinkage.wording import command

if TYPE_CHECKING:
    from shrinkage.store.tables import Trial


def show(
    folder: options.Run,
    top: Annotated[int, typer.Option(help="How many trials, or settings, to list.", min=1)] = 15,
    importance: Annotated[
        bool, typer.Option("--importance", help="Which searched settings went with good scores.")
    ] = False,
    store: options.Store = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What was found: trials, winner, scores, time.

    Example: shrinkage show run
    Example: shrinkage show run --importance
    """
    from shrinkage import run, scores
    from shrinkage.cli import terminal
    from shrinkage.evidence import words
    from shrinkage.search.folder import Folder

    its = Folder(Path(folder))
    result = run.opened(folder).result if its.result.is_file() else None
    if importance:
        found = run.importance(folder, store=store)
        if as_json:
            terminal.print_json(found.to_json())
        else:
            bought = words.ablate_command(result, folder) if result else None
            terminal.print_importance(found, bought, top)
        return
    trials = run.trials_of(folder, store=store)
    metric, greater = run.metric_of(folder, store=store)
    if as_json:
        listed = [_plain(trial, greater) for trial in trials]
        terminal.print_json({"result": result, "trials": listed})
        return
    title = f"{scores.compared_name(metric)} (validation)"
    table = terminal.plain_table()
    for name in ("trial", "from", "status", "epochs", title, "seconds"):
        table.add_column(name, justify="left" if name in ("from", "status") else "right")
    ranked = sorted(trials, key=lambda t: (-t.share, -(t.score if t.score is not None else -1e99)))
    for trial in ranked[:top]:
        table.add_row(
            str(trial.number),
            trial.source,
            # A reason is text, whatever brackets it holds.
            Text(trial.status + (f": {trial.reason}" if trial.reason else "")),
            f"{trial.share:.0%}",
            terminal.number(trial.in_unit(greater)),
            f"{trial.seconds:.1f}",
            style="bold green" if result and trial.number == result["winner"]["trial"] else None,
        )
    terminal.console.print(table)
    if len(trials) > top:
        terminal.console.print(f"and {len(trials) - top} more; see --top", style="dim")
    if result is None:
        goes_on = its.held
        terminal.console.print(
            f"\nThis run goes on; follow it with: {command('watch', folder)}"
            if goes_on
            else f"\nThis run did not end; go on with: {command('resume', folder)}",
            markup=False,
            soft_wrap=True,
        )
    else:
        terminal.console.print()
        terminal.print_result(result, folder)


def _plain(trial: Trial, greater_is_better: bool) -> dict[str, Any]:
    """As JSON has it; scores are the metric's own."""
    rungs = [{**r._asdict(), "score": r.in_unit(greater_is_better)} for r in trial.rungs]
    score = trial.in_unit(greater_is_better)
    return {**vars(trial), "rungs": rungs, "score": score, "share": trial.share}
