"""A report as one HTML file that needs no network: styles, charts and plotly are in it.

plotly.min.js is 4.8 MB, compressed and as text 2 MB; a browser unpacks it in a moment. Where it
cannot, the tables with the same numbers are there.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shrinkage.files import finite
from shrinkage.report.page import Block, Chart, Page

_HERE = "shrinkage.report"


@dataclass(frozen=True)
class Body:
    """What stands between <body> and the scripts. figures: by the name of their place, as JSON."""

    title: str
    markup: Markup
    figures: dict[str, Any]


def html(page: Page) -> str:
    """The file's text. What people named is escaped."""
    return rendered("report.html.j2", body(page))


def body(page: Page, kicker: str = "shrinkage report", footer: str | None = None) -> Body:
    """kicker: the line above the title. footer: the last one."""
    blocks: list[Block] = [*page.first, *(b for section in page.sections for b in section.blocks)]
    figures = {block.name: finite(block.figure) for block in blocks if isinstance(block, Chart)}
    footer = footer or (
        f"Written by shrinkage {_version()}. The same numbers stand in report.md and result.json."
    )
    template = _environment(_HERE).get_template("body.html.j2")
    text = template.render(page=page, figures=figures, kicker=kicker, footer=footer)
    return Body(page.title, Markup(text), figures)


def rendered(template: str, body: Body, package: str = _HERE, **more: object) -> str:
    """A whole page: a template of a package around a body; it may include those of the report."""
    return (
        _environment(package)
        .get_template(template)
        .render(
            title=body.title,
            body=body.markup,
            figures=body.figures,
            plotly=_plotly(),
            version=_version(),
            **more,
        )
    )


@cache
def _environment(package: str) -> Environment:
    found = Environment(
        loader=ChoiceLoader([PackageLoader(_HERE), PackageLoader(package)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    found.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False}
    return found


@cache
def _version() -> str:
    return metadata.version("shrinkage")


def _unbroken(value: object) -> object:
    """No line ends between 95 and its sign. Markup is whole already."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return value.replace("95 %", "95\u00a0%")


@cache
def _plotly() -> str:
    """The library that draws, compressed, as text."""
    script = resources.files("plotly") / "package_data" / "plotly.min.js"
    # No time stamp: the same report is the same file.
    return base64.b64encode(gzip.compress(script.read_bytes(), 6, mtime=0)).decode("ascii")
