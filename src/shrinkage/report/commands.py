"""The commands that bring a report's numbers back, ready to copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shrinkage.data import builtin
from shrinkage.evidence import words
from shrinkage.presets import named
from shrinkage.report.facts import Facts
from shrinkage.scores import OWN
from shrinkage.search.settings import is_own_recipe
from shrinkage.wording import command

OPTIONS = {
    "task": "auto",
    "metric": "auto",
    "test": 0.2,
    "cv": "auto",
    "seed": 0,
    "device": "auto",
    "trials": None,
    "start_from": "",
    "search": "auto",
    "precision": "auto",
    "together": "",
    "time": "",
}
"""Settings that are options of `fit`, with the values at which they are left out."""


def fit(settings: Mapping[str, Any]) -> str | None:
    """The command of the study itself; None where it was asked for from Python only.

    A recipe or a space of a person's own is named by a file: recipe.toml, space.toml.
    """
    source, metric = str(settings["source"]), str(settings["metric"])
    if not _is_file(source) or metric.startswith(OWN) or settings.get("keep_all"):
        return None
    said = [source, "--target", settings["target"]]
    said += ["--budget", f"{settings['budget_s']:.10g}s"]
    for name, usual in OPTIONS.items():
        value = settings.get(name, usual)
        if value != usual:
            said += [f"--{name.replace('_', '-')}", str(value)]
    said += ["--workers", str(settings["workers"])]
    for name in ("by", "keep", "prior"):
        for each in settings.get(name, ()):
            said += [f"--{name}", each]
    flags = (("ensemble", "--single"), ("first_look", "--no-first-look"))
    said += [flag for name, flag in flags if not settings.get(name, True)]
    if settings.get("portfolio"):
        said.append("--portfolio")
    if is_own_recipe(settings.get("recipe", "")):
        said += ["--recipe", "recipe.toml"]
    if (space := space_name(settings)) != _USUAL_SPACE:
        said += ["--space", space or "space.toml"]
    return command("fit", *said, "--out", "again")


_USUAL_SPACE = "tabular"


def space_name(settings: Mapping[str, Any]) -> str | None:
    """The ready space that was searched; None for a person's own."""
    ready = named("spaces").items()
    same = (name for name, file in ready if file.read_text("utf-8") == settings.get("space"))
    return next(same, None)


def all_of(facts: Facts) -> tuple[tuple[str, str], ...]:
    """(what it gives, command) each."""
    folder = facts.folder
    found = []
    resumed = facts.timeline.sessions > 1
    if (again := fit(facts.settings)) is not None:
        what = "The study's first session" if resumed else "The study, from the start"
        found.append((what, again))
    found.append(("The table of scores, and the best trials", command("show", folder)))
    if not is_own_recipe(facts.settings.get("recipe", "")):
        differing = command("recipe", "default", "--diff", folder)
        found.append(("What the winner's recipe does differently", differing))
    if (ablate := words.ablate_command(facts.result, facts.folder)) is not None:
        found.append(("What each ingredient bought", ablate))
    if facts.importance is not None:
        found.append(("Which settings mattered", command("show", folder, "--importance")))
    predicted = command("predict", folder, "new.csv", "-o", "predictions.csv")
    found.append(("Predictions for new rows", predicted))
    if not facts.result["metric"].startswith(OWN):
        found.append(("More time for the search", command("resume", folder, "--budget", "5m")))
    return *found, ("This report", command("report", folder))


def _is_file(source: str) -> bool:
    return source in builtin.NAMES or Path(source).suffix != ""
