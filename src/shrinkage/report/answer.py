"""The first screen: the answer in three sentences, the scores, and what each ingredient bought."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from shrinkage import scores
from shrinkage.evidence import group_words, words
from shrinkage.evidence.interval import limits
from shrinkage.report import bought, charts
from shrinkage.report.facts import Facts, ScoreLine
from shrinkage.report.page import Block, Chart, Table
from shrinkage.report.words import (
    against_plain,
    copies_line,
    looks_line,
    not_run,
    pretty,
    test_rows,
    unit,
)
from shrinkage.wording import count, effect, ends, listed, number


def title(facts: Facts) -> str:
    return f"Predicting {facts.schema.target} from {Path(facts.settings['source']).name}"


def about(facts: Facts) -> str:
    """What was asked, in one line."""
    result = facts.result
    began = facts.timeline.began
    day = f" on {began:%Y-%m-%d}" if began else ""
    return (
        f"{result['task'].capitalize()} judged by {pretty(result['metric'])}, "
        f"{result['rows']['training']:,} rows to learn from and {result['rows']['test']:,} set "
        f"aside; {result['wall_s']:.0f} s{day}."
    )


def answer(facts: Facts) -> tuple[str, ...]:
    """Three sentences; one in front of an interrupted study, more where something asks for it."""
    said = [_how_good(facts), _against(facts), _why(facts)]
    said += filter(None, [copies_line(facts.result), looks_line(facts.result)])
    if facts.subgroups:
        said += group_words.alarms(facts.subgroups)
    if facts.result.get("interrupted"):
        said.insert(0, "This study was interrupted: what follows is the best so far.")
    return tuple(said)


def _how_good(facts: Facts) -> str:
    result, test = facts.result, facts.winner.test
    networks = result["winner"]["networks_on_folds"] + result["winner"]["networks_on_all_rows"]
    who = f"the winner, {count(networks, 'network')} of one recipe"
    if blend := result.get("ensemble"):
        shares = len(blend["shares"])
        who = f"the winner, {blend['networks']} networks of {shares} recipes together"
    where = f"On {test_rows(result)} that had no say in its choice, {who}"
    metric = pretty(result["metric"])
    if test is None:
        return f"{where}, has no {metric}: it is not defined there."
    return f"{where}, has {_a(metric)} of {number(test.value)}{_interval(test)}."


def _a(metric: str) -> str:
    # By the sound: an RMSE, an R², an F1, an AUC; a log loss.
    return f"{'an' if metric[0] in 'aeiouAEFMR' and metric != 'ROC AUC' else 'a'} {metric}"


def _interval(test: Any) -> str:
    known = test.low == test.low
    return f" (95 % interval {ends(test.low, test.high)})" if known else ""


def _against(facts: Facts) -> str:
    """The winner against each of the others, sure differences first."""
    rivals = [c for c in facts.contenders if c.behind and c.name in _RIVALS]
    sure = [_rival(each) for each in rivals if each.behind and not each.behind.open]
    open_ = [_rival(each) for each in rivals if each.behind and each.behind.open]
    parts = []
    if sure:
        parts.append(f"That is {listed(sure)}")
    if open_:
        parts.append(
            f"{'no sure difference' if sure else 'No difference is sure'} to {listed(open_)}"
        )
    if parts:
        return "; ".join(parts) + "."
    found = against_plain(facts.result)
    if found is None:
        return "There is nothing to compare it with on the same rows."
    side, gain, interval = found
    how = "the same as" if side == "the same" else f"{gain} {side} than"
    return f"Its {unit(facts.result)} is {how} the plain network's ({interval})."


_RIVALS = {
    "plain": "the plain network",
    "linear": "the linear model",
    "gradient_boosting": "gradient boosting",
}


def _rival(each: ScoreLine) -> str:
    found = each.behind
    assert found is not None
    name = _RIVALS[each.name]
    if found.open:
        value, interval = effect(found.value, (found.low, found.high))
        return f"{name} ({value}, 95 % interval {interval})"
    side = "higher" if found.value > 0 else "lower"
    low, high = sorted((abs(found.low), abs(found.high)))
    return f"{number(abs(found.value))} {side} than {name} (95 % interval {ends(low, high)})"


def _why(facts: Facts) -> str:
    blended = facts.result.get("ensemble") is not None
    if facts.ablation is not None:
        return bought.sentence(facts.ablation, "the leading recipe's" if blended else "its")
    base = "given" if facts.result.get("own_recipe") else "default"
    if facts.result["winner"]["source"] == "plain":
        if blended:
            return "The recipe that leads it is the plain network's."
        return (
            "It is the plain network itself: with noise taken into account, nothing that was tried "
            "came out above it."
        )
    if not facts.changed:
        if blended:
            return f"The recipe that leads it is the {base} one."
        return f"Its recipe is the {base} one: on these rows nothing that was tried beat it surely."
    settings = count(len(facts.changed), "setting")
    whose = "The recipe that leads it" if blended else "Its recipe"
    said = f"{whose} differs from the {base} one in {settings}"
    if words.ablate_command(facts.result, facts.folder) is None:
        return f"{said}."
    return f"{said}; what each ingredient bought has not been measured yet."


def first(facts: Facts) -> tuple[Block, ...]:
    """Scores and, where they were measured, effects."""
    blocks: list[Block] = []
    shown = [each for each in facts.contenders if each.test is not None]
    metric = pretty(facts.result["metric"])
    if shown:
        known = not facts.result["metric"].startswith(scores.OWN)
        highest = limits(scores.find(facts.result["metric"]))[1] if known else math.inf
        says = f"{'More' if facts.result['greater_is_better'] else 'Less'} is the goal."
        if any(each.gain for each in shown):
            says += (
                " Each bar is the 95 % interval of the paired difference to the plain network, the "
                "dashed line: where it crosses the line, the difference may be chance."
            )
        if any(each.gain is None and each.name != "plain" for each in shown):
            says += " Without a bar, the difference to the plain network is not known."
        figure = charts.scores(shown, f"test {metric}", highest)
        blocks.append(Chart("scores", f"Test {metric} of each", figure, says))
    if facts.ablation is not None:
        blocks.append(bought.effects(facts.ablation))
    return (*blocks, score_table(facts))


def score_table(facts: Facts) -> Table:
    metric, second = pretty(facts.result["metric"]), pretty(facts.second)
    heads = (
        "",
        f"validation {metric}",
        f"test {metric}",
        "95 % interval",
        "against plain",
        "95 % interval",
        f"test {second}",
        "seconds",
    )
    rows = []
    for each in facts.contenders:
        if not each.ran:
            rows.append((each.label, *["–"] * 6, not_run(facts.result, each.name)))
            continue
        test = each.test
        known = test is not None and test.low == test.low
        rows.append(
            (
                each.label,
                number(each.validation),
                number(test.value) if test else "–",
                ends(test.low, test.high) if test and known else "–",
                *(
                    effect(each.gain.value, (each.gain.low, each.gain.high))
                    if each.gain
                    else ("–", "–")
                ),
                number(each.second),
                f"{each.seconds:.1f}",
            )
        )
    names = [each.name for each in facts.contenders]
    return Table(
        f"Scores: out of fold on {facts.result['rows']['validation']:,} training rows, and on "
        f"{test_rows(facts.result)}",
        heads,
        tuple(rows),
        strong=names.index("winner"),
    )
