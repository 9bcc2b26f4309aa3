"""A report put together: its first screen, and the sections below it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shrinkage.report import (
    answer,
    bought,
    commands,
    curves,
    groups,
    judged,
    noticed,
    rows,
    searched,
)
from shrinkage.report.facts import Facts
from shrinkage.report.health import apart
from shrinkage.report.page import Block, Code, Commands, Notes, Page, Section, Table, Text
from shrinkage.report.words import ensemble_line, unit
from shrinkage.search.settings import is_own_recipe
from shrinkage.wording import count


def page(facts: Facts) -> Page:
    """The whole report."""
    made = (
        _recipe(facts),
        bought.section(facts),
        rows.section(facts),
        searched.section(facts),
        judged.probabilities(facts),
        judged.errors(facts),
        groups.section(facts),
        noticed.section(facts),
        curves.section(facts),
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
    result = facts.result
    blocks: list[Block] = []
    if blend := result.get("ensemble"):
        shares = ", ".join(f"trial {t} {share:.0%}" for t, share in blend["shares"].items())
        blocks.append(
            Text(
                f"{len(blend['shares'])} recipes predict together ({shares}); the one that "
                f"leads stands below. {ensemble_line(blend, unit(result))}"
            )
        )
    base = "given" if result.get("own_recipe") else "default"
    if facts.changed:
        rows = tuple((p, _value(a), _value(b)) for p, a, b in facts.changed)
        heads = ("setting", base, "winner")
        blocks.append(Table("What it does differently", heads, rows, text=(0,)))
    else:
        blocks.append(Text(f"It is the {base} recipe, setting by setting."))
    if facts.inside is not None:
        kept = sorted({round(epoch) for epoch in facts.inside.stopped})
        span = str(kept[0]) if len(kept) == 1 else f"{kept[0]} to {kept[-1]}"
        cut = f", cut to {facts.epochs_share:.0%} by the budget" if facts.epochs_share < 1 else ""
        blocks.append(
            Text(
                f"Trained for {count(facts.inside.epochs, 'epoch')}{cut}; the weights kept are "
                f"those after epoch {span}{'' if len(kept) == 1 else ', by fold'}."
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


def _networks(facts: Facts) -> Section | None:
    inside = facts.inside
    if inside is None:
        return None
    lines = [f"{count(inside.networks, 'network')} on folds, {inside.weights:,} weights each."]
    if inside.dead:
        units, dead = (sum(getattr(d, key) for d in inside.dead) for key in ("units", "dead"))
        by = ", ".join(f"layer {d.layer + 1}: {d.dead} of {d.units}" for d in inside.dead)
        lines.append(
            f"{dead:,} of {units:,} hidden units give 0 on every training row looked at ({by})."
        )
    if (far := apart(inside.layers)) is not None:
        least, most = far
        lines.append(
            f"Gradients on training rows are {most.gradient / least.gradient:,.0f} times as large "
            f"in {most.name} as in {least.name}. Under plain SGD the one would learn while the "
            "other hardly moves (a norm, another initialization or fewer layers change that); "
            "Adam's steps do not grow with gradients."
        )
    rows = tuple(
        (
            layer.name,
            f"{layer.count:,}",
            f"{layer.size:.3g}",
            f"{layer.largest:.3g}",
            f"{layer.gradient:.2g}",
        )
        for layer in inside.layers
    )
    heads = ("layer", "weights", "root mean square", "largest", "gradient")
    caption = (
        "Sizes of weights, over all networks on folds; gradients of the training loss by them "
        "at the weights kept, as root mean squares"
    )
    table = Table(caption, heads, rows)
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
    device = result.get("device", "cpu"), result.get("precision", "float32")
    pairs = [
        ("data", str(facts.settings["source"])),
        ("begun", f"{began:%Y-%m-%d %H:%M}" if began else ""),
        ("sessions", str(sessions) if sessions > 1 else ""),
        ("seconds", f"{result['wall_s']:.1f} of {result['budget_s']:.0f}"),
        ("machines", _machines(result.get("shared"))),
        ("seed", str(result["seed"])),
        ("recipe hash", result["recipe_hash"]),
        ("machine", ", ".join(hardware)),
        ("device, precision", ", ".join(device)),
        ("processes", str(max(1, result["workers"]))),
        ("peak memory", ", ".join(f"{k.replace('_', ' ')} {v:,.0f} MB" for k, v in memory.items())),
        ("versions", ", ".join(f"{name} {v}" for name, v in result["versions"].items())),
    ]
    rows = tuple((name, value) for name, value in pairs if value)
    return Section("provenance", "Provenance", (Table("", ("", ""), rows, text=(0, 1)),))


def _machines(shared: Mapping[str, Any] | None) -> str:
    """Who worked on a study on a server; its times are those of this machine."""
    if not shared:
        return ""
    return (
        f"{shared['clients']} on study '{shared['study']}' of {shared['store']}; this one "
        f"({shared['client']}) began {count(shared['n_trials_own'], 'trial')}"
    )


def _own(facts: Facts) -> list[Block]:
    """What the commands need besides: a recipe or a space of a person's own, or Python."""
    blocks: list[Block] = [
        Text(
            "The same seed gives the same rows and folds. A budget of seconds fits more or fewer "
            "trials on another machine: the same search comes of --trials N --workers 0 "
            "--precision float32 and a budget so long that no epochs are cut and little of it is "
            "used."
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
    if is_own_recipe(facts.settings.get("recipe", "")):
        blocks.append(Code("recipe.toml", facts.settings["recipe"], folded=True))
    if commands.space_name(facts.settings) is None:
        blocks.append(Code("space.toml", facts.settings["space"], folded=True))
    return blocks
