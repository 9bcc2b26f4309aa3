"""What pages are told: the newest body, the clock, and at last how it ended.

Every page gets what is newest, not all that was: one that was asleep misses nothing that matters.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field

from shrinkage.dashboard.live import Tick
from shrinkage.report.html import Body


def event(name: str, data: object) -> str:
    """One event as a browser's EventSource reads it: JSON has no line ends of its own."""
    return f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n"


@dataclass
class Feed:
    """body, tick: what is known now. end: how it ended, in a sentence; None while it goes on.

    open: how many pages listen. Used from one event loop only.
    """

    body: Body
    tick: Tick
    end: str | None = None
    open: int = 0
    _closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, body: Body, tick: Tick, end: str | None = None) -> None:
        """The same body object again is not sent again."""
        self.body, self.tick, self.end = body, tick, end
        self._wake()

    def close(self) -> None:
        """Nothing more is told: whoever listens is sent away."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def events(self) -> AsyncIterator[str]:
        """The text of all events for one page, until the end."""
        self.open += 1
        sent: Body | None = None
        try:
            while not self._closed:
                news = self._news
                if self.body is not sent:
                    sent = self.body
                    told = {"title": sent.title, "body": sent.markup, "figures": sent.figures}
                    yield event("page", told)
                yield event("tick", asdict(self.tick))
                if self.end is not None:
                    yield event("end", self.end)
                    return
                await news.wait()
        finally:
            self.open -= 1
