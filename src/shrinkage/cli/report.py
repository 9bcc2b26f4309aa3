"""`shrinkage report`: a study as one page that works offline."""

from __future__ import annotations

from shrinkage.cli import options


def report(
    folder: options.Run,
    by: options.By = None,
    store: options.Store = None,
) -> None:
    """Write a finished run's report again: report.html as a page, report.md as text.

    Example: shrinkage report run --by sex
    """
    from shrinkage import run as program

    print(program.report(folder, by or (), store=store))
