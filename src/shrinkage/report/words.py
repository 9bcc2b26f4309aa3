"""What is said of a result in the same words everywhere: in a terminal, a report, a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shrinkage.wording import ends, listed, number

if TYPE_CHECKING:
    from shrinkage.search.result import Result

_NAMES = {
    "plain": "plain network",
    "default": "default recipe",
    "single": "best single recipe",
    "winner": "winner",
    "linear": "linear model",
    "gradient_boosting": "gradient boosting",
}


def names(told: Mapping[str, Any]) -> dict[str, str]:
    """Lines of the table of scores, by their keys, as people read them.

    told: a result, or a study's settings: "start_from" and "own_recipe" count.
    """
    if told.get("start_from"):
        more = {"plain": "plain network", "fresh": "same recipe, random weights"}
        return {**more, **_NAMES, "default": "fine-tuned"}
    return {**_NAMES, "default": "given recipe"} if told.get("own_recipe") else _NAMES


def not_run(result: Result, name: str) -> str:
    """Why a line of the table of scores is empty."""
    return "diverged" if name in result.get("diverged", ()) else "not run"


def pretty(metric: str) -> str:
    """A metric's name as people write it."""
    from shrinkage import scores  # and torch with it: only where a name is asked for

    return scores.pretty_name(metric)


def compared(metric: str) -> str:
    """The name of what trials and epochs are compared by: a log loss as calibration leaves it."""
    from shrinkage import scores

    return scores.compared_name(metric)


def beside(result: Result) -> str:
    """The metric that stands beside the study's own."""
    from shrinkage import scores

    return scores.beside(result["metric"], result["task"])


def amount(value: Any) -> str:
    """A number in a person's own unit: four digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def unit(result: Result) -> str:
    """What the row losses of the study's metric measure."""
    if result["metric"].startswith("pinball_"):
        return "quantile loss"
    return _GAIN.get(result["metric"], _STAND_IN[result["task"]])


def ensemble_line(blend: Mapping[str, Any], unit: str) -> str:
    from shrinkage.uncertainty import Z95

    gain, error = blend["mean_loss_reduction"], Z95 * (blend["standard_error"] or 0)
    low, high = blend.get("interval") or (gain - error, gain + error)  # older ones do not have it
    alone, all_ = (blend["seconds_per_1000_rows"][name] for name in ("single", "winner"))
    does = "raises" if gain < 0 else "lowers"
    reach = (-high, -low) if gain < 0 else (low, high)
    return (
        f"Out of fold it {does} the {unit} by {number(abs(gain), max(reach, key=abs))} (95 % "
        f"interval {ends(*reach)}){', and is taken for its log loss' if gain < 0 else ''}; "
        f"1,000 rows take {all_:.2f} s to predict, "
        f"alone {alone:.2f} s."
    )


def corrected_line(found: Mapping[str, Any], metric: str, who: str) -> str:
    """The winner's validation score, and what it is worth after having been chosen by it."""
    low, high = map(number, found["interval"])
    begin = f"Validation {metric} {number(found['validation'])}"
    interval = f"95 % interval {low} to {high}"
    if found["trials"] == 1:
        return f"{begin} ({interval}) is of the only trial: nothing was chosen by it."
    chosen = f"{begin} is the {who}'s of {found['trials']} trials"
    if found["optimism"] <= 0:
        return f"{chosen}; no sign that the choice flatters it ({interval})."
    corrected = number(found["corrected"])
    return f"{chosen}; corrected for that choice it is {corrected} ({interval})."


def against_plain(result: Result) -> tuple[str, str, str] | None:
    """("lower", "higher" or "the same", by how much, interval of that) than the plain network's.

    Of the mean loss over the test rows; None where it was not compared.
    """
    from shrinkage.uncertainty import Z95

    found = result.get("against_plain")
    if not found or found["standard_error"] is None:
        return None
    gain, error = found["mean_loss_reduction"], Z95 * found["standard_error"]
    low, high = found.get("interval") or (gain - error, gain + error)  # older ones do not have it
    if gain < 0:
        low, high = -high, -low
    side = "the same" if gain == 0 else "lower" if gain > 0 else "higher"
    return side, number(abs(gain), max(low, high, key=abs)), f"95 % interval {ends(low, high)}"


def against_line(result: Result) -> str | None:
    compared, found = result.get("against_plain"), against_plain(result)
    if compared is None or found is None:
        return None
    side, gain, interval = found
    rows = test_rows(result)
    by = "" if side == "the same" else f" by {gain}"
    return f"Against the plain network on {rows}: {unit(result)} {side}{by} ({interval})."


def test_rows(result: Result) -> str:
    """How many there are; where rows belong together, of how many patients, or what it is."""
    together = result.get("together")
    of = ""
    if together and together["test"] is not None:
        of = f" of {together['test']:,} different '{together['column']}'"
    if (time := result.get("time")) and time["test"]:
        of = f" (the latest by '{time['column']}')"
    return f"{result['rows']['test']:,} test rows{of}"


def copies_line(result: Result) -> str | None:
    """How many test rows repeat a training row, and the scores on those that do not."""
    found = result.get("copies")
    if not found:
        return None
    every = found["rows"] + found["others"]
    begin = (
        f"{found['rows']:,} of {every:,} test rows have the same cells as a training row: what is "
        "scored there may be memory."
    )
    known = {name: value for name, value in (found["scores"] or {}).items() if value is not None}
    if "winner" not in known:
        return f"{begin} Too few others are left to be scored apart."
    rivals = [f"{names(result)[n]} {number(known[n])}" for n in _COMPARED if n in known]
    metric = result["metric"]
    return (
        f"{begin} On the other {found['others']:,} the winner's {pretty(metric)} is "
        f"{number(known['winner'])}, on all {number(result['scores']['winner']['test'][metric])}"
        + (f"; on these others {listed(rivals)}." if rivals else ".")
    )


def looks_line(result: Result) -> str | None:
    """That test rows were scored before, at the end of a session that was gone on from."""
    if (looks := result.get("test_looks", 1)) < 2:
        return None
    return (
        f"The test rows have been scored {looks} times, at the end of each session: where a test "
        "score was the reason to go on, the last one flatters."
    )


_COMPARED = ("plain", "linear", "gradient_boosting")


def epochs_line(found: Mapping[str, Any], metric: str) -> str | None:
    """What the folds' epochs owe to having been chosen on the rows that judge them."""
    epochs = found.get("epochs")
    if not epochs or epochs["luck"] < 1e-12:
        return None
    low, high = epochs["interval"]
    return (
        f"Each network on a fold keeps the epoch that scores best on the very rows it is judged "
        f"by: that flatters its {metric} by up to {number(epochs['luck'], high)} (95 % interval "
        f"{ends(low, high)}), against the epoch that the other folds choose."
    )


def after_training(result: Result) -> list[str]:
    """What was done to the networks' probabilities, in one line, where anything was."""
    parts = []
    own = (result.get("ensemble") or {}).get("temperatures", [1.0])
    if min(own) < 1 or max(own) > 1:
        parts.append(
            f"probabilities of each recipe at a temperature of its own, {min(own):.3g} to "
            f"{max(own):.3g}, before they are averaged"
        )
    calibration, decision = result.get("calibration") or {}, result.get("decision") or {}
    if (heat := calibration.get("temperature", 1.0)) != 1:
        loss = calibration["log_loss_out_of_fold"]
        done, sure = ("softened", "surer") if heat > 1 else ("sharpened", "less sure")
        parts.append(
            f"{'their mean' if parts else 'probabilities'} {done} (temperature {heat:.3g}), as "
            f"{'it was' if parts else 'the networks were'} {sure} than right: on rows that a "
            f"network has not seen, {loss['temperature']:.3g} takes the log loss from "
            f"{number(loss['before'])} to {number(loss['after'])}"
        )
    if (cutoff := result.get("cutoff")) is not None:
        parts.append(f"class '{decision['class']}' from a probability of {cutoff:.3g} up")
    elif decision.get("priors"):
        parts.append("classes chosen by probability over share in training")
    if not parts:
        return []
    text = "; ".join(parts)
    return [text[0].upper() + text[1:] + "."]


_GAIN = {
    "accuracy": "error rate",
    "balanced_accuracy": "class-weighted error rate",
    "log_loss": "log loss",
    "roc_auc": "log loss",
    "rmse": "mean squared error",
    "r2": "mean squared error",
    "mae": "mean absolute error",
    "f1": "1 - F1",
}
_STAND_IN = {"classification": "log loss", "regression": "mean squared error"}
