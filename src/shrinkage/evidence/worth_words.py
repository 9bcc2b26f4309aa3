"""What a recipe is worth in rows, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shrinkage import scores, wording
from shrinkage.wording import ends, listed, number, times


def sentences(result: Mapping[str, Any]) -> list[str]:
    """What may be said; one sentence that says why where nothing may. Empty if nobody asked."""
    told = result.get("worth")
    if told is None:
        return []
    if "missing" in told:
        return [f"What the recipe is worth in rows is not known: {told['missing']}"]
    return [whole(told), *_parts(told)]


def whole(told: Mapping[str, Any]) -> str:
    """What the recipe is worth."""
    (low, high), value = told["interval"], told["times"]
    rows, fewest = told["rows"][0], told["rows"][-1]
    span = f"95 % interval {interval(told)}"
    with_fewest = f"with {fewest:,}, the fewest that were tried"
    if low is not None and low > 1:
        if value is not None:
            return (
                f"The recipe is worth {times(value)} times the rows ({span}): with about "
                f"{rows / value:,.0f} it is as good as the plain network with {rows:,}."
            )
        return (
            f"The recipe is worth {size(told)} times the rows ({span}): {with_fewest}, "
            f"it does no worse than the plain network with {rows:,}."
        )
    if high is not None and high < 1:
        if value is not None:
            return (
                f"The recipe is worth fewer rows than there are, {times(value)} times ({span}): "
                f"with about {rows * value:,.0f} the plain network is as good as it with {rows:,}."
            )
        return (
            f"The recipe is worth {size(told)} times the rows ({span}): {with_fewest}, "
            f"the plain network does no worse than it with {rows:,}."
        )
    return f"No evidence that the recipe is worth more rows: {size(told)} times ({span})."


def size(told: Mapping[str, Any]) -> str:
    """How many times the rows, or beyond what was tried."""
    if told["times"] is not None:
        return times(told["times"])
    return _beyond(told, told["beyond"] == "most")


def interval(told: Mapping[str, Any]) -> str:
    """Its 95 % interval; ends that are open say so."""
    (low, high), (least, most) = told["interval"], told["seen"]
    if low is not None and low >= most:
        return _beyond(told, True)
    if high is not None and high <= least:
        return _beyond(told, False)
    begin = _beyond(told, False) if low is None else times(low)
    return f"{begin} to {_beyond(told, True) if high is None else times(high)}"


def _beyond(told: Mapping[str, Any], above: bool) -> str:
    least, most = told["seen"]
    return f"more than {most:g}" if above else f"less than {least:.3g}"


def _parts(told: Mapping[str, Any]) -> list[str]:
    """Of each ingredient that helps."""
    each = [
        f"{name} is worth {size(its)} times the rows (95 % interval {interval(its)})"
        for name, its in told["ingredients"].items()
    ]
    return [f"Beside the recipe without it, {listed(each)}."] if each else []


HEADS = ("rows", "plain network", "95 % interval", "winner", "95 % interval")


def rows(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Scores at each size, most rows first, under `HEADS`."""
    both = [told["curves"][name] for name in ("plain", "winner")]
    return [
        (
            f"{count:,}",
            *(
                cell
                for its in both
                for cell in (number(its["scores"][i]), ends(*its["intervals"][i]))
            ),
        )
        for i, count in enumerate(told["rows"])
    ]


def caption(result: Mapping[str, Any]) -> str:
    """What the table of `rows` holds."""
    metric = scores.pretty_name(result["metric"])
    return (
        f"{metric[0].upper()}{metric[1:]} by training rows, over {result['worth']['seeds']} seeds"
    )


def markdown(result: Mapping[str, Any]) -> list[str]:
    """The section of ablation.md."""
    told = result.get("worth")
    if told is None:
        return []
    lines = ["", "## Worth in rows", "", *(f"- {line}" for line in sentences(result))]
    if "missing" in told:
        return lines
    lines += ["", f"{caption(result)}:", "", *wording.table(HEADS, rows(told))]
    both = ("plain network", "plain"), ("winner", "winner")
    powers = [
        f"{name} {number(told['curves'][its]['limit'])}, {told['curves'][its]['power']:.2f}"
        for name, its in both
    ]
    return [*lines, "", f"Limit and power of the curves: {listed(powers)}."]
