"""What web pages and strangers on this machine may ask: every combination of what they can send."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from node.rpc.guard import Guard

TOKEN = "a" * 64
PORT = 7461
OK_HOSTS = ["127.0.0.1:7461", "localhost:7461", "[::1]:7461"]
HOSTS = [*OK_HOSTS, "evil.com", "evil.com:7461", "127.0.0.1:1", "127.0.0.1", "", None,
         "LOCALHOST:7461", "localhost.:7461"]  # fmt: skip
OK_ORIGINS = [None, "http://127.0.0.1:7461"]
ORIGINS = [*OK_ORIGINS, "null", "http://evil.com", "https://127.0.0.1:7461", ""]
JSON_KINDS = ["application/json", "application/json; charset=utf-8", "Application/JSON"]
LINE_KINDS = ["application/x-ndjson"]
BYTE_KINDS = ["application/octet-stream"]
OK_KINDS = {"/tasks/batch": JSON_KINDS + LINE_KINDS, "/log": BYTE_KINDS}
KINDS = [*JSON_KINDS, *LINE_KINDS, *BYTE_KINDS, "text/plain", None,
         "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]  # fmt: skip
METHODS = ["GET", "POST", "PUT", "OPTIONS", "HEAD", "DELETE", "PATCH", "get"]
OK_BEARER = f"Bearer {TOKEN}"
BEARERS = [None, OK_BEARER, "Bearer wrong", f"bearer {TOKEN}", f"{OK_BEARER}a", ""]
SITES = [None, "same-origin", "none", "cross-site", "same-site", "odd"]
PAGE = ["/", "/ui/main.js"]
PATHS = ["/tasks", "/tasks/batch", "/health", "/log", "/leaderboard/of/bob", "/diff/bob"]
PATHS += [*PAGE, "/ui"]
CLOSED = ["/log", "/leaderboard/of/bob", "/diff/bob"]


class Behind:
    """Stands for all routes: remembers what reached them."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def asked(guard: Guard, method: str, path: str, **named: str | None) -> Message:
    """Send one request and return how the answer begins."""
    sent: list[Message] = []
    headers = [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in named.items()
        if value is not None
    ]

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": headers}
    await guard(scope, receive, send)
    return sent[0]


def needs_token(method: str, path: str, *, open_reads: bool) -> bool:
    if path in PAGE:
        return method not in ("GET", "HEAD")
    if method != "GET":
        return True
    return path != "/health" and not (open_reads and path not in CLOSED)


@asynccontextmanager
async def guarded(*, open_reads: bool) -> AsyncIterator[tuple[Guard, Behind]]:
    behind = Behind()
    yield Guard(behind, token=TOKEN, port=PORT, open_reads=open_reads), behind


@pytest.mark.parametrize("open_reads", [False, True])
@pytest.mark.parametrize("method", METHODS)
async def test_guard__lets_through_what_the_matrix_says(method: str, open_reads: bool) -> None:
    wrong: list[Any] = []
    async with guarded(open_reads=open_reads) as (guard, behind):
        cells = itertools.product(PATHS, HOSTS, ORIGINS, KINDS, BEARERS, SITES)
        step = 1 if method == "POST" and not open_reads else 7  # a prime: every value meets every
        for path, host, origin, kind, bearer, site in itertools.islice(cells, 0, None, step):
            kinds = OK_KINDS.get(path, JSON_KINDS)
            is_let_in = bearer == OK_BEARER or (
                not needs_token(method, path, open_reads=open_reads)
                and (bearer is None or path in ("/health", *PAGE))
            )
            right = (
                host in OK_HOSTS
                and origin in OK_ORIGINS
                and site in (None, "same-origin", "none")
                and is_let_in
                and (method != "POST" or kind in kinds)
            )
            before = behind.reached

            start = await asked(
                guard, method, path, host=host, origin=origin, content_type=kind,
                authorization=bearer, sec_fetch_site=site,
            )  # fmt: skip

            names = [name.lower() for name, _ in start["headers"]]
            is_refused = start["status"] in (401, 403, 415)
            if (behind.reached > before) != right or is_refused == right:
                wrong.append((path, host, origin, kind, bearer, site, start["status"]))
            if any(name.startswith(b"access-control") for name in names):
                wrong.append((path, names))

    assert wrong == []
    assert behind.reached > 0


@pytest.mark.parametrize("header", ["host", "origin", "authorization", "sec-fetch-site"])
async def test_guard__refuses_a_second_value_of_what_it_judges_by(header: str) -> None:
    behind = Behind()
    guard = Guard(behind, token=TOKEN, port=PORT, open_reads=True)
    good = {"host": OK_HOSTS[0], "authorization": OK_BEARER}
    bad = {"host": "evil.com", "origin": "null", "authorization": "x", "sec-fetch-site": "odd"}
    headers = [(name.encode(), value.encode()) for name, value in good.items()]
    headers.append((header.encode(), bad[header].encode()))
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nothing of the body is read")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/tasks", "headers": headers}
    await guard(scope, receive, send)

    assert sent[0]["status"] in (401, 403)
    assert behind.reached == 0
