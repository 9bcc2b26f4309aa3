"""Which settings mattered in the search: their shares, and the foremost in isolation."""

from __future__ import annotations

from shrinkage.evidence import mattered, words
from shrinkage.evidence.importance import Importance
from shrinkage.evidence.isolation import Isolation
from shrinkage.report import isolated
from shrinkage.report.facts import Facts
from shrinkage.report.page import Block, Chart, Table, Text
from shrinkage.report.words import compared
from shrinkage.wording import number


def blocks(facts: Facts) -> list[Block]:
    """Charts with their tables; where nothing can be said, that."""
    found = facts.importance
    if found is None:
        return []
    if found.reason:
        return [Text(f"{mattered.about(found)} {mattered.paired(_command(facts))}")]
    said: list[Block] = [_shares(found, facts)]
    said += [_isolation(each, facts, i) for i, each in enumerate(facts.isolations)]
    said.append(Text(f"{mattered.rest(found)} {mattered.caveat(_command(facts))}"))
    return said


def _command(facts: Facts) -> str | None:
    return words.ablate_command(facts.result, facts.folder)


def _shares(found: Importance, facts: Facts) -> Chart:
    shown = found.shares[: mattered.SHOWN]
    names = dict(zip((share.path for share in found.shares), mattered.rows(found), strict=True))
    rows = tuple((*names[share.path], _winners(facts, share.path)) for share in found.shares)
    heads = (*mattered.HEADS, "winner")
    numbers = Table("Every searched setting", heads, rows, text=(0, 4))
    says = (
        f"{mattered.about(found)} Bars are 95 % intervals over the choice of trials. "
        "Correlational: what the search happened to try, not what a setting buys."
    )
    return Chart("importance", "Which settings mattered", isolated.shares(shown), says, numbers)


def _winners(facts: Facts, path: str) -> str:
    value = facts.winning.get(path)
    return "–" if value is None else isolated.told(value)


def _isolation(found: Isolation, facts: Facts, place: int) -> Chart:
    sign = 1 if facts.result["greater_is_better"] else -1
    metric = compared(facts.result["metric"])
    winner = facts.result["winner"]["trial"]
    figure = isolated.isolation(found, sign, winner, f"validation {metric}")
    rows = []
    for i, value in enumerate(found.values):
        here = [each for each in found.seen if found.nearest(each.place) == i]
        observed = max((each.score for each in here), default=None)
        rows.append(
            (
                "off" if found.apart and i == 0 else isolated.told(value),
                number(sign * found.best[i]),
                number(sign * found.mean[i]),
                str(len(here)),
                "–" if observed is None else number(sign * observed),
            )
        )
    name = isolated.short(found.path)
    heads = (name, "best expected", "mean expected", "trials near it", "best of these")
    numbers = Table(f"{metric[0].upper()}{metric[1:]} by {name}", heads, tuple(rows), text=())
    says = (
        "Marks are trials, those stopped early lifted by what others gained from there on. Lines "
        "are what the forest expects: with the best found for all other settings, and on average "
        "over them."
    )
    return Chart(f"isolated{place}", f"{name.capitalize()} in isolation", figure, says, numbers)
