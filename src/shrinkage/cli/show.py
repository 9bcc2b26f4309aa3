"""`shrinkage show`: what a study found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shrinkage.cli import options
from shrinkage.wording import command


def show(
    folder: options.Run,
    top: Annotated[int, typer.Option(help="How many trials to list.", min=1)] = 15,
    importance: Annotated[
        bool, typer.Option("--importance", help="Which searched settings went with good scores.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What was found: trials, winner, scores, time.

    Example: shrinkage show run
    Example: shrinkage show run --importance
    """
    from shrinkage import scores
    from shrinkage.cli import terminal
    from shrinkage.evidence import words
    from shrinkage.run import importance as measured
    from shrinkage.run import opened, trials_of
    from shrinkage.search.folder import Folder

    if importance:
        found = measured(folder)
        if as_json:
            terminal.print_json(found.to_json())
        else:
            done = (Path(folder) / "result.json").is_file()
            bought = words.ablate_command(opened(folder).result, folder) if done else None
            terminal.print_importance(found, bought, top)
        return
    trials = trials_of(folder)
    done = (Path(folder) / "result.json").is_file()
    result = opened(folder).result if done else None
    if as_json:
        listed = [{**vars(trial), "score": trial.score, "share": trial.share} for trial in trials]
        terminal.print_json({"result": result, "trials": listed})
        return
    metric = result["metric"] if result else None
    title = scores.compared_name(metric) if metric else "score"
    table = terminal.plain_table()
    for name in ("trial", "from", "status", "epochs", f"{title} (validation)", "seconds"):
        table.add_column(name, justify="left" if name in ("from", "status") else "right")
    ranked = sorted(trials, key=lambda t: (-t.share, -(t.score if t.score is not None else -1e99)))
    for trial in ranked[:top]:
        score = trial.score
        if score is not None and result:
            score = score if result["greater_is_better"] else -score
        table.add_row(
            str(trial.number),
            trial.source,
            trial.status + (f": {trial.reason}" if trial.reason else ""),
            f"{trial.share:.0%}",
            terminal.number(score),
            f"{trial.seconds:.1f}",
            style="bold green" if result and trial.number == result["winner"]["trial"] else None,
        )
    terminal.console.print(table)
    if len(trials) > top:
        terminal.console.print(f"and {len(trials) - top} more; see --top", style="dim")
    if result is None:
        goes_on = Folder(Path(folder)).held
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
