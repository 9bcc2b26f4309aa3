"""Following a run: reading its folder every second, serving what is known, ending with it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import uvicorn

from shrinkage.dashboard import live
from shrinkage.dashboard.app import HOSTS, app
from shrinkage.dashboard.feed import Feed
from shrinkage.dashboard.live import Tick
from shrinkage.dashboard.state import ABSENT, FINISHED, RUNNING, Reader, State, status
from shrinkage.errors import BadInput
from shrinkage.report import facts, sections
from shrinkage.report.html import Body, body
from shrinkage.report.write import PAGE
from shrinkage.search.folder import Folder
from shrinkage.wording import command

log = logging.getLogger("shrinkage")

EVERY_S = 1.0
"""Between two looks at the folder."""

_TICK_S = 0.1
_LATECOMERS_S = 3.0
"""A page that was served listens a moment later: so long the end waits for it."""
_REPORT_S = 10.0
"""The run writes report.html after it has let go of its folder; so long that is waited for."""


@dataclass(frozen=True)
class Seen:
    """end: how it ended, in a sentence."""

    body: Body
    tick: Tick
    end: str | None = None


@dataclass
class Look:
    """Looks at a run; what has not changed is not made again. store: as of `serve`."""

    folder: Folder
    store: str | None = None
    reader: Reader = field(init=False)
    _known: State | None = None
    _body: Body | None = None

    def __post_init__(self) -> None:
        self.reader = Reader(self.folder, self.store)

    def now(self) -> Seen:
        """Raises BadInput where the folder could not be read from the beginning."""
        seen = status(self.folder)
        if seen[0] == FINISHED:
            return self._finished()
        try:
            state = self.reader.read(seen)
        except BadInput as error:
            if self._known is None:
                raise
            # A server that is away for a moment: the last that was known stands.
            log.debug("%s", error)
            state = self._known
        if self._body is None or state != self._known:
            self._known, self._body = state, self._of(state)
        tick = live.tick(state, datetime.now())
        if state.status == RUNNING:
            return Seen(self._body, tick)
        return Seen(self._body, tick, how_it_ended(self.folder))

    def _of(self, state: State) -> Body:
        footer = f"Read from {self.folder.root} while the run goes on; nothing is written there."
        return body(live.page(state), "shrinkage, live", footer)

    def _finished(self) -> Seen:
        over = Tick("finished", "", 1.0)
        try:
            found = body(sections.page(facts.read(self.folder.root, self.store)))
        except Exception as error:  # as for report.html: no report is not the end of the world
            log.debug("no report", exc_info=error)
            if self._body is None:
                raise
            return Seen(self._body, over, f"The run has ended, but its report failed: {error}")
        return Seen(found, over, "The run has ended. This is its report, and needs no server.")

    def close(self) -> None:
        self.reader.close()


def begun(folder: Folder, seconds: float, waiting: Callable[[], None]) -> str:
    """The status of the run there, which may begin within so many seconds.

    waiting: called once, where there is nothing yet. Raises BadInput where nothing begins.
    """
    until = time.monotonic() + seconds
    told = False
    while (found := status(folder)[0]) == ABSENT:
        if time.monotonic() >= until:
            what = "does not exist" if not folder.root.exists() else "holds no run"
            raise BadInput(
                f"{folder.root} {what}: begin one with `shrinkage fit DATA --out {folder.root}`, "
                "or wait longer for it with --wait"
            )
        if not told:
            waiting()
            told = True
        time.sleep(min(_TICK_S, seconds))
    return found


def bound(port: int) -> socket.socket:
    """A socket on this machine's own address; port 0: any that is free. Raises BadInput."""
    try:
        return socket.create_server((HOSTS[0], port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(
            f"--port {port} cannot be used: {reason.lower()}; leave it out, and a free one is taken"
        ) from None


def serve(
    folder: Folder,
    door: socket.socket,
    opened: Callable[[str], None],
    store: str | None = None,
) -> None:
    """Serve a run that goes on, until it ends.

    opened: called with the address, once it can be opened. store: URL of the study's server, where
    its password is to be found nowhere else. Raises BadInput.
    """
    look = Look(folder, store)
    try:
        asyncio.run(_serve(look, door, opened))
    finally:
        look.close()
        door.close()


async def _serve(look: Look, door: socket.socket, opened: Callable[[str], None]) -> None:
    token = secrets.token_urlsafe(32)
    seen = look.now()
    feed = Feed(seen.body, seen.tick, seen.end)
    config = uvicorn.Config(
        app(feed, token),
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    following = asyncio.create_task(_follow(look, feed, server))
    opened(f"http://{HOSTS[0]}:{door.getsockname()[1]}/?token={token}")
    await server.serve(sockets=[door])
    await following


async def _follow(look: Look, feed: Feed, server: uvicorn.Server) -> None:
    """Publish what is seen until the run ends, or somebody ends the server."""
    try:
        while feed.end is None:
            until = time.monotonic() + EVERY_S
            while time.monotonic() < until and not server.should_exit:
                await asyncio.sleep(_TICK_S)
            if server.should_exit:
                return
            seen = await asyncio.to_thread(look.now)
            feed.publish(seen.body, seen.tick, seen.end)
        until = time.monotonic() + _LATECOMERS_S
        while (feed.open or time.monotonic() < until) and not server.should_exit:
            await asyncio.sleep(_TICK_S)
    finally:
        feed.close()
        server.should_exit = True


def how_it_ended(folder: Folder) -> str:
    """A sentence, with what to do next. Waits a moment for the report of a run that just ended."""
    if status(folder)[0] != FINISHED:
        return f"The run stopped before its end; go on with: {command('resume', folder.root)}"
    until = time.monotonic() + _REPORT_S
    page = folder.root / PAGE
    while not (written := _newer(page, folder.result)) and time.monotonic() < until:
        time.sleep(_TICK_S)
    if written:
        return f"The run has ended. Its report: {page}"
    return f"The run has ended; write its report with: {command('report', folder.root)}"


def _newer(path: Path, other: Path) -> bool:
    try:
        return path.stat().st_mtime >= other.stat().st_mtime
    except OSError:
        return False
