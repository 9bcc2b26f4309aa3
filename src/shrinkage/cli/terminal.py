"""How results look in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from shrinkage.search.events import Progress, Watch, nobody

if TYPE_CHECKING:
    from shrinkage.search.plan import Plan

console = Console(highlight=False)


def plain_table(*columns: str) -> Table:
    """A table without lines, columns two spaces apart."""
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in table.columns:
        column.no_wrap = True
    return table


_NAMES = {
    "plain": "plain network",
    "default": "default recipe",
    "single": "best single recipe",
    "winner": "winner",
    "linear": "linear model",
    "gradient_boosting": "gradient boosting",
}
_NAMES_OF_START = {
    "plain": "plain network",
    "fresh": "same recipe, random weights",
    **_NAMES,
    "default": "fine-tuned",
}
_SECOND = {"accuracy": "log_loss", "rmse": "r2", "mae": "rmse", "r2": "rmse"}


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))


def pretty(metric: str) -> str:
    """A metric's name as people write it."""
    from shrinkage import scores

    own = metric.startswith(scores.OWN)
    return metric.removeprefix(scores.OWN) if own else scores.find(metric).pretty


def number(value: float | None) -> str:
    """Four digits that matter, without an exponent for everyday sizes."""
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def score_table(result: dict[str, Any]) -> Table:
    """Plain, default, winner and baselines: validation, test, seconds."""
    metric = result["metric"]
    second = _SECOND.get(metric, "accuracy" if result["task"] == "classification" else "rmse")
    table = plain_table()
    table.add_column("")
    for title in (
        f"{pretty(metric)}\nvalidation",
        "\ntest",
        f"{pretty(second)}\ntest",
        "\nseconds",
    ):
        table.add_column(title, justify="right")
    for name, label in (_NAMES_OF_START if result.get("start_from") else _NAMES).items():
        row = result["scores"].get(name)
        style = "bold green" if name == "winner" else None
        if row is None and name == "single":
            continue
        if row is None:
            table.add_row(label, *["-"] * 3, "not run", style="dim")
            continue
        values = row["validation"][metric], row["test"][metric], row["test"][second]
        table.add_row(label, *map(number, values), f"{row['seconds']:.1f}", style=style)
    return table


def summary(result: dict[str, Any], folder: str) -> list[str]:
    """What a person should take from the table, in a few lines."""
    winner = result["winner"]
    start = result.get("start_from")
    sources = {
        "default": "the earlier model's recipe" if start else "the default recipe itself",
        "plain": "the plain network",
        "fresh": "the earlier model's recipe, from random weights",
    }
    what = sources.get(winner["source"], f"trial {winner['trial']}")
    members = _count(winner["networks_on_folds"], "network") + " on folds"
    if winner["networks_on_all_rows"]:
        members += f" and {winner['networks_on_all_rows']} on all training rows"
    lines = [f"The winner is {what}: {members}."]
    if together := result.get("ensemble"):
        lines = [
            f"The winner is an ensemble of {len(together['shares'])} recipes, "
            f"{together['networks']} networks. The best recipe alone is {what}: {members}.",
            _ensemble_line(together, _unit(result)),
        ]
    if start:
        lines.append(
            f"Starting from {start} did not help: these networks had random weights."
            if winner["source"] in ("plain", "fresh")
            else f"Its networks started from {start}, with a new last layer."
        )
    if result.get("interrupted"):
        lines.insert(
            0, f"Interrupted: the best so far is saved; go on with: shrinkage resume {folder}"
        )
    if result.get("optimism"):
        who = "best recipe" if together else "winner"
        lines.append(_corrected(result["optimism"], pretty(result["metric"]), who))
    against = result.get("against_plain")
    if against and against["standard_error"] is not None:
        gain, error = against["mean_loss_reduction"], 1.96 * against["standard_error"]
        lines.append(
            f"Against the plain network on {against['rows']:,} test rows: {_unit(result)} lower by "
            f"{gain:.4g} (95 % interval {gain - error:.4g} to {gain + error:.4g})."
        )
    lines += _after_training(result)
    diverged = result["n_members_diverged"]
    lines.append(
        f"{result['n_trials']} trials, {result['n_trials_finished']} trained to the end"
        + (f", {_count(diverged, 'network')} diverged" if diverged else "")
        + f"; {result['wall_s']:.1f} s of {result['budget_s']:.0f} s."
    )
    if shared := result.get("shared"):
        lines.append(
            f"Study '{shared['study']}' of {_count(shared['clients'], 'machine')}: "
            f"{_count(shared['n_trials_own'], 'trial')} trained by this one."
        )
    lines.append(f"Saved in {folder}; predict with: shrinkage predict {folder} DATA")
    return lines


def _unit(result: dict[str, Any]) -> str:
    """What the row losses of the study's metric measure."""
    if result["metric"].startswith("pinball_"):
        return "quantile loss"
    return _GAIN.get(result["metric"], _STAND_IN[result["task"]])


def _ensemble_line(together: dict[str, Any], unit: str) -> str:
    gain, error = together["mean_loss_reduction"], 1.96 * (together["standard_error"] or 0)
    alone, all_ = (together["seconds_per_1000_rows"][name] for name in ("single", "winner"))
    return (
        f"Out of fold it lowers the {unit} by {gain:.4g} (95 % interval "
        f"{gain - error:.4g} to {gain + error:.4g}); 1,000 rows take {all_:.2f} s to predict, "
        f"alone {alone:.2f} s."
    )


def _corrected(found: dict[str, Any], metric: str, who: str) -> str:
    """The winner's validation score, and what it is worth after having been chosen by it."""
    low, high = map(number, found["interval"])
    begin = f"Validation {metric} {number(found['validation'])}"
    interval = f"95 % interval {low} to {high}"
    if found["trials"] == 1:
        return f"{begin} ({interval}) is of the only trial: nothing was chosen by it."
    chosen = f"{begin} is the {who}'s of {found['trials']} trials"
    if found["optimism"] <= 0:
        return f"{chosen}; no sign that the choice flatters it ({interval})."
    corrected = number(found["corrected"])
    return f"{chosen}; corrected for that choice it is {corrected} ({interval})."


def _after_training(result: dict[str, Any]) -> list[str]:
    """What was done to the networks' probabilities, in one line, where anything was."""
    parts = []
    heat = (result.get("calibration") or {}).get("temperature", 1.0)
    if heat != 1:
        loss = result["calibration"]["log_loss_out_of_fold"]
        parts.append(
            f"probabilities at temperature {heat:.3g}, as the networks were too "
            f"{'sure' if heat > 1 else 'unsure'} (out of fold {loss['temperature']:.3g} "
            f"took the log loss from {number(loss['before'])} to {number(loss['after'])})"
        )
    if result.get("cutoff") is not None:
        label = result["decision"]["class"]
        parts.append(f"class '{label}' from a probability of {result['cutoff']:.3g} up")
    elif (result.get("decision") or {}).get("priors"):
        parts.append("classes chosen by probability over share in training")
    if not parts:
        return []
    text = "; ".join(parts)
    return [text[0].upper() + text[1:] + "."]


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


_GAIN = {
    "accuracy": "error rate",
    "balanced_accuracy": "class-weighted error rate",
    "log_loss": "log loss",
    "roc_auc": "log loss",
    "rmse": "mean squared error",
    "r2": "mean squared error",
    "mae": "mean absolute error",
    "f1": "1 - F1",
}
_STAND_IN = {"classification": "log loss", "regression": "mean squared error"}


def print_result(result: dict[str, Any], folder: str) -> None:
    for note in (*result["notes"], *result["without_effect"]):
        console.print(f"  {note}", style="dim", markup=False)
    console.print()
    console.print(score_table(result))
    console.print()
    for line in summary(result, folder):
        console.print(line, markup=False, soft_wrap=True)  # commands are copied whole


def print_ablation(result: dict[str, Any], folder: str) -> None:
    """Verdicts, what may be concluded, and where the rest is."""
    from shrinkage.evidence import words

    style = {"helps": "bold green", "hurts": "bold red"}
    found = plain_table("ingredient", "setting")
    found.columns[1].no_wrap, found.columns[1].overflow = False, "fold"
    found.add_column(words.title(result).replace(" in ", "\nin "), justify="right", no_wrap=True)
    found.add_column("95 % interval", justify="right", no_wrap=True)
    found.add_column("verdict", no_wrap=True)
    for row in words.table(result):
        found.add_row(*map(Text, row), style="dim" if row[0] == "placebo" else style.get(row[-1]))
    console.print()
    console.print(found)
    console.print()
    for line in (*words.conclusions(result, folder), words.provenance(result)):
        console.print(line, markup=False, soft_wrap=True)
    console.print(
        f"Saved in {folder}: ablation.json, and ablation.md with each ingredient alone, pairs and "
        "the way from the plain network.",
        markup=False,
        soft_wrap=True,
    )


def print_plan(plan: Plan) -> None:
    """What `fit --dry-run` says."""
    workers = f"{plan.workers} processes" if plan.workers else "one process"
    cut = f", cut from {plan.asked} to fit the budget" if plan.epochs < plan.asked else ""
    rungs = ", ".join(map(str, plan.rungs))
    lines = [
        f"{plan.rows:,} training rows, {_count(plan.folds, 'fold')}; {workers} on {plan.device}.",
        f"Each recipe: {plan.epochs} epochs{cut}, compared after {rungs}; {plan.weights:,} weights "
        f"a network, {plan.step_ms:.2f} ms a step of one.",
        f"Each cohort: {_count(plan.recipes, 'recipe')}, {_count(plan.members, 'network')}. "
        f"In all about {plan.recipes_tried} recipes, then {_count(plan.refits, 'network')} on all "
        "rows.",
        "Seconds: " + ", ".join(f"{name} {value:g}" for name, value in plan.seconds.items()) + ".",
        f"Peak memory: about {plan.peak_mb:,.0f} MB in the largest process.",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


@contextmanager
def live(quiet: bool) -> Iterator[Watch]:
    """A watch that draws one line that changes; silent where nobody looks."""
    if quiet or not console.is_terminal:
        yield nobody
        return
    columns = (
        TextColumn("{task.fields[phase]:<11}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[text]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        line = bar.add_task("", total=1.0, phase="starting", text="")

        def watch(progress: Progress) -> None:
            used = 1 - progress.left_s / progress.budget_s if progress.budget_s else 0
            bar.update(line, completed=used, phase=progress.phase, text=_line(progress))

        yield watch


def _line(progress: Progress) -> str:
    parts = [f"{_clock(progress.left_s)} left"]
    if progress.tried:
        parts.append(f"{progress.tried} trials")
    if progress.tried or progress.alive:
        parts.append(f"{progress.alive} networks in training")
    if progress.best is not None:
        parts.append(f"best {pretty(progress.metric)} {number(progress.best)}")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
