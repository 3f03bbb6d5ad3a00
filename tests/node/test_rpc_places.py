"""How many read the stream of events at once: as many as may, and each is counted out again."""

import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from starlette.types import ASGIApp, Message, Scope

from node.feed import Feed
from node.news import Reporter
from node.rpc.app import web_app
from node.rpc.guard import REFUSED, Guard
from node.rpc.pace import Pace, Rate
from node.rpc.public import PublicGuard
from node.rpc.routes import build_router
from node.rpc.routes_events import StreamRules
from node.rpc.serving import serve_http
from tests.fakes_market import FakeMarket, a_reporter, services

TOKEN = "a" * 64
PLACES = 4
CROWD = 32
EVERY = Rate(1e9, 1e9)


def streaming(reporter: Reporter, streams_max: int) -> ASGIApp:
    """Return an application that streams to so many at once, with nothing in front of it."""
    rules = StreamRules(streams_max=streams_max)
    return web_app(build_router(services(FakeMarket(), reporter), streams=rules))


class Everybody:
    """Has a connection for all."""

    def enter(self, host: str) -> bytes | None:
        """Let in."""

    def leave(self, host: str) -> None:
        """Let go."""


@asynccontextmanager
async def served(reporter: Reporter, door: str) -> AsyncIterator[int]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    app = streaming(reporter, PLACES)
    doors: dict[str, ASGIApp] = {
        "own": Guard(app, token=TOKEN, port=port),
        "public": PublicGuard(app, Pace(of_all=EVERY, of_one=EVERY), lambda code: None),
    }
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_http, doors[door], listeners, Everybody()))
        yield port
        nursery.cancel_scope.cancel()


def ask_at_once(port: int) -> list[socket.socket]:
    """Have a crowd ask: all its words lie there before the server can read any of them."""
    head = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}"
    found = [socket.create_connection(("127.0.0.1", port)) for _ in range(CROWD)]
    for one in found:
        one.sendall(head.encode() + b"\r\n\r\n")
    return found


@asynccontextmanager
async def crowd(port: int) -> AsyncIterator[Counter[int]]:
    """Have a crowd ask at once and stay with what it is answered, by status."""
    async with AsyncExitStack() as opened:
        found: Counter[int] = Counter()
        for one in ask_at_once(port):
            one.setblocking(False)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(one))
            await opened.enter_async_context(stream)
            with trio.fail_after(10):
                found[int((await stream.receive_some()).split(b" ")[1])] += 1
        yield found


async def until_nobody_reads(feed: Feed) -> None:
    with trio.fail_after(10):
        while feed.readers:  # noqa: ASYNC110 - no event says that a client left
            await trio.sleep(0.01)


@pytest.mark.parametrize("door", ["own", "public"])
async def test_events__has_as_many_readers_as_may_be_however_close_they_come(door: str) -> None:
    reporter = a_reporter()
    feed = reporter.feed
    async with served(reporter, door) as port:
        for _ in range(2):
            async with crowd(port) as statuses:
                assert statuses == {200: PLACES, 503: CROWD - PLACES}
                assert feed.readers == PLACES
            await until_nobody_reads(feed)


@pytest.mark.parametrize("door", ["own", "public"])
async def test_events__has_its_places_again_from_who_is_gone_before_a_word(door: str) -> None:
    reporter = a_reporter()
    async with served(reporter, door) as port:
        for one in ask_at_once(port):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
        await trio.testing.wait_all_tasks_blocked(0.05)
        await until_nobody_reads(reporter.feed)

        async with crowd(port) as statuses:
            assert statuses == {200: PLACES, 503: CROWD - PLACES}
            assert reporter.feed.readers == PLACES


class Client:
    """Somebody who asks for events and does not even take in the head of the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.status = 0
        self.answered = trio.Event()

    async def ask(self) -> None:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.1"},
            "method": "GET",
            "path": "/events",
            "query_string": b"",
            "headers": [],
            REFUSED: lambda code: None,
        }
        await self._app(scope, self._hear_nothing, self._take)

    async def _take(self, message: Message) -> None:
        self.status = message["status"]
        self.answered.set()
        await trio.sleep_forever()

    async def _hear_nothing(self) -> Message:
        await trio.sleep_forever()
        raise AssertionError("woken")


class GoneClient(Client):
    """Somebody who cannot be sent a word."""

    async def _take(self, message: Message) -> None:
        self.status = message["status"]
        raise OSError("gone")


async def test_events__counts_who_has_no_head_yet_and_not_who_is_cancelled_then() -> None:
    reporter = a_reporter()
    app = streaming(reporter, 1)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            client = Client(app)
            nursery.start_soon(client.ask)
            await client.answered.wait()
            assert (client.status, reporter.feed.readers) == (200, 1)
            nursery.cancel_scope.cancel()

        assert reporter.feed.readers == 0


async def test_events__counts_nobody_whose_head_cannot_be_sent() -> None:
    reporter = a_reporter()
    app = streaming(reporter, 1)
    for _ in range(2):
        client = GoneClient(app)
        with pytest.raises(OSError, match="gone"):
            await client.ask()

        assert (client.status, reporter.feed.readers) == (200, 0)
