"""From a study's folder to report.html and report.md."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from shrinkage import interrupts
from shrinkage.evidence import grouped
from shrinkage.files import write_text
from shrinkage.report import facts, html, markdown, sections
from shrinkage.search.folder import Folder
from shrinkage.search.result import read_result
from shrinkage.wording import command

log = logging.getLogger("shrinkage")

PAGE, TEXT = "report.html", "report.md"


def write(folder: Path, by: Sequence[str] = (), store: str | None = None) -> Path:
    """Write both; returns the page's path. Raises BadInput where there is no whole study.

    by: further columns whose groups are shown, now and whenever it is written again.
    store: URL of the study's server, where its password is to be found nowhere else.
    """
    result = read_result(Folder(folder))
    grouped.bring_up_to_date(folder, result, by, store)
    page = sections.page(facts.read(folder, store))
    write_text(folder / TEXT, markdown.markdown(page))
    write_text(folder / PAGE, html.html(page))
    return folder / PAGE


def try_to(folder: Path, store: str | None = None) -> Path | None:
    """`write`; what goes wrong costs the report and one line, not the study that it is about.

    Nor does Ctrl-C: all else is written by then.
    """
    try:
        return write(folder, store=store)
    except KeyboardInterrupt:
        interrupts.heard()
        log.warning("interrupted; the report: %s", command("report", folder))
        return None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        log.warning("no report, the results are in %s: %s", folder / "result.json", reason)
        return None
