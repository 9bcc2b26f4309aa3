"""What comes after the first screen: one function a section."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shrinkage.report import answer, charts, commands
from shrinkage.report.facts import Facts
from shrinkage.report.page import Block, Chart, Code, Commands, Notes, Page, Section, Table, Text
from shrinkage.report.suspects import ENOUGH
from shrinkage.report.words import (
    after_training,
    corrected_line,
    count,
    ends,
    ensemble_line,
    number,
    pretty,
    signed,
    unit,
)

TOP = 15
"""So many trials, columns or confusions are listed."""

CLASSES = 12
"""With more, the largest confusions are listed; a table of all would not be read."""


def page(facts: Facts) -> Page:
    """The whole report."""
    made = (
        _recipe(facts),
        _ingredients(facts),
        _search(facts),
        _probabilities(facts),
        _errors(facts),
        _data(facts),
        _networks(facts),
        _provenance(facts),
        Section("again", "Every number again", (Commands(commands.all_of(facts)), *_own(facts))),
    )
    return Page(
        answer.title(facts),
        answer.about(facts),
        answer.answer(facts),
        answer.first(facts),
        tuple(section for section in made if section is not None),
    )


def _recipe(facts: Facts) -> Section:
    result, blocks = facts.result, list[Block]()
    if together := result.get("ensemble"):
        shares = ", ".join(f"trial {t} {share:.0%}" for t, share in together["shares"].items())
        blocks.append(
            Text(
                f"{len(together['shares'])} recipes predict together ({shares}); the one that "
                f"leads stands below. {ensemble_line(together, unit(dict(result)))}"
            )
        )
    if facts.changed:
        rows = tuple((p, _value(a), _value(b)) for p, a, b in facts.changed)
        heads = ("setting", "default", "winner")
        blocks.append(Table("What it does differently", heads, rows, text=(0,)))
    else:
        blocks.append(Text("It is the default recipe, setting by setting."))
    if facts.inside is not None:
        kept = sorted({round(epoch) for epoch in facts.inside.stopped})
        span = str(kept[0]) if len(kept) == 1 else f"{kept[0]} to {kept[-1]}"
        blocks.append(
            Text(
                f"Trained for {count(facts.inside.epochs, 'epoch')}; the weights that were kept "
                f"are those of epoch {span}, a fold each."
            )
        )
    blocks.append(Code("The whole recipe", result["recipe"], folded=True))
    return Section("recipe", "Recipe", tuple(blocks))


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _ingredients(facts: Facts) -> Section:
    """Without an ablation, how to get one."""
    found, title = facts.ablation, "Ingredients"
    if found is None:
        text = "Which ingredients earn their place is measured by training without each of them:"
        command = f"shrinkage ablate {facts.folder}"
        return Section("ingredients", title, (Text(text), Commands((("Ablation", command),))))
    blocks: list[Block] = []
    placebo, metric = found["placebo"], pretty(found["metric"])
    if placebo["effect"] is not None:
        blocks.append(
            Text(
                f"Other seeds alone changed {metric} by {signed(placebo['effect'])} (95 % interval "
                f"{ends(*placebo['interval'], signed)}): that is what noise looks like here."
            )
        )
    alone = found.get("alone")
    if alone:
        blocks.append(_effects("Each alone on the plain network", alone["ingredients"]))
    if found.get("path"):
        blocks.append(_path(found["path"], metric))
    if found.get("pairs"):
        pairs = {" + ".join(each["pair"]): each for each in found["pairs"]}
        blocks.append(_effects("Two together, beyond the sum of both", pairs, verdict=False))
    if undecided := [
        f"{name} about {each['seeds_needed']}"
        for name, each in found["ingredients"].items()
        if each.get("seeds_needed")
    ]:
        blocks.append(Text(f"Seeds that a verdict would take: {', '.join(undecided)}."))
    blocks.append(
        Text(
            f"{found['seeds']} seeds, {found['folds']} folds, {found['networks']:,} networks in "
            f"{found['wall_s']:.0f} s; the learning rate is tuned again in every arm."
        )
    )
    return Section("ingredients", title, tuple(blocks))


def _effects(caption: str, told: Mapping[str, Mapping[str, Any]], verdict: bool = True) -> Table:
    known = [(name, each) for name, each in told.items() if each["effect"] is not None]
    known.sort(key=lambda item: -item[1]["effect"])
    rows = [
        (name, signed(each["effect"]), ends(*each["interval"], signed), each["verdict"])
        for name, each in known
    ]
    heads = ("ingredient", "effect", "95 % interval", "verdict")
    last = 4 if verdict else 3
    return Table(caption, heads[:last], tuple(row[:last] for row in rows), text=(0, 3))


def _path(path: list[Mapping[str, Any]], metric: str) -> Table:
    rows = tuple(
        (
            f"+ {step['ingredient']}",
            number(step["score"]),
            signed(step["gain"]),
            signed(step["over_plain"]),
            ends(*step["interval"], signed),
        )
        for step in path
    )
    heads = ("added", metric, "this step", "over the plain network", "95 % interval")
    return Table(
        "From the plain network to the winner; each step is the one that gained most, so single "
        "steps flatter",
        heads,
        rows,
    )


def _search(facts: Facts) -> Section:
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
            says += f" {count(outside, 'rung')} far from the rest are left out."
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


def _probabilities(facts: Facts) -> Section | None:
    found = facts.result.get("calibration")
    if not found:
        return None
    table = found["reliability_test"].get("class_1") or found["reliability_test"]["top_class"]
    two = "class_1" in found["reliability_test"]
    of = f"class {facts.classes[1][0]}" if two else "the most probable class"
    error = found["calibration_error_test"]
    log_loss = found["log_loss_test"]
    lines = [
        *after_training(dict(facts.result)),
        f"Test log loss {number(log_loss['after'])}; expected calibration error "
        f"{number(error['after'])}, where perfect probabilities of so few rows would show about "
        f"{number(error['by_chance'])}.",
    ]
    rows = tuple(
        (
            f"{each['count']:,}",
            f"{each['confidence']:.3f}",
            f"{each['rate']:.3f}",
            f"{each['low']:.3f} to {each['high']:.3f}",
        )
        for each in table
    )
    heads = ("rows", "said", "occurred", "95 % interval")
    numbers = Table(f"Probability of {of}, and how often it occurred", heads, rows, text=())
    chart = Chart(
        "reliability",
        "Do probabilities hold?",
        charts.reliability(table, of),
        f"Test rows in groups by the probability of {of}; bars are Wilson's 95 % intervals. On the "
        "dashed line, what is said to be probable occurs as often as said.",
        numbers,
    )
    return Section("probabilities", "Probabilities", (Notes(tuple(lines)), chart))


def _errors(facts: Facts) -> Section | None:
    errors = facts.errors
    if errors is None:
        return None
    if errors.confusion is None:
        return _residuals(facts)
    labels = [label for label, _, _ in facts.classes]
    counts = errors.confusion
    totals = counts.sum(1)
    wrong = int(counts.sum() - counts.trace())
    first = Text(f"{wrong:,} of {counts.sum():,} test rows are called another class than theirs.")
    if len(labels) <= CLASSES:
        rows = tuple(
            (label, *(f"{value:,}" for value in row), f"{_share(row[i], totals[i])}")
            for i, (label, row) in enumerate(zip(labels, counts, strict=True))
        )
        shades = tuple(tuple(float(v) / max(1, t) for v in row) for row, t in zip(counts, totals))
        heads = ("class", *(f"called {label}" for label in labels), "right")
        table = Table("Test rows by class (down) and by what they are called (across)", heads, rows)
        return Section("errors", "Errors", (first, _shaded(table, shades)))
    off = [
        (int(counts[i, j]), i, j)
        for i in range(len(labels))
        for j in range(len(labels))
        if i != j and counts[i, j]
    ]
    off.sort(reverse=True)
    rows = tuple(
        (labels[i], labels[j], f"{n:,}", _share(n, totals[i])) for n, i, j in off[:TOP]
    )
    heads = ("class", "called", "rows", "of its class")
    return Section("errors", "Errors", (first, Table("Most frequent", heads, rows, text=(0, 1))))


def _shaded(table: Table, shades: tuple[tuple[float, ...], ...]) -> Table:
    return Table(table.caption, table.heads, table.rows, shades=shades)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _residuals(facts: Facts) -> Section:
    import numpy as np

    errors = facts.errors
    assert errors is not None
    assert errors.predicted is not None
    assert errors.actual is not None
    size = np.abs(errors.actual - errors.predicted)
    rows = tuple(
        (f"{level:.0%}", number(float(np.quantile(size, level)))) for level in (0.5, 0.8, 0.95, 1.0)
    )
    numbers = Table("So large is the error at most", ("of test rows", "error"), rows)
    target = facts.schema.target
    shown = min(charts.SHOWN, len(size))
    chart = Chart(
        "residuals",
        "What is left of the target",
        charts.residuals(errors, target),
        f"{shown:,} test rows: what was predicted, and how far the true number lies above it.",
        numbers,
    )
    low, high = facts.target.min(), facts.target.max()
    said = (
        f"Half of the {len(size):,} test rows are predicted to within "
        f"{number(float(np.median(size)))}; training targets reach from {number(float(low))} to "
        f"{number(float(high))}."
    )
    return Section("errors", "Errors", (Text(said), chart))


def _data(facts: Facts) -> Section:
    result, schema = facts.result, facts.schema
    rows = result["rows"]
    blocks: list[Block] = [
        Text(
            f"{rows['training']:,} rows to learn from in {count(rows['folds'], 'fold')}, "
            f"{rows['test']:,} set aside; {len(schema.used)} of {len(schema.columns)} columns used."
        )
    ]
    if notes := (*result["notes"], *result["without_effect"]):
        blocks.append(Notes(tuple(notes)))
    blocks.append(Text(_suspicion(facts)))
    if facts.classes:
        total = sum(train for _, train, _ in facts.classes)
        listed = tuple(
            (label, f"{train:,}", f"{train / total:.1%}", f"{test:,}")
            for label, train, test in facts.classes[: 2 * TOP]
        )
        heads = ("class", "training rows", "share", "test rows")
        blocks.append(Table(f"Classes of {schema.target}", heads, listed))
    skills = dict(facts.alone.skills) if facts.alone else {}
    ordered = sorted(schema.columns, key=lambda column: -skills.get(column.name, -9.0))
    columns = tuple(
        (
            column.name,
            column.kind,
            f"{max(0.0, skills[column.name]):.2f}" if column.name in skills else "–",
            column.note,
        )
        for column in ordered[: 4 * TOP]
    )
    heads = ("column", "kind", "skill alone", "note")
    caption = "Columns, and what each predicts by itself: 0 nothing, 1 everything"
    if len(schema.columns) > 4 * TOP:
        caption += f"; the first {4 * TOP} of {len(schema.columns)}"
    blocks.append(Table(caption, heads, columns, text=(0, 1, 3), folded=True))
    return Section("data", "Data", tuple(blocks))


def _suspicion(facts: Facts) -> str:
    found = facts.alone
    if found is None:
        return "The rows are too few to look for columns that give the target away."
    looked = f"each of {found.columns} columns alone, on {found.rows:,} training rows"
    if found.suspects:
        listed = ", ".join(f"'{name}' ({value:.2f})" for name, value in found.suspects)
        return (
            f"Look at {listed}: by itself it predicts the target almost perfectly ({looked}, a "
            "small tree on one half of them judged on the other). Was it known at the time of the "
            "prediction, or is it the answer in another form?"
        )
    name, best = found.skills[0]
    return (
        f"No column gives the target away: {looked}, predicts by a small tree no more than "
        f"{max(0.0, best):.2f} of what a perfect one would ('{name}'; suspicious from {ENOUGH})."
    )


def _networks(facts: Facts) -> Section | None:
    inside = facts.inside
    if inside is None:
        return None
    lines = [f"{count(inside.networks, 'network')} on folds, {inside.weights:,} weights each."]
    if inside.dead is not None:
        units, dead = (sum(getattr(d, key) for d in inside.dead) for key in ("units", "dead"))
        by = ", ".join(f"layer {d.layer + 1}: {d.dead} of {d.units}" for d in inside.dead)
        lines.append(
            f"{dead:,} of {units:,} hidden units give 0 on every training row looked at ({by})."
        )
    rows = tuple(
        (layer.name, f"{layer.count:,}", f"{layer.size:.3g}", f"{layer.largest:.3g}")
        for layer in inside.layers
    )
    heads = ("layer", "weights", "root mean square", "largest")
    table = Table("Sizes of weights, over all networks on folds", heads, rows)
    return Section("networks", "Inside the networks", (Notes(tuple(lines)), table))


def _provenance(facts: Facts) -> Section:
    result, machine = facts.result, facts.machine
    began = facts.timeline.began
    memory = result.get("peak_memory_mb") or {}
    hardware = [f"{machine[key]}" for key in ("system", "processor") if machine.get(key)]
    if machine.get("cores"):
        hardware.append(count(machine["cores"], "core"))
    if machine.get("cuda"):
        hardware.append(str(machine["cuda"]))
    sessions = facts.timeline.sessions
    pairs = [
        ("data", str(facts.settings["source"])),
        ("begun", f"{began:%Y-%m-%d %H:%M}" if began else ""),
        ("sessions", str(sessions) if sessions > 1 else ""),
        ("seconds", f"{result['wall_s']:.1f} of {result['budget_s']:.0f}"),
        ("seed", str(result["seed"])),
        ("recipe hash", result["recipe_hash"]),
        ("machine", ", ".join(hardware)),
        ("device, precision", f"{result['device']}, {result['precision']}"),
        ("processes", str(max(1, result["workers"]))),
        ("peak memory", ", ".join(f"{k.replace('_', ' ')} {v:,.0f} MB" for k, v in memory.items())),
        ("versions", ", ".join(f"{name} {v}" for name, v in result["versions"].items())),
    ]
    rows = tuple((name, value) for name, value in pairs if value)
    return Section("provenance", "Provenance", (Table("", ("", ""), rows, text=(0, 1)),))


def _own(facts: Facts) -> list[Block]:
    """What the commands need besides: a recipe or a space of a person's own, or Python."""
    blocks: list[Block] = [
        Text(
            "The same seed gives the same rows, folds and recipes. A budget of seconds fits more or "
            "fewer trials on another machine: with --trials instead, the search is the same "
            "everywhere."
        )
    ]
    if commands.fit(facts.settings) is None:
        blocks.append(
            Text(
                "The study was asked for from Python, with a table or a function that no command "
                f"can name: shrinkage.fit({Path(facts.settings['source']).name}, "
                f"target={facts.settings['target']!r}, seed={facts.result['seed']})."
            )
        )
        return blocks
    if commands.own_recipe(facts.settings):
        blocks.append(Code("recipe.toml", facts.settings["recipe"], folded=True))
    if commands.space_name(facts.settings) is None:
        blocks.append(Code("space.toml", facts.settings["space"], folded=True))
    return blocks
