"""The web application: one page and its events, for whoever has the token, on this machine.

403 without the token, whatever is asked for. A name that is not this machine's own is refused
(400): a page of another site that has its name resolve to 127.0.0.1 could else read along.
"""

from __future__ import annotations

import secrets

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shrinkage.dashboard.feed import Feed
from shrinkage.report.html import rendered

HOSTS = ("127.0.0.1", "localhost")

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def app(feed: Feed, token: str) -> Starlette:
    """Everything that is served: GET /?token=... and /events?token=..."""

    def page(request: Request) -> Response:  # not async: it may compress plotly, in a thread
        nonce = secrets.token_urlsafe(16)
        tick = feed.tick
        text = rendered(
            "live.html.j2",
            feed.body,
            "shrinkage.dashboard",
            nonce=nonce,
            over=feed.end or "",
            phase=tick.phase,
            left=tick.left,
            used=tick.used,
        )
        return HTMLResponse(text, headers={**_HEADERS, "Content-Security-Policy": _policy(nonce)})

    async def events(request: Request) -> Response:
        # Starlette's own stream: the format is two lines an event, and there is nothing to resume.
        return StreamingResponse(feed.events(), media_type="text/event-stream", headers=_HEADERS)

    return Starlette(
        routes=[Route("/", page), Route("/events", events)],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS), www_redirect=False),
            Middleware(_Guard, token=token),
        ],
    )


def _policy(nonce: str) -> str:
    """Styles in the page are plotly's, too; scripts are those that were served with it."""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'"
    )


class _Guard:
    """Lets through what brings the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Request(scope).query_params.get("token", "")
            # Bytes: text beyond ASCII cannot be compared in constant time.
            if not secrets.compare_digest(given.encode("utf-8", "replace"), self.token):
                refused = PlainTextResponse(
                    "403: open the address that `shrinkage watch` printed, with its token\n",
                    status_code=403,
                    headers=_HEADERS,
                )
                await refused(scope, receive, send)
                return
        await self.app(scope, receive, send)
