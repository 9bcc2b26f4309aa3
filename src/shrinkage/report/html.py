"""A report as one HTML file that needs no network: styles, charts and plotly are in it.

plotly.min.js is 4.8 MB, compressed and as text 2 MB; a browser unpacks it in a moment. Where it
cannot, the tables with the same numbers are there.
"""

from __future__ import annotations

import base64
import gzip
from functools import cache
from importlib import metadata, resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from shrinkage.report.page import Block, Chart, Page


def html(page: Page) -> str:
    """The file's text. What people named is escaped."""
    environment = Environment(
        loader=PackageLoader("shrinkage.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    blocks: list[Block] = [*page.first, *(b for section in page.sections for b in section.blocks)]
    figures = {block.name: block.figure for block in blocks if isinstance(block, Chart)}
    template = environment.get_template("report.html.j2")
    version = metadata.version("shrinkage")
    return template.render(page=page, figures=figures, plotly=_plotly(), version=version)


def _unbroken(value: object) -> object:
    """No line ends between 95 and its sign."""
    return value.replace("95 %", "95\u00a0%") if isinstance(value, str) else value


@cache
def _plotly() -> str:
    """The library that draws, compressed, as text."""
    script = resources.files("plotly") / "package_data" / "plotly.min.js"
    # No time stamp: the same report is the same file.
    return base64.b64encode(gzip.compress(script.read_bytes(), 6, mtime=0)).decode("ascii")
