"""How the search went: its trials, their scores over time, and where the time went."""

from __future__ import annotations

from shrinkage.report import charts
from shrinkage.report.facts import Facts
from shrinkage.report.page import Block, Chart, Section, Table, Text
from shrinkage.report.words import corrected_line, pretty
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
    if result.get("optimism"):
        who = "best recipe" if result.get("ensemble") else "winner"
        blocks.append(Text(corrected_line(result["optimism"], metric, who)))
    trials = _trials(facts)
    if facts.points:
        winner, axis = result["winner"]["trial"], f"validation {metric}"
        figure, outside = charts.search(facts.points, winner, axis, result["greater_is_better"])
        says = f"Each mark is a trial at a rung, by its {metric} averaged over folds."
        if outside:
            says += f" Far outside the picture: {count(outside, 'rung')}."
        blocks.append(Chart("search", "Search over time", figure, says, trials))
    else:
        blocks.append(trials)
    if facts.timeline.spans:
        names = _span_names(facts)
        figure = charts.work(facts.timeline.spans, names)
        rows = tuple(
            (names[f"{s.kind} {s.name}"], f"{s.begin:.1f}", f"{s.end - s.begin:.1f}")
            for s in facts.timeline.spans
        )
        heads = ("work", "begun at second", "seconds")
        numbers = Table("What was done when", heads, rows)
        says = "Time without a bar is reading, compiling, choosing and writing."
        blocks.append(Chart("work", "Where the time went", figure, says, numbers))
    return Section("search", "Search", tuple(blocks))


def _trials(facts: Facts) -> Table:
    sign = 1 if facts.result["greater_is_better"] else -1
    scored = [trial for trial in facts.trials if trial.score is not None]
    scored.sort(key=lambda trial: (trial.status != "finished", -trial.share, -(trial.score or 0)))
    rows = tuple(
        (
            str(trial.number),
            trial.source,
            trial.status,
            f"{trial.share:.0%}",
            number(sign * (trial.score or 0)),
            f"{trial.seconds:.1f}",
        )
        for trial in scored[:TOP]
    )
    winner = facts.result["winner"]["trial"]
    strong = next((i for i, trial in enumerate(scored[:TOP]) if trial.number == winner), None)
    caption = f"{'The first' if len(scored) > TOP else 'All'} {len(rows)} trials with a score"
    heads = ("trial", "source", "status", "trained", "score", "seconds")
    return Table(caption, heads, rows, text=(1, 2), strong=strong)


def _span_names(facts: Facts) -> dict[str, str]:
    """What a piece of work was, for people: by "kind name"."""
    found = {}
    for span in facts.timeline.spans:
        name = span.name.replace("_", " ")
        if span.kind == "refit":
            name = f"{count(int(span.name), 'network')} on all rows"
        if span.kind == "cohort":
            cohort, rung = span.name.split(".")
            trials = [t.number for t in facts.trials if t.cohort == int(cohort)]
            span_ = f"{min(trials)} to {max(trials)}" if len(trials) > 1 else f"{min(trials)}"
            name = f"trial{'s' if len(trials) > 1 else ''} {span_}, rung {int(rung) + 1}"
        found[f"{span.kind} {span.name}"] = name
    return found
