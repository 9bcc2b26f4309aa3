"""How results look in a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shrinkage.evidence import mattered
from shrinkage.files import finite
from shrinkage.report.words import (
    after_training,
    against_line,
    beside,
    copies_line,
    corrected_line,
    ensemble_line,
    epochs_line,
    looks_line,
    names,
    not_run,
    pretty,
    unit,
)
from shrinkage.wording import command, count, listed, number

if TYPE_CHECKING:
    from shrinkage.evidence.importance import Importance
    from shrinkage.search.plan import Plan
    from shrinkage.search.result import Result

console = Console(highlight=False)

_NARROWEST_SETTING = 16
"""Of the column of settings, in characters; narrower, its lines would hide the others."""


def plain_table(*columns: str) -> Table:
    """A table without lines, columns two spaces apart."""
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in table.columns:
        column.no_wrap = True
    return table


def print_json(value: Any) -> None:
    print(json.dumps(finite(value), indent=2, default=str, allow_nan=False))


def score_table(result: Result) -> Table:
    """Plain, default, winner and baselines: validation, test, seconds."""
    metric = result["metric"]
    second = beside(result)
    table = plain_table()
    table.add_column("")
    for title in (
        f"{pretty(metric)}\nvalidation",
        "\ntest",
        f"{pretty(second)}\ntest",
        "\nseconds",
    ):
        table.add_column(title, justify="right")
    for name, label in names(result).items():
        row = result["scores"].get(name)
        style = "bold green" if name == "winner" else None
        if row is None and name == "single":
            continue
        if row is None:
            table.add_row(label, *["-"] * 3, not_run(result, name), style="dim")
            continue
        values = row["validation"][metric], row["test"][metric], row["test"][second]
        table.add_row(label, *map(number, values), f"{row['seconds']:.1f}", style=style)
    return table


def summary(result: Result, folder: str) -> list[str]:
    """What a person should take from the table, in a few lines."""
    winner = result["winner"]
    start = result.get("start_from")
    default = "the given recipe itself" if result.get("own_recipe") else "the default recipe itself"
    sources = {
        "default": "the earlier model's recipe" if start else default,
        "plain": "the plain network",
        "fresh": "the earlier model's recipe, from random weights",
    }
    what = sources.get(winner["source"], f"trial {winner['trial']}")
    members = count(winner["networks_on_folds"], "network") + " on folds"
    if winner["networks_on_all_rows"]:
        members += f" and {winner['networks_on_all_rows']} on all training rows"
    lines = [f"The winner is {what}: {members}."]
    if blend := result.get("ensemble"):
        lines = [
            f"The winner is an ensemble of {len(blend['shares'])} recipes, "
            f"{blend['networks']} networks. The best recipe alone is {what}: {members}.",
            ensemble_line(blend, unit(result)),
        ]
    if start:
        lines.append(
            f"Starting from {start} did not help: these networks had random weights."
            if winner["source"] in ("plain", "fresh")
            else f"Its networks started from {start}, with a new last layer."
        )
    if result.get("interrupted"):
        way_out = f"go on with: {command('resume', folder)}"
        lines.insert(0, f"Interrupted: the best so far is saved; {way_out}")
    if optimism := result.get("optimism"):
        who = "best recipe" if blend else "winner"
        metric = pretty(result["metric"])
        lines.append(corrected_line(optimism, metric, who))
        lines += filter(None, [epochs_line(optimism, metric)])
    lines += filter(None, [against_line(result), copies_line(result), looks_line(result)])
    lines += after_training(result)
    if groups := result.get("subgroups"):
        from shrinkage.evidence import group_words

        lines += group_words.sentences(groups)
    diverged = result["n_members_diverged"]
    lines.append(
        f"{result['n_trials']} trials, {result['n_trials_finished']} trained to the end"
        + (f", {count(diverged, 'network')} diverged" if diverged else "")
        + f"; {result['wall_s']:.1f} s of {result['budget_s']:.0f} s."
    )
    if shared := result.get("shared"):
        lines.append(
            f"Study '{shared['study']}' of {count(shared['clients'], 'machine')}: "
            f"{count(shared['n_trials_own'], 'trial')} trained by this one."
        )
    lines.append(f"Saved in {folder}; predict with: {command('predict', folder, 'DATA')}")
    return lines


def print_result(result: Result, folder: str) -> None:
    from shrinkage.evidence import ablation, words

    for note in (*result["notes"], *result["without_effect"]):
        console.print(f"  {note}", style="dim", markup=False)
    console.print()
    console.print(score_table(result))
    console.print()
    for line in summary(result, folder):
        console.print(line, markup=False, soft_wrap=True)  # commands are copied whole
    if (effects := ablation.of(Path(folder), result["recipe_hash"])) is not None:
        print_effects(effects, folder)
        console.print()
    elif (ablate := words.ablate_command(result, folder)) is not None:
        says = f"What each ingredient bought: {ablate}"
        console.print(says, markup=False, soft_wrap=True)
    if (page := Path(folder) / "report.html").is_file():
        console.print(f"The report: {page}", markup=False, soft_wrap=True)


def print_ablation(result: Mapping[str, Any], folder: str) -> None:
    """Verdicts, what may be concluded, and where the rest is."""
    print_effects(result, folder)
    more = {
        "alone": "each ingredient alone",
        "pairs": "pairs",
        "path": "the way from the plain network",
    }
    has = [words for name, words in more.items() if result.get(name)]
    tail = f" with {listed(has)}" if has else ""
    says = f"Saved in {folder}: ablation.json, and ablation.md{tail}."
    console.print(says, markup=False, soft_wrap=True)


def print_effects(result: Mapping[str, Any], folder: str) -> None:
    """What each ingredient bought, what may be concluded, and what these numbers are of."""
    from shrinkage.evidence import words, worth_words

    console.print()
    console.print(_effects(words.heads(result), words.table(result)))
    console.print()
    said = *words.conclusions(result, folder), *worth_words.sentences(result)
    for line in (*said, words.provenance(result)):
        console.print(line, markup=False, soft_wrap=True)


def _effects(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """No number is cut: where settings have no room beside them they stand below the names, and
    where that will not do either, the ends of an interval below each other.
    """
    colours = {"placebo": "dim", "helps": "bold green", "hurts": "bold red"}
    styles = [colours.get(row[0]) or colours.get(row[-1]) for row in rows]
    broken = [head.replace(" lower", "\nlower").replace("gain in ", "gain in\n") for head in heads]
    broken = [head.replace("balanced ", "balanced\n").replace("% i", "%\ni") for head in broken]
    ended = [(*row[:3], row[3].replace(" to ", " to\n"), *row[4:]) for row in rows]
    for cells, below in ((rows, False), (rows, True), (ended, True)):
        firsts = [row[0] for row in cells]
        others = [[row[i] for row in (broken, *cells)] for i in range(2, len(heads))]
        widths = [_width(["ingredient", *firsts]), *map(_width, others)]
        widths += [] if below else [_NARROWEST_SETTING]
        if sum(widths) + 2 * len(widths) <= console.width:
            break
    found = plain_table(*(("ingredient\nsetting",) if below else ("ingredient", "setting")))
    found.columns[0].min_width = widths[0]
    found.columns[-1].no_wrap = False
    for head, width in zip(broken[2:], widths[1:], strict=False):
        justify = "left" if head == "verdict" else "right"
        found.add_column(head, justify=justify, no_wrap=True, min_width=width)
    for (name, setting, *numbers), style in zip(cells, styles, strict=True):
        own = (f"{name}\n  {setting}".rstrip(),) if below else (name, setting)
        found.add_row(*map(Text, (*own, *numbers)), style=style)
    return found


def _width(cells: Sequence[str]) -> int:
    return max(len(line) for cell in cells for line in cell.splitlines() or [""])


def print_importance(found: Importance, ablate: str | None, most: int) -> None:
    """What `show --importance` says. ablate: a command, where one takes the winner apart."""
    if found.reason:
        lines = [mattered.about(found), mattered.paired(ablate)]
    else:
        table = plain_table()
        for name in mattered.HEADS:
            table.add_column(name, justify="left" if name == mattered.HEADS[0] else "right")
        for row in mattered.rows(found, most):
            table.add_row(*map(Text, row))
        console.print(table)
        console.print()
        lines = [mattered.about(found), mattered.rest(found), mattered.caveat(ablate)]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def print_plan(plan: Plan) -> None:
    """What `fit --dry-run` says."""
    workers = f"{plan.workers} processes" if plan.workers else "one process"
    cut = f", cut from {plan.asked} to fit the budget" if plan.epochs < plan.asked else ""
    rungs = ", ".join(map(str, plan.rungs))
    lines = [
        f"{plan.rows:,} training rows, {count(plan.folds, 'fold')}; {workers} on {plan.device}.",
        f"Each recipe: {plan.epochs} epochs{cut}, compared after {rungs}; {plan.weights:,} weights "
        f"a network, {plan.step_ms:.2f} ms a step of one.",
        f"Each cohort: {count(plan.recipes, 'recipe')}, {count(plan.members, 'network')}. "
        f"In all about {plan.recipes_tried} recipes, then {count(plan.refits, 'network')} on all "
        "rows.",
        "Seconds: " + ", ".join(f"{name} {value:g}" for name, value in plan.seconds.items()) + ".",
        f"Peak memory: about {plan.peak_mb:,.0f} MB in the largest process.",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
