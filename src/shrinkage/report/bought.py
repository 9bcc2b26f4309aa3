"""What each ingredient bought, where `shrinkage ablate` has measured it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from shrinkage.evidence.words import (
    ablate_command,
    diverges,
    flattered,
    heads,
    noise,
    nothing,
    over,
    passed_over,
    provenance,
    title,
    way,
)
from shrinkage.report import charts
from shrinkage.report.facts import Facts
from shrinkage.report.page import Block, Chart, Commands, Section, Table, Text
from shrinkage.report.words import pretty
from shrinkage.wording import count, effect, listed, number, signed


def sentence(ablation: Mapping[str, Any], whose: str = "its") -> str:
    """The ingredients with a verdict, each with its interval. whose: the recipe's."""
    told = ablation["ingredients"]
    if ablation["score"] is None:
        return nothing(ablation)
    if not ablation["tuned"]:
        return _without_verdicts(ablation, whose)
    named = {
        verdict: [_said(name, each) for name, each in told.items() if each["verdict"] == verdict]
        for verdict in ("helps", "hurts")
    }
    begin = f"Of {_looked_at(ablation, whose)}"
    without = [name for name, each in told.items() if each["effect"] is None]
    if not any(named.values()) and not without:
        return f"{begin}, none has an effect that is sure over {ablation['seeds']} seeds."
    parts = []
    if helping := named["helps"]:
        parts.append(f"{listed(helping)} {'helps' if len(helping) == 1 else 'help'}")
    if hurting := named["hurts"]:
        parts.append(f"{listed(hurting)} {'hurts' if len(hurting) == 1 else 'hurt'}")
    if without:
        parts.append(f"without {listed(without)} training {diverges(ablation['metric'])}")
    return f"{begin}, {'; '.join(parts)}."


def _said(name: str, told: Mapping[str, Any]) -> str:
    value, interval = effect(told["effect"], told["interval"])
    return f"{name} ({value}, 95 % interval {interval})"


def _without_verdicts(ablation: Mapping[str, Any], whose: str) -> str:
    """Of a first look at one learning rate."""
    known = {n: each for n, each in ablation["ingredients"].items() if each["effect"] is not None}
    clear = [_said(n, each) for n, each in known.items() if math.prod(each["interval"]) > 0]
    which = listed(clear) if clear else "none"
    return (
        f"In a first look at {_looked_at(ablation, whose)}, over "
        f"{count(ablation['seeds'], 'seed')} and at one learning rate, the intervals of what was "
        f"bought leave out 0 for {which}; verdicts take an ablation."
    )


def _looked_at(ablation: Mapping[str, Any], whose: str) -> str:
    """The recipe's ingredients, or how many of them."""
    some, others = len(ablation["ingredients"]), len(ablation.get("passed_over", ()))
    part = f"{some} of " if others else ""
    return f"{part}{whose} {count(some + others, 'ingredient')}"


def effects(ablation: Mapping[str, Any]) -> Chart:
    """The forest plot, with its numbers."""
    known = {n: each for n, each in ablation["ingredients"].items() if each["effect"] is not None}
    ranked = sorted(known.items(), key=lambda item: -item[1]["effect"])
    placebo = ablation["placebo"]
    gain = title(ablation)
    told = [*ranked, ("placebo", {**placebo, "setting": "other seeds only"})]
    told += [item for item in ablation["ingredients"].items() if item[1]["effect"] is None]
    rows = [
        (
            name,
            each.get("setting", ""),
            *(
                effect(each["effect"], each["interval"])
                if each["effect"] is not None
                else ("–", "–")
            ),
            each["verdict"] or "" if name != "placebo" else "",
        )[: len(heads(ablation))]
        for name, each in told
    ]
    rate = "its own" if ablation["tuned"] else "the winner's"
    numbers = Table(
        f"Effects over {count(ablation['seeds'], 'seed')}; each arm at {rate} learning rate",
        heads(ablation),
        tuple(rows),
        text=(0, 1, 4),
    )
    says = (
        "What the recipe would lose without each ingredient, with 95 % intervals. The band is the "
        "placebo: what other seeds alone do."
    )
    if ablation["margin"]:
        says += f" Differences within the dotted lines (±{ablation['margin']:.3g}) do not matter."
    figure = charts.forest(ranked, placebo, ablation["margin"], gain)
    return Chart("effects", "What each ingredient bought", figure, says, numbers)


def section(facts: Facts) -> Section | None:
    """Without an ablation, how to get one, where there is a way."""
    found, heading = facts.ablation, "Ingredients"
    how = ablate_command(facts.result, facts.folder)
    command = Commands((("Ablation", how),) if how else ())
    if found is None and how is None:
        return None
    if found is None:
        text = "Which ingredients earn their place is measured by training without each of them:"
        return Section("ingredients", heading, (Text(text), command))
    blocks: list[Block] = [Text(said) for said in filter(None, [passed_over(found)])]
    if not found["tuned"]:
        text = (
            "What stands above is a first look, at the winner's learning rate alone: without an "
            "ingredient another rate may do as well. An ablation tunes the rate in every arm:"
        )
        blocks += [Text(text), command]
    elif blocks:
        blocks += [Text("An ablation looks at all:"), command]
    metric = pretty(found["metric"])
    blocks.append(Text(noise(found)))
    alone = found.get("alone")
    if alone:
        told = alone["ingredients"]
        blocks.append(_effects(f"Each alone on the plain network{over(told.values())}", told))
    if found.get("path"):
        blocks += [_path(found, metric), Text(flattered(found))]
    if found.get("pairs"):
        pairs = {" + ".join(each["pair"]): each for each in found["pairs"]}
        caption = f"Two together, beyond the sum of both{over(found['pairs'])}"
        blocks.append(_effects(caption, pairs, verdict=False))
    if undecided := [
        f"{name} about {each['seeds_needed']}"
        for name, each in found["ingredients"].items()
        if each.get("seeds_needed")
    ]:
        blocks.append(Text(f"Seeds that a verdict would take: {', '.join(undecided)}."))
    blocks.append(Text(provenance(found)))
    return Section("ingredients", heading, tuple(blocks))


def _effects(caption: str, told: Mapping[str, Mapping[str, Any]], verdict: bool = True) -> Table:
    known = [(name, each) for name, each in told.items() if each["effect"] is not None]
    known.sort(key=lambda item: -item[1]["effect"])
    rows = [
        (name, *effect(each["effect"], each["interval"]), each["verdict"]) for name, each in known
    ]
    columns = ("ingredient", "effect", "95 % interval", "verdict")
    last = 4 if verdict else 3
    return Table(caption, columns[:last], tuple(row[:last] for row in rows), text=(0, 3))


def _path(found: Mapping[str, Any], metric: str) -> Table:
    rows = tuple(
        (
            f"+ {step['ingredient']}",
            number(step["score"]),
            signed(step["gain"]),
            *effect(step["over_plain"], step["interval"]),
        )
        for step in found["path"]
    )
    columns = ("added", metric, "this step", "over the plain network", "95 % interval")
    return Table(way(found), columns, rows)
