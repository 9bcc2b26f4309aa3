"""Models that a study cannot start from, as in `bad_inputs`."""

from __future__ import annotations

from collections.abc import Callable

from .bad_inputs import ASKED, Bad, Place, replaced


def start(name: str, *expects: str, options: Callable[[Place], list[object]]) -> Bad:
    """`fit` on the table of the finished study, from a model and with options."""

    def prepare(place: Place) -> list[object]:
        return ["fit", place.study.parent / "table.csv", *ASKED, *options(place)]

    return Bad(name, prepare, expects)


def start_from_another_program(place: Place) -> list[object]:
    run = place.copy()
    replaced("model/manifest.json", '{"a": 1}')(run)
    return ["--start-from", run]


STARTS = [
    start("start from nowhere", "nowhere", options=lambda p: ["--start-from", "nowhere"]),
    start("start from a table", "no model", options=lambda p: ["--start-from", p.table()]),
    start(
        "start from a model, and keep a column",
        "earlier model",
        options=lambda p: ["--start-from", p.study, "--keep", "a"],
    ),
    start("start from an empty folder", "no model", options=lambda p: ["--start-from", p.folder]),
    start("start from another program", "not one of", options=start_from_another_program),
    start(
        "start from a model of other columns", "table.csv", "'bmi'",
        options=lambda p: ["--start-from", p.regression],
    ),
    start(
        "start from what is to be predicted", "'colour'", "another target",
        options=lambda p: ["--start-from", p.study, "--target", "colour"],
    ),
    start(
        "start with another network", "--recipe", "there", "resnet(width=77",
        options=lambda p: [
            "--start-from", p.study, "--recipe", p.text("r.toml", "[network.resnet]\nwidth = 77\n")
        ],
    ),
    start(
        "start with a space of networks", "--space", "there", "here",
        options=lambda p: ["--start-from", p.study, "--space", "tabular"],
    ),
]  # fmt: skip
