"""What strangers may ask of a node whose operator shows its dashboard to everybody.

Not a way around the guard of the RPC: another application, which no token is known to, and which
has nothing to give away but what it shows.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bootstrap.network_group import client_of
from node.rpc.app import web_app
from node.rpc.guard import (
    OWN_PAGES,
    PAGE_METHODS,
    PAGE_PATH,
    REFUSED,
    error_response,
    is_of_page,
    values_of,
    with_fixed_headers,
)
from node.rpc.pace import TOKEN_S, Pace, retry_after
from node.rpc.page import WithPage
from node.rpc.routes import build_router
from node.rpc.routes_events import KEEP_ALIVE_SECONDS, StreamRules
from node.services import Services

STREAMS_MAX = 48  # of 192 connections, so that a question always finds one
PAUSE_SECONDS = 1.0  # a stream costs a stranger's node some 0.3 ms each time it is told something
HEAVY_AT_ONCE = 1  # worked out; whoever is slow to read what came of it holds up nobody's work
# Worked out or being read: so many whole answers lie in memory, 20 MB each where they are as large
# as they can be. Usually they are 10 kB, and with the system before anybody could be slow.
HEAVY_HELD_MAX = 8
PAGE_TOKENS = 0.25  # a file of the page comes out of a dictionary
# What is shown, and nothing beside it: everything else is unknown here.
SHOWN = re.compile(
    "/(?:health|ready|status|network|peers|tasks|leaderboard|leaderboard/history|history|events"
    "|tasks/[^/]+|tasks/[^/]+/certificate|workers/.+|explain/.+)",
    re.DOTALL,
)
HEAVY = re.compile("/(?:tasks/[^/]+/certificate|workers/.+|explain/.+)", re.DOTALL)


def create_public_app(
    services: Services, pace: Pace, *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS
) -> ASGIApp:
    """Build the application that strangers are served by.

    Args:
        services: What the node shows to strangers.
        pace: How much they may ask.
        keep_alive_seconds: How long an event stream may be silent.
    """
    streams = StreamRules(STREAMS_MAX, keep_alive_seconds, PAUSE_SECONDS)
    router = build_router(services, streams=streams, wait_seconds_max=0)
    app = WithPage(web_app(router, is_for_strangers=True), is_for_strangers=True)
    return PublicGuard(app, pace, services.meter.note_refusal)


class PublicGuard:
    """An ASGI application that lets strangers read what is shown, each in its turn."""

    def __init__(self, app: ASGIApp, pace: Pace, refused: Callable[[str], None]) -> None:
        """Take what answers, how much may be asked, and who counts refusals by their code."""
        self._app = app
        self._pace = pace
        self._refused = refused
        self._heavy = _Heavy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request; websockets are always refused."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        scope[REFUSED] = self._refused
        client = client_of(scope["client"][0])
        send = with_fixed_headers(send)
        wait_s = self._pace.wait_s(client)
        if wait_s > 0:
            # No more is asked over this connection: to open one anew is cheaper for this node than
            # to read on.
            headers = {"Retry-After": retry_after(wait_s), "Connection": "close"}
            too_fast = error_response(429, "too_fast", "too much is asked; wait a moment", headers)
            await too_fast(scope, receive, send)
            return
        async with self._charged(client, scope, send) as charged_send:
            refusal = _refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, charged_send)
            elif HEAVY.fullmatch(scope["path"]):
                await self._serve_heavy(client, scope, receive, charged_send)
            else:
                await self._app(scope, receive, charged_send)

    async def _serve_heavy(self, client: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._heavy.has_place(client):
            refusal = error_response(429, "busy", "somebody is being told; try again")
            await refusal(scope, receive, send)
            return
        with self._heavy.place(client) as done:

            async def telling(message: Message) -> None:
                done()  # none of these answers is made while it is sent
                await send(message)

            await self._app(scope, receive, telling)

    @asynccontextmanager
    async def _charged(self, client: str, scope: Scope, send: Send) -> AsyncIterator[Send]:
        """Charge a token at once, and more for what took longer until its answer began.

        That is the time of the node's one thread, so a part of it may be somebody else's; what a
        slow reader takes is not counted.
        """
        tokens = PAGE_TOKENS if is_of_page(scope["path"]) else 1.0
        self._pace.take(client, tokens)
        began_s: float | None = self._pace.used_s()

        def settle() -> None:
            nonlocal began_s
            if began_s is not None:
                used = (self._pace.used_s() - began_s) / TOKEN_S
                began_s = None
                self._pace.take(client, max(0.0, used - tokens))

        async def settling(message: Message) -> None:
            settle()
            await send(message)

        try:
            yield settling
        finally:
            settle()


class _Heavy:
    """What takes long to work out, or is long to read: how much of it there is, and whose."""

    def __init__(self) -> None:
        self._at_work = 0
        self._held: Counter[str] = Counter()

    def has_place(self, client: str) -> bool:
        """Answer whether one more may ask; who holds as many as are free waits for his own."""
        free = HEAVY_HELD_MAX - self._held.total()
        return self._at_work < HEAVY_AT_ONCE and self._held[client] < free

    @contextmanager
    def place(self, client: str) -> Iterator[Callable[[], None]]:
        """Hold a place; what is given ends the work, and may be called again."""
        is_at_work = True

        def done() -> None:
            nonlocal is_at_work
            if is_at_work:
                is_at_work = False
                self._at_work -= 1

        self._at_work += 1
        self._held[client] += 1
        try:
            yield done
        finally:
            done()
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]


def _refusal(scope: Scope) -> Response | None:
    """Judge the headers alone, before routing."""
    headers, method, path = scope["headers"], scope["method"], scope["path"]
    # Anything may be in front of this node, so any Host is taken: there is no secret to be had.
    own = {b"%s://%s" % (how, host) for how in (b"http", b"https") for host in _hosts(scope)}
    if any(origin not in own for origin in values_of(headers, b"origin")):
        return error_response(403, "wrong_origin", "requests of other origins are refused")
    if not _is_followed_link(scope) and any(
        site not in OWN_PAGES for site in values_of(headers, b"sec-fetch-site")
    ):
        return error_response(403, "wrong_origin", "requests of other web pages are refused")
    if not is_of_page(path):
        if not SHOWN.fullmatch(path):
            return error_response(404, "not_found", "there is nothing to be shown here")
        if method != "GET":
            allowed = {"Allow": "GET"}
            return error_response(405, "method_not_allowed", "this can only be read", allowed)
    elif method not in PAGE_METHODS:
        return None  # the page itself says so
    if any(size != b"0" for size in values_of(headers, b"content-length")) or values_of(
        headers, b"transfer-encoding"
    ):
        return error_response(413, "body_too_large", "a question has no body here")
    return None


def _hosts(scope: Scope) -> list[bytes]:
    return values_of(scope["headers"], b"host")


def _is_followed_link(scope: Scope) -> bool:
    """Answer whether somebody follows a link of another web page to this one, as people do."""
    headers = scope["headers"]
    return (
        (scope["method"], scope["path"]) == ("GET", PAGE_PATH)
        and values_of(headers, b"sec-fetch-mode") == [b"navigate"]
        and values_of(headers, b"sec-fetch-dest") == [b"document"]
    )
