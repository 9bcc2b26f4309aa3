"""`shrinkage watch`: a run in the browser, while it goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from shrinkage.cli import options


def watch(
    folder: options.Run,
    port: Annotated[
        int, typer.Option(help="Of this machine's own address; 0: any free one.", min=0, max=65535)
    ] = 0,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for a run that has not begun.", min=0.0)
    ] = 30.0,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the address, and open no browser.")
    ] = False,
    store: options.Store = None,
) -> None:
    """Follow a run in the browser until it ends: the report, as far as there is one.

    Served on this machine only, to whoever has the printed address. Example: shrinkage watch run
    """
    from pathlib import Path

    from shrinkage.cli import terminal
    from shrinkage.errors import not_installed

    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise not_installed("watch needs Starlette with Uvicorn", "dashboard") from None
    from shrinkage.dashboard import watch as program
    from shrinkage.search.folder import Folder

    def say(text: str) -> None:
        terminal.console.print(text, markup=False, soft_wrap=True)
        terminal.console.file.flush()

    def opened(address: str) -> None:
        say(f"Live: {address}")
        say("It ends with the run. Ctrl-C ends it sooner; the run goes on.")
        if not no_open:
            _open(address)

    run = Folder(Path(folder))
    try:
        begun = program.begun(run, wait, lambda: say(f"Waiting for a run in {folder} ..."))
        if begun == program.RUNNING:
            program.serve(run, program.bound(port), opened, store)
        say(program.how_it_ended(run))
    except KeyboardInterrupt:
        say("No longer watched; the run goes on.")


def _open(address: str) -> None:
    """In a person's browser, where there is a person and a screen."""
    import os
    import sys
    import webbrowser

    screen = sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if sys.stdout.isatty() and screen:
        webbrowser.open(address)
