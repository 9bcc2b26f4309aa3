"""An ablation in words: the rows of its table, and what a reader may conclude."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from shrinkage import scores, wording
from shrinkage.evidence import worth_words
from shrinkage.wording import command, count, effect, listed, signed

USUAL_MINUTES = 5
"""The budget of `shrinkage ablate` unless it is told another."""

FIRST_SHARE = 0.6
"""Of the budget, for what each ingredient bought where worth in rows is asked for, too: that comes
next, and the rest of the ablation gets what is left."""

SEEDS = 3
"""For so many a budget is named where no number of seeds is."""


def diverges(metric: str) -> str:
    """What a training without a score does: a person's own function may have no value either."""
    return "diverges or the metric is not defined" if metric.startswith(scores.OWN) else "diverges"


def nothing(result: Mapping[str, Any]) -> str:
    """Why there is nothing to say of a winner."""
    lost = f"{diverges(result['metric'])} with some seeds"
    return f"The winner's recipe {lost}: nothing can be compared with it."


def title(result: Mapping[str, Any]) -> str:
    """What an effect is: "gain in accuracy", or how much lower a loss is."""
    name = scores.pretty_name(result["metric"])
    return f"gain in {name}" if result["greater_is_better"] else f"{name} lower by"


def heads(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Of `table`. Where rates were not tuned there are no verdicts."""
    last = ("verdict",) if result["tuned"] else ()
    return "ingredient", "setting", title(result), "95 % interval", *last


def table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """(ingredient, setting, effect, interval, verdict) of each, the largest effect first.

    The placebo stands last.
    """
    ranked = sorted(result["ingredients"].items(), key=_place)
    rows = [(name, told["setting"], *_cells(told)) for name, told in ranked]
    rows.append(("placebo", "other seeds only", *_cells(result["placebo"])))
    return [row[: len(heads(result))] for row in rows]


def _place(item: tuple[str, dict[str, Any]]) -> float:
    """Without what training diverges comes first."""
    effect = item[1]["effect"]
    return -math.inf if effect is None else -effect


def _cells(told: Mapping[str, Any]) -> tuple[str, str, str]:
    """Effect, interval, verdict."""
    if told["effect"] is None:
        return "no score", "-", told["verdict"] or ""
    gain, interval = effect(told["effect"], told["interval"])
    return gain, interval, told["verdict"] or ""


def conclusions(result: Mapping[str, Any], folder: str) -> list[str]:
    """What may be concluded, and what is missing for more."""
    if result["score"] is None:
        return [nothing(result)]
    if not result["tuned"]:
        return [*filter(None, [passed_over(result)]), noise(result), at_one_rate(result, folder)]
    told = result["ingredients"]
    by: dict[str, list[str]] = {}
    for name, each in told.items():
        by.setdefault(each["verdict"], []).append(name)
    lines = [_found(by, len(told), result), noise(result)]
    if missing := passed_over(result):
        lines.append(f"{missing} All of them: {_command(result, folder)}")
    if undecided := {name: told[name]["seeds_needed"] for name in by.get("no evidence", [])}:
        lines.append(_needed(undecided, result, folder))
    if result["seeds"] < result["seeds_asked"]:
        lines.append(
            f"{result['seeds']} of {result['seeds_asked']} seeds fitted the budget of "
            f"{result['budget_s']:.0f} s; with more time the same command goes on from there."
        )
    lines += result["idle"]
    return lines


def passed_over(result: Mapping[str, Any]) -> str | None:
    """What a first look had no time for."""
    names = result.get("passed_over")
    return f"Not looked at, for want of time: {listed(names)}." if names else None


def at_one_rate(result: Mapping[str, Any], folder: str) -> str:
    """Why a first look may end without verdicts."""
    return (
        "This is a first look, at the winner's learning rate alone: without an ingredient another "
        f"rate may do as well. Verdicts: {_command(result, folder)}"
    )


def ablate_command(result: Mapping[str, Any], folder: str) -> str | None:
    """What measures what each ingredient bought; None where that cannot be done by a command."""
    own = str(result["metric"]).startswith(scores.OWN)
    if own or result.get("start_from") or result["winner"]["source"] == "plain":
        return None
    return _command(result, folder)


def _command(result: Mapping[str, Any], folder: str, seeds: int | None = None) -> str:
    """What was asked for, and a budget where it is known that the usual one would not do."""
    worth = result.get("worth") is not None
    seconds = (seeds or SEEDS) * result.get("seconds_a_seed", 0.0) / (FIRST_SHARE if worth else 1.0)
    minutes = math.ceil(seconds / 60)
    asked = [] if seeds is None else ["--seeds", str(seeds)]
    if (margin := result.get("margin_asked")) is not None:
        asked += ["--margin", f"{margin:g}"]
    asked += ["--data-worth"] if worth else []
    asked += ["--budget", f"{minutes}m"] if minutes > USUAL_MINUTES else []
    return command("ablate", folder, *asked)


def _found(by: dict[str, list[str]], total: int, result: Mapping[str, Any]) -> str:
    parts = []
    if "helps" in by:
        parts.append(f"{listed(by['helps'])} {_verb('help', by['helps'])}")
    if "hurts" in by:
        parts.append(f"{listed(by['hurts'])} {_verb('hurt', by['hurts'])}")
    if lost := by.get("diverged") or by.get("no score"):
        parts.append(f"without {listed(lost)} training {diverges(result['metric'])}")
    sure = "; ".join(parts) or "none has an effect that is sure"
    same = by.get("equivalent", [])
    tail = ""
    if same:
        makes = "makes" if len(same) == 1 else "make"
        margin = f"{result['margin']:.3g}" if result["margin"] else "anything"
        tail = f" {listed(same)} {makes} no difference beyond {margin}."
    return f"Of {count(total, 'ingredient')}: {sure}.{tail}"


def noise(result: Mapping[str, Any]) -> str:
    """What the placebo says, as gains are told: larger is better."""
    told = result["placebo"]
    if told["effect"] is None:
        lost = f"with other seeds the winner {diverges(result['metric'])}"
        return f"What noise alone looks like is not known: {lost}."
    value, interval = effect(told["effect"], told["interval"])
    return f"What noise alone looks like: other seeds, {value} (95 % interval {interval})."


def _needed(wanted: dict[str, int | None], result: Mapping[str, Any], folder: str) -> str:
    seeds = {name: most for name, most in wanted.items() if most is not None}
    rows = [name for name, most in wanted.items() if most is None]
    parts = []
    if seeds:
        each = ", ".join(f"{name} about {most}" for name, most in seeds.items())
        most = max(seeds.values())
        parts.append(
            f"If effects are as they seem, a verdict takes this many seeds: {each} "
            f"({_command(result, folder, most)})."
        )
    if rows:
        parts.append(f"For {listed(rows)} more seeds would not do; more rows might.")
    return " ".join(parts)


def markdown(result: Mapping[str, Any], folder: str) -> str:
    """The whole ablation as a page."""
    lines = ["# What each ingredient bought", ""]
    lines += [*wording.table(heads(result), table(result)), ""]
    lines += [f"- {line}" for line in conclusions(result, folder)]
    lines += worth_words.markdown(result)
    if result["alone"]:
        alone = result["alone"]["ingredients"]
        rows = [(name, *_cells(told)) for name, told in alone.items()]
        of_alone = (heads(result)[0], *heads(result)[2:])
        lines += [
            "",
            f"## Alone on the plain network{over(alone.values())}",
            "",
        ]
        lines += wording.table(of_alone, rows)
    if result["pairs"]:
        rows = [(" + ".join(told["pair"]), *_cells(told)[:2]) for told in result["pairs"]]
        of_pairs = ("pair", "beyond the sum of both", "95 % interval")
        lines += ["", f"## Together{over(result['pairs'])}", "", *wording.table(of_pairs, rows)]
    if result["path"]:
        rows = [
            (
                step["ingredient"],
                signed(step["gain"]),
                *effect(step["over_plain"], step["interval"]),
            )
            for step in result["path"]
        ]
        of_path = ("added", "gain", "over the plain network", "95 % interval")
        lines += ["", f"## {way(result)}", ""]
        lines += [*wording.table(of_path, rows), "", flattered(result)]
    lines += ["", provenance(result)]
    return "\n".join(lines) + "\n"


def over(told: Iterable[Mapping[str, Any]]) -> str:
    """Of how many seeds these are, which may be fewer than those of the first table."""
    seeds = sorted({each["seeds"] for each in told if each.get("seeds")})
    if not seeds:
        return ""
    few = "" if seeds[0] == seeds[-1] else f"{seeds[0]} to "
    return f", over {few}{count(seeds[-1], 'seed')}"


def way(result: Mapping[str, Any]) -> str:
    """What the path leads to: not every one comes to the winner."""
    to = (
        "to the winner" if result.get("path_whole", True) else "towards the winner, which it misses"
    )
    return f"From the plain network {to}{over(result['path'])}"


def flattered(result: Mapping[str, Any]) -> str:
    """What was chosen by the numbers of the path."""
    whole = result.get("path_whole", True)
    steps = "at every step but the last" if whole else "at every step"
    return (
        f"Each step is what gained most there, so single gains flatter, and {steps} what is over "
        "the plain network, too; their order may be chance where gains are smaller than the "
        "placebo's interval."
    )


def provenance(result: Mapping[str, Any]) -> str:
    """Numbers come with what they are of."""
    rates = "three learning rates" if result["tuned"] else "the winner's learning rate"
    wall = result["wall_s"]
    took = "" if result["first_look"] else f", earlier runs' included; this one took {wall:.0f} s"
    folds = count(result["folds"], "fold")
    return (
        f"{result['seeds']} seeds x {folds} of {result['rows']:,} training rows, {rates} in every "
        f"arm: {result['networks']:,} networks{took}; recipe {result['recipe_hash']}, seed "
        f"{result['seed']}, shrinkage {result['versions']['shrinkage']}."
    )


def _verb(verb: str, names: list[str]) -> str:
    return verb + "s" if len(names) == 1 else verb
