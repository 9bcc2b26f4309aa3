"""How the search went: its trials, their scores over time, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence

from shrinkage.report import charts, mattered
from shrinkage.report.facts import Facts, Point
from shrinkage.report.page import Block, Chart, Section, Table, Text
from shrinkage.report.timeline import Timeline
from shrinkage.report.words import compared, corrected_line, epochs_line, pretty
from shrinkage.store.tables import Trial
from shrinkage.wording import count, number

TOP = 15
"""So many trials are listed."""


def section(facts: Facts) -> Section:
    result, metric = facts.result, pretty(facts.result["metric"])
    diverged = result["n_members_diverged"]
    said = (
        f"{count(result['n_trials'], 'trial')}, {result['n_trials_finished']} trained to the end"
        + (f"; {count(diverged, 'network')} diverged" if diverged else "")
        + "."
    )
    blocks: list[Block] = [Text(said)]
    if optimism := result.get("optimism"):
        who = "best recipe" if result.get("ensemble") else "winner"
        blocks.append(Text(corrected_line(optimism, metric, who)))
        if (said := epochs_line(optimism, metric)) is not None:
            blocks.append(Text(said))
    winner, greater = result["winner"]["trial"], bool(result["greater_is_better"])
    listed = trials(facts.trials, winner, greater)
    if facts.points:
        by = compared(result["metric"])
        blocks.append(over_time(facts.points, winner, by, greater, listed))
    else:
        blocks.append(listed)
    if facts.timeline.spans:
        blocks.append(where_time_went(facts.timeline, facts.trials))
    return Section("search", "Search", (*blocks, *mattered.blocks(facts)))


def over_time(
    points: Sequence[Point],
    winner: int,
    metric: str,
    greater_is_better: bool,
    numbers: Table | None,
    name: str = "winner",
) -> Chart:
    """metric: as people write it. winner, name: see `charts.search`."""
    axis = f"validation {metric}"
    figure, outside = charts.search(points, winner, axis, greater_is_better, name)
    says = f"Each mark is a trial at a rung, by its {metric} averaged over folds."
    if outside:
        says += f" Far outside the picture: {count(outside, 'rung')}."
    return Chart("search", "Search over time", figure, says, numbers)


def where_time_went(timeline: Timeline, every: Sequence[Trial]) -> Chart:
    """Which process did what when."""
    names = _span_names(timeline, every)
    figure = charts.work(timeline.spans, names)
    rows = tuple(
        (names[f"{s.kind} {s.name}"], f"{s.begin:.1f}", f"{s.end - s.begin:.1f}")
        for s in timeline.spans
    )
    heads = ("work", "begun at second", "seconds")
    numbers = Table("What was done when", heads, rows)
    says = (
        "Time without a bar is reading, compiling, choosing and writing, and training that the "
        "clock cut short."
    )
    return Chart("work", "Where the time went", figure, says, numbers)


def trials(every: Sequence[Trial], winner: int | None, greater_is_better: bool) -> Table:
    """The best of those that have a score, those that were trained to the end first."""
    scored = [trial for trial in every if trial.score is not None]
    scored.sort(key=lambda trial: (trial.status != "finished", -trial.share, -(trial.score or 0)))
    rows = tuple(
        (
            str(trial.number),
            trial.source,
            trial.status,
            f"{trial.share:.0%}",
            number(trial.in_unit(greater_is_better)),
            f"{trial.seconds:.1f}",
        )
        for trial in scored[:TOP]
    )
    strong = next((i for i, trial in enumerate(scored[:TOP]) if trial.number == winner), None)
    caption = (
        f"{'The first' if len(scored) > TOP else 'All'} {count(len(rows), 'trial')} with a score"
    )
    heads = ("trial", "source", "status", "trained", "score", "seconds")
    return Table(caption, heads, rows, text=(1, 2), strong=strong)


def _span_names(timeline: Timeline, every: Sequence[Trial]) -> dict[str, str]:
    """What a piece of work was, for people: by "kind name"."""
    found = {}
    cohorts: dict[int, list[int]] = {}
    for trial in every:
        cohorts.setdefault(trial.cohort, []).append(trial.number)
    for span in timeline.spans:
        name = span.name.replace("_", " ")
        if span.kind == "refit":
            name = f"{count(int(span.name), 'network')} on all rows"
        if span.kind == "cohort":
            cohort, rung = span.name.split(".")
            own = cohorts.get(int(cohort), [])
            span_ = f"{min(own)} to {max(own)}" if len(own) > 1 else f"{min(own, default='')}"
            name = f"trial{'s' if len(own) > 1 else ''} {span_}, rung {int(rung) + 1}"
        found[f"{span.kind} {span.name}"] = name
    return found
