"""The winner on test rows: its probabilities and its errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shrinkage.report import charts
from shrinkage.report.facts import Facts
from shrinkage.report.page import Chart, Notes, Section, Table, Text
from shrinkage.report.words import after_training, amount
from shrinkage.wording import number

CLASSES = 12
"""With more, the most frequent confusions are listed; a table of all would not be read."""

TOP = 15
"""So many confusions."""


def probabilities(facts: Facts) -> Section | None:
    found = facts.result.get("calibration")
    if not found:
        return None
    table = found["reliability_test"].get("class_1") or found["reliability_test"]["top_class"]
    two = "class_1" in found["reliability_test"]
    of = f"class {facts.classes[1][0]}" if two else "the most probable class"
    error = found["calibration_error_test"]
    log_loss = found["log_loss_test"]
    lines = [
        *after_training(facts.result),
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


def errors(facts: Facts) -> Section | None:
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
        shares = counts / np.maximum(totals, 1)[:, None]
        shades = tuple(tuple(map(float, row)) for row in shares)
        heads = ("class", *(f"called {label}" for label in labels), "right")
        table = Table("Test rows by class (down) and by what they are called (across)", heads, rows)
        return Section("errors", "Errors", (first, replace(table, shades=shades)))
    off = [
        (int(counts[i, j]), i, j)
        for i in range(len(labels))
        for j in range(len(labels))
        if i != j and counts[i, j]
    ]
    off.sort(reverse=True)
    rows = tuple((labels[i], labels[j], f"{n:,}", _share(n, totals[i])) for n, i, j in off[:TOP])
    heads = ("class", "called", "rows", "of its class")
    return Section("errors", "Errors", (first, Table("Most frequent", heads, rows, text=(0, 1))))


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _residuals(facts: Facts) -> Section:
    errors = facts.errors
    assert errors is not None
    assert errors.predicted is not None
    assert errors.actual is not None
    size = np.abs(errors.actual - errors.predicted)
    rows = tuple(
        (f"{level:.0%}", amount(np.quantile(size, level))) for level in (0.5, 0.8, 0.95, 1.0)
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
        f"{amount(np.median(size))}; training targets reach from {amount(low)} to {amount(high)}."
    )
    return Section("errors", "Errors", (Text(said), chart))
