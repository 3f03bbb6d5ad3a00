"""What hostile clients and web pages may try against the RPC."""

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from node.rpc.server import serve_rpc
from tests.fakes_market import FakeMarket, FakeProver, services

TOKEN = "a" * 64
BODY = json.dumps({"text": "good"}).encode()


@asynccontextmanager
async def served(
    market: FakeMarket, prover: FakeProver | None = None, **limits: float
) -> AsyncIterator[int]:
    offered = services(market, prover=prover)
    async with trio.open_nursery() as nursery:
        serve = partial(serve_rpc, offered, port=0, token=TOKEN, **limits)  # type: ignore[arg-type]
        url = await nursery.start(serve)
        yield int(url.rpartition(":")[2])
        nursery.cancel_scope.cancel()


async def talk(port: int, data: bytes, *, half_close: bool = False) -> bytes:
    """Send bytes as they are, then return all that comes back."""
    answer = bytearray()
    with trio.fail_after(20):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            try:
                await stream.send_all(data)
                if half_close:
                    await stream.send_eof()
                async for chunk in stream:
                    answer += chunk
            except trio.BrokenResourceError:
                pass
    return bytes(answer)


def request(
    port: int,
    *,
    method: str = "POST",
    path: str = "/tasks",
    host: str | None = "127.0.0.1:PORT",
    origin: str | None = None,
    kind: str | None = "application/json",
    bearer: str | None = f"Bearer {TOKEN}",
    body: bytes = BODY,
    more: bytes = b"",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Connection: close", f"Content-Length: {len(body)}"]
    named = {"Host": host, "Origin": origin, "Content-Type": kind, "Authorization": bearer}
    lines += [f"{name}: {value}" for name, value in named.items() if value is not None]
    head = "\r\n".join(lines).replace("PORT", str(port)).encode("latin-1")
    return head + b"\r\n" + more + b"\r\n" + body


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


async def until_served(port: int) -> None:
    with trio.fail_after(5):
        while status_of(await talk(port, request(port))) != 201:  # noqa: ASYNC110 - no event says so
            await trio.sleep(0.01)


HOSTS = ["127.0.0.1:PORT", "localhost:PORT", "[::1]:PORT", "evil.com", "evil.com:PORT",
         "127.0.0.1:1", "127.0.0.1", "", None, "LOCALHOST:PORT", "localhost.:PORT"]  # fmt: skip
ORIGINS = [None, "http://127.0.0.1:PORT", "null", "http://evil.com", "https://127.0.0.1:PORT"]
KINDS = ["application/json", "application/json; charset=utf-8", "text/plain", None,
         "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]  # fmt: skip
METHODS = ["POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE"]
BEARERS = [f"Bearer {TOKEN}", None, "Bearer wrong", f"bearer {TOKEN}", TOKEN, f"Bearer {TOKEN}a"]


@pytest.mark.parametrize("method", METHODS)
async def test_guard__lets_one_kind_of_request_change_anything(method: str) -> None:
    market = FakeMarket()
    cells = list(itertools.product(HOSTS, ORIGINS, KINDS, BEARERS))
    if method != "POST":  # the same guard, whatever the method: a sample says as much
        cells = cells[::17]
    wrong = []
    async with served(market, connections_max=1000) as port:

        async def try_one(cell: tuple[str | None, ...], limiter: trio.CapacityLimiter) -> None:
            host, origin, kind, bearer = cell
            async with limiter:
                raw = request(
                    port, method=method, host=host, origin=origin, kind=kind, bearer=bearer
                )
                answer = await talk(port, raw)
            right = (
                host in HOSTS[:3]
                and origin in ORIGINS[:2]
                and bearer == BEARERS[0]
                and (kind in KINDS[:2] or method != "POST")
            )
            good = {"POST": 201, "GET": 200}.get(method, 405)
            status = status_of(answer)
            if (status == good) != right or b"access-control" in answer.lower():
                wrong.append((cell, status))
            if not right and not 400 <= status < 500:
                wrong.append((cell, status))

        limiter = trio.CapacityLimiter(16)
        async with trio.open_nursery() as nursery:
            for cell in cells:
                nursery.start_soon(try_one, cell, limiter)

    assert wrong == []
    # 3 hosts, 2 origins, 2 content types, 1 token
    assert len(market.requests) == (12 if method == "POST" else 0)


@pytest.mark.parametrize("repeated", [b"Host: 127.0.0.1:PORT\r\n", b"Authorization: Bearer x\r\n",
                                      b"Content-Type: text/plain\r\n",
                                      b"Origin: http://evil.com\r\n"])  # fmt: skip
async def test_guard__refuses_repeated_headers(repeated: bytes) -> None:
    market = FakeMarket()
    async with served(market) as port:
        more = repeated.replace(b"PORT", str(port).encode())
        answer = await talk(port, request(port, more=more))

    assert 400 <= status_of(answer) < 500
    assert market.requests == []


HOSTILE_BODIES = {
    "not utf-8": b'{"text":"\xff\xfe"}',
    "half an escape": b'{"text":"\\ud800"}',
    "half an escape as a name": b'{"text":"a","\\ud800":1}',
    "deep list": b"[" * 60_000,
    "deep object": b'{"text":' * 8_000,
    "huge integer": b'{"text":"a","seats":' + b"9" * 10_000 + b"}",
    "large integer": b'{"text":"a","seats":' + b"9" * 300 + b"}",
    "float": b'{"text":"a","seats":3.0}',
    "nan": b'{"text":"a","seats":NaN}',
    "infinity": b'{"text":"a","seats":1e999}',
    "text for a number": b'{"text":"a","seats":"3"}',
    "true for a number": b'{"text":"a","seats":true}',
    "number for a text": b'{"text":1}',
    "no text": b"{}",
    "unknown field": b'{"text":"a","color":"red"}',
    "list": b"[]",
    "null": b"null",
    "empty": b"",
    "cut": b'{"text":"a"',
    "two": b'{"text":"a"}{"text":"b"}',
    "zero bytes": b"\x00" * 100,
    "text too long": b'{"text":"' + b"a" * 20_000 + b'"}',
}


@pytest.mark.parametrize("name", HOSTILE_BODIES)
async def test_submit__refuses_a_hostile_body(name: str) -> None:
    market = FakeMarket()
    async with served(market) as port:
        answer = await talk(port, request(port, body=HOSTILE_BODIES[name]))

    assert status_of(answer) == 400
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert set(document) == {"code", "message"}
    assert market.requests == []


@pytest.mark.parametrize(
    ("size", "status"), [(64 * 1024, 400), (64 * 1024 + 1, 413), (900_000, 413)]
)
async def test_body__has_a_limit(size: int, status: int) -> None:
    async with served(FakeMarket()) as port:
        answer = await talk(port, request(port, body=b" " * size))

    assert status_of(answer) == status


async def test_body__that_never_ends_is_refused_and_leaves_no_connection() -> None:
    market = FakeMarket()
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    async with served(market, connections_max=2) as port:
        head = request(port).partition(b"Content-Length")[0] + request(port).partition(b"17\r\n")[2]
        head = head.partition(b"\r\n\r\n")[0]
        for bearer in (b"", b"x"):
            spoiled = head.replace(b"Bearer ", b"Bearer " + bearer)
            raw = spoiled + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 40
            for _ in range(3):
                await talk(port, raw)
        answer = await talk(port, request(port))

    assert status_of(answer) == 201


@pytest.mark.parametrize(
    "path",
    ["/tasks/%ff%fe%00", "/tasks/..%2f..%2fetc", "/tasks?limit=" + "9" * 5000,
     "/tasks/" + "f" * 9000, "/leaderboard/of/%00", "/%2e%2e/", "//health"],
)  # fmt: skip
async def test_get__answers_a_hostile_path_with_a_client_error(path: str) -> None:
    async with served(FakeMarket()) as port:
        answer = await talk(port, request(port, method="GET", path=path, body=b""))

    assert 400 <= status_of(answer) < 500


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000,
        b"\x00" * 1000,
    ],
)
async def test_server__survives_what_is_not_http(raw: bytes) -> None:
    async with served(FakeMarket()) as port:
        refused = await talk(port, raw, half_close=True)
        answer = await talk(port, request(port, method="GET", path="/health", body=b""))

    assert not 200 <= status_of(refused) < 300
    assert status_of(answer) == 200


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
async def test_server__grants_no_upgrade(protocol: str) -> None:
    more = f"Upgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\n".encode()
    more += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    async with served(FakeMarket()) as port:
        raw = request(port, method="GET", path="/status", body=b"", more=more, bearer=None)
        raw = raw.replace(b"Connection: close", b"Connection: Upgrade")
        answer = await talk(port, raw, half_close=True)

    assert not answer.startswith(b"HTTP/1.1 101")


async def test_server__drops_clients_that_are_slow_to_ask() -> None:
    async with served(FakeMarket(), idle_seconds=0.2, body_seconds=0.2) as port:
        silent = await talk(port, b"")
        half_header = await talk(port, b"GET / HTTP/1.1\r\nHost:")
        half_body = await talk(port, request(port)[:-1])

    assert (silent, half_header) == (b"", b"")
    assert status_of(half_body) == 408


async def test_server__answers_one_client_too_many_with_503() -> None:
    async with served(FakeMarket(), connections_max=1) as port:
        async with await trio.open_tcp_stream("127.0.0.1", port) as first:
            await first.send_all(b"GET")
            refused = await talk(port, b"")
        await until_served(port)

    assert status_of(refused) == 503
    assert json.loads(refused.partition(b"\r\n\r\n")[2])["code"] == "too_many_connections"


class LongProver(FakeProver):
    """Proves with more than the system takes in for somebody who does not read."""

    CERTIFICATE = b" " * 16 * 1024 * 1024

    async def certificate(self, task_id: str) -> bytes:
        return self.CERTIFICATE


async def ask_and_stop_reading(port: int) -> trio.SocketStream:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    path = f"/tasks/{'0' * 64}/certificate"
    await stream.send_all(request(port, method="GET", path=path, body=b""))
    assert status_of(bytes(await stream.receive_some(len(b"HTTP/1.1 200")))) == 200
    await trio.sleep(0.1)
    return stream


async def test_server__stops_at_once_while_a_client_reads_nothing() -> None:
    async with served(FakeMarket(), LongProver()) as port:
        stream = await ask_and_stop_reading(port)
        began = trio.current_time()

    assert trio.current_time() - began < 5  # half of what a client has for a chunk of an answer
    await stream.aclose()


async def test_server__drops_a_client_that_stops_reading() -> None:
    limits = {"write_seconds": 0.2, "connections_max": 1}
    async with served(FakeMarket(), LongProver(), **limits) as port:
        stream = await ask_and_stop_reading(port)
        await until_served(port)
        await stream.aclose()


async def test_token__is_in_no_answer_and_no_log_though_the_node_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = FakeMarket()
    market.failure = ZeroDivisionError("a bug")
    with caplog.at_level("DEBUG"):
        async with served(market) as port:
            answers = [await talk(port, request(port, method=how)) for how in ("POST", "GET")]

    assert [status_of(answer) for answer in answers] == [500, 500]
    assert "ZeroDivisionError: a bug" in caplog.text
    assert all(TOKEN not in text for text in (*map(repr, answers), caplog.text))
