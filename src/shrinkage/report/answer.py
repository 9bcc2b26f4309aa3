"""The first screen: the answer in three sentences, the scores, and what each ingredient bought."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from shrinkage import scores
from shrinkage.report import charts
from shrinkage.report.facts import Contender, Facts
from shrinkage.report.page import Block, Chart, Commands, Table, Text
from shrinkage.report.words import count, ends, number, pretty, signed, unit


def title(facts: Facts) -> str:
    return f"{facts.schema.target} from {Path(facts.settings['source']).name}"


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
    """Three sentences; a fourth in front where the study was interrupted."""
    said = [_how_good(facts), _against(facts), _why(facts)]
    if facts.result.get("interrupted"):
        said.insert(0, "This study was interrupted: what follows is the best so far.")
    return tuple(said)


def _how_good(facts: Facts) -> str:
    result, test = facts.result, facts.winner.test
    networks = result["winner"]["networks_on_folds"] + result["winner"]["networks_on_all_rows"]
    who = f"the winner, {count(networks, 'network')} of one recipe"
    if together := result.get("ensemble"):
        shares = len(together["shares"])
        who = f"the winner, {together['networks']} networks of {shares} recipes together"
    where = f"On {result['rows']['test']:,} test rows that had no say in its choice, {who}"
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
        parts.append(f"That is {_and(sure)}")
    if open_:
        parts.append(
            f"{'no sure difference' if sure else 'No difference is sure'} to {_and(open_)}"
        )
    if parts:
        return "; ".join(parts) + "."
    found = facts.result.get("against_plain")
    if not found or found["standard_error"] is None:
        return "There is nothing to compare it with on the same rows."
    gain, error = found["mean_loss_reduction"], 1.96 * found["standard_error"]
    side = "lower" if gain >= 0 else "higher"
    reach = sorted((abs(gain) - error, abs(gain) + error))
    return (
        f"Its {unit(dict(facts.result))} is {number(abs(gain))} {side} than the plain network's "
        f"(95 % interval {ends(*reach)})."
    )


_RIVALS = {
    "plain": "the plain network",
    "linear": "the linear model",
    "gradient_boosting": "gradient boosting",
}


def _rival(each: Contender) -> str:
    found = each.behind
    assert found is not None
    name = _RIVALS[each.name]
    if found.open:
        return f"{name} ({signed(found.value)}, 95 % interval {ends(found.low, found.high)})"
    side = "higher" if found.value > 0 else "lower"
    low, high = sorted((abs(found.low), abs(found.high)))
    return f"{number(abs(found.value))} {side} than {name} (95 % interval {ends(low, high)})"


def _why(facts: Facts) -> str:
    if facts.ablation is not None:
        return _bought(facts.ablation)
    # Epochs are cut to the budget: that is no choice of the search.
    own = [path for path, _, _ in facts.changed if path != "data.minibatch.epochs"]
    if not own:
        return "Its recipe is the default one: on these rows nothing that was tried beat it surely."
    settings = count(len(own), "setting")
    return (
        f"Its recipe differs from the default in {settings}; what each ingredient bought has not "
        "been measured yet."
    )


def _bought(ablation: Mapping[str, Any]) -> str:
    """The ingredients with a verdict, each with its interval."""
    told = ablation["ingredients"]
    named = {
        verdict: [
            f"{name} ({signed(each['effect'])}, 95 % interval {ends(*each['interval'], signed)})"
            for name, each in told.items()
            if each["verdict"] == verdict
        ]
        for verdict in ("helps", "hurts")
    }
    begin = f"Of its {count(len(told), 'ingredient')}"
    if not any(named.values()):
        return f"{begin}, none has an effect that is sure over {ablation['seeds']} seeds."
    parts = []
    if helping := named["helps"]:
        parts.append(f"{_and(helping)} {'helps' if len(helping) == 1 else 'help'}")
    if hurting := named["hurts"]:
        parts.append(f"{_and(hurting)} {'hurts' if len(hurting) == 1 else 'hurt'}")
    return f"{begin}, {'; '.join(parts)}."


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def first(facts: Facts) -> tuple[Block, ...]:
    """Scores and, where they were measured, effects."""
    blocks: list[Block] = []
    shown = [each for each in facts.contenders if each.ran]
    metric = pretty(facts.result["metric"])
    if shown:
        goal = "more" if facts.result["greater_is_better"] else "less"
        blocks.append(
            Chart(
                "scores",
                f"Test {metric} of each",
                charts.scores(shown, f"{escape(metric)} on test rows ({goal} is the goal)"),
                "The bar of each is the 95 % interval of its paired difference to the plain "
                "network, the dashed line: where it crosses the line, the difference may be chance.",
            )
        )
    if facts.ablation is not None:
        blocks.append(effects(facts.ablation))
    else:
        blocks.append(
            Commands((("What each ingredient bought", f"shrinkage ablate {facts.folder}"),))
        )
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
        if not each.ran or each.test is None:
            rows.append((each.label, *["–"] * 6, "not run"))
            continue
        known = each.test.low == each.test.low
        rows.append(
            (
                each.label,
                number(each.validation),
                number(each.test.value),
                ends(each.test.low, each.test.high) if known else "–",
                signed(each.gain.value) if each.gain else "–",
                ends(each.gain.low, each.gain.high, signed) if each.gain else "–",
                number(each.second),
                f"{each.seconds:.1f}",
            )
        )
    names = [each.name for each in facts.contenders]
    return Table(
        f"Scores: out of fold on {facts.result['rows']['training']:,} training rows, and on "
        f"{facts.result['rows']['test']:,} test rows",
        heads,
        tuple(rows),
        strong=names.index("winner"),
    )


def effects(ablation: Mapping[str, Any]) -> Chart:
    """The forest plot, with its numbers."""
    known = {n: each for n, each in ablation["ingredients"].items() if each["effect"] is not None}
    ranked = sorted(known.items(), key=lambda item: -item[1]["effect"])
    placebo = ablation["placebo"]
    metric = pretty(ablation["metric"])
    gain = f"gain in {metric}" if ablation["greater_is_better"] else f"{metric} lower by"
    told = [*ranked, ("placebo", {**placebo, "setting": "other seeds only"})]
    told += [
        item for item in ablation["ingredients"].items() if item[1]["effect"] is None
    ]
    rows = [
        (
            name,
            each.get("setting", ""),
            signed(each["effect"]) if each["effect"] is not None else "–",
            ends(*each["interval"], signed) if each["effect"] is not None else "–",
            each["verdict"] if name != "placebo" else "",
        )
        for name, each in told
    ]
    numbers = Table(
        f"Effects over {ablation['seeds']} seeds; each arm at its own learning rate",
        ("ingredient", "setting", gain, "95 % interval", "verdict"),
        tuple(rows),
        text=(0, 1, 4),
    )
    says = (
        "What the recipe would lose without each ingredient, with 95 % intervals. The band is the "
        "placebo: what other seeds alone do."
    )
    if ablation["margin"]:
        says += f" Differences within the dotted lines (±{ablation['margin']:.3g}) do not matter."
    figure = charts.forest(ranked, placebo, ablation["margin"], escape(gain))
    return Chart("effects", "What each ingredient bought", figure, says, numbers)
